import math

import pytest
import torch

from eccvkit.data.shape_outlines import CRESCENT_CUT, OUTLINES, STAR_INNER


def grid(side=997, reach=1.2):
    axis = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 * reach - reach
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return x, y, (2 * reach / side) ** 2


def lens(r, s, d):
    """Area common to two discs of radii r and s at distance d."""
    a = math.acos((d * d + r * r - s * s) / (2 * d * r))
    b = math.acos((d * d + s * s - r * r) / (2 * d * s))
    kite = math.sqrt((-d + r + s) * (d + r - s) * (d - r + s) * (d + r + s)) / 2
    return r * r * a + s * s * b - kite


SHIFT, CUT = CRESCENT_CUT
AREAS = {
    "disc": math.pi * 0.81,
    "ring": math.pi * (0.95**2 - 0.45**2),
    "square": 1.5**2,
    "triangle": 3 * math.sqrt(3) / 4,
    "plus": 2 * 1.9 * 0.6 - 0.6**2,
    "star": 5 * STAR_INNER * math.sin(math.pi / 5),
    "L": 0.48 * 1.6 + 1.38 * 0.48 - 0.48**2,
    "T": 1.6 * 0.48 + 0.48 * 1.6 - 0.48**2,
    "crescent": math.pi * 0.81 - lens(0.9, CUT, SHIFT),
    "bars": 2 * 0.44 * 1.6,
}


def test_ten_outlines_all_checked():
    assert len(OUTLINES) == 10 and set(AREAS) == set(OUTLINES)


@pytest.mark.parametrize("name", OUTLINES)
def test_area_is_the_closed_form(name):
    x, y, cell = grid()
    inside = OUTLINES[name](x, y) < 0
    assert inside.sum().item() * cell == pytest.approx(AREAS[name], rel=5e-3)


@pytest.mark.parametrize("name", OUTLINES)
def test_distances_have_slope_one_beside_edges_and_never_more(name):
    x, y, cell = grid()
    d = OUTLINES[name](x, y)
    step = math.sqrt(cell)
    slope = torch.hypot(*(g / step for g in torch.gradient(d)))
    near = (d.abs() < 0.03)[1:-1, 1:-1]
    assert slope[1:-1, 1:-1][near].median().item() == pytest.approx(1.0, abs=1e-3)
    for axis in (0, 1):
        assert d.diff(dim=axis).abs().max().item() / step < 1 + 1e-9


TIP = 0.4 * math.pi  # Of the star's next point, clockwise.


@pytest.mark.parametrize(("name", "x", "y"), [
    ("triangle", 0.0, -1.0), ("star", 0.0, -1.0), ("star", math.sin(TIP), -math.cos(TIP)),
    ("triangle", math.sqrt(3) / 2, 0.5), ("plus", 0.95, 0.3), ("crescent", -0.9, 0.0),
    ("crescent", SHIFT - CUT, 0.0), ("bars", 0.28, 0.0), ("disc", 0.54, 0.72),
])  # fmt: skip
def test_points_that_lie_on_the_outline(name, x, y):
    d = OUTLINES[name](torch.tensor([x], dtype=torch.float64), torch.tensor([y]).double())
    assert d.item() == pytest.approx(0.0, abs=1e-6)


def test_the_letters_stand_upright():
    def inside(name, x, y):
        return OUTLINES[name](torch.tensor([x]), torch.tensor([y])).item() < 0

    assert inside("L", -0.4, -0.6) and inside("L", 0.5, 0.6) and not inside("L", 0.5, -0.6)
    assert inside("T", 0.6, -0.6) and inside("T", 0.0, 0.6) and not inside("T", 0.5, 0.5)
