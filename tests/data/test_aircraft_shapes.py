import math
from dataclasses import replace

import pytest
import torch

from eccvkit.data.aircraft_shapes import AircraftClass, Views, render, sample_views, silhouettes

PLAIN = AircraftClass(
    length=0.6,
    width=0.1,
    wing_position=0.5,
    sweep=0.0,
    span=0.6,
    chord=0.15,
    tail="plain",
    engines=0,
)
BUSY = replace(PLAIN, sweep=30.0, tail="swept", engines=4)


def upright(aircraft, size=64):
    return silhouettes([aircraft], torch.zeros(1, dtype=torch.int64), size)[0, 0]


def seen(aircraft, angle=0.0, scale=1.0, shift=(0.0, 0.0), size=64):
    views = Views(torch.tensor([angle]), torch.tensor([scale]), torch.tensor([shift]))
    return silhouettes([aircraft], torch.zeros(1, dtype=torch.int64), size, views)[0, 0]


def extent(image):
    """Rows and columns that hold any ink, as (top, bottom, left, right)."""
    rows, columns = torch.nonzero(image > 0.5, as_tuple=True)
    return rows.min().item(), rows.max().item(), columns.min().item(), columns.max().item()


@pytest.mark.parametrize("size", [16, 32])
def test_upright_aircraft_is_its_mirror_image(size):
    image = upright(BUSY, size)
    torch.testing.assert_close(image, image.flip(1))
    assert not torch.allclose(image, image.flip(0), atol=0.1)


def test_span_and_length_are_measured_in_image_sides():
    # 0.6 of 100 pixels, centred: pixels 20 to 79 across the wing and along the fuselage.
    assert extent(upright(PLAIN, size=100)) == (20, 79, 20, 79)
    assert extent(upright(replace(PLAIN, span=0.4), size=100))[2:] == (30, 69)
    assert extent(upright(replace(PLAIN, length=0.7), size=100))[:2] == (15, 84)


@pytest.mark.parametrize(
    "change", [{"span": 0.75}, {"length": 0.7}, {"width": 0.14}, {"chord": 0.2}, {"engines": 2}]
)
def test_larger_parameters_cover_more(change):
    assert upright(replace(PLAIN, **change)).sum() > upright(PLAIN).sum() + 1


def test_chord_of_an_unswept_wing():
    # A column beside the fuselage, lateral distance 0.1: the chord tapers from the root's 0.15
    # linearly to 0.45 of it at the tip (lateral 0.3), here 0.15 * (1 - 0.55 / 3).
    column = upright(replace(PLAIN, tail="none"), size=100)[:, 59:61].mean(dim=1)
    assert column.sum().item() == pytest.approx(100 * 0.15 * (1 - 0.55 / 3), abs=0.05)


def test_area_without_aliasing():
    # Grey edges keep the area when the resolution drops; counting pixel centres would not.
    area = [upright(PLAIN, size).mean().item() for size in (256, 32)]
    assert area[1] == pytest.approx(area[0], rel=0.03)


def test_sweep_moves_the_tips_back_and_only_them():
    straight, swept = upright(PLAIN, 100), upright(replace(PLAIN, sweep=30.0), 100)
    tip = slice(21, 23)

    def row(image):
        weight = image[:, tip].sum(dim=1)
        return (weight * torch.arange(100)).sum() / weight.sum()

    # Column 22 is the border between the two pixels, 28 pixels from the axis.
    assert (row(swept) - row(straight)).item() == pytest.approx(
        28 * math.tan(math.radians(30)), 0.1
    )
    torch.testing.assert_close(straight[:20], swept[:20])


def test_tail_surfaces():
    none = upright(replace(PLAIN, tail="none"))
    added = {t: upright(replace(PLAIN, tail=t)) - none for t in ("plain", "swept", "canard")}
    assert all(a.min() >= 0 and a.sum() > 10 for a in added.values())
    assert added["canard"][32:].sum() == 0
    assert added["plain"][:32].sum() == added["swept"][:32].sum() == 0


def test_engines_come_in_pairs_from_the_inside():
    ink = [upright(replace(PLAIN, engines=n)) for n in (0, 2, 4)]
    assert (ink[1] >= ink[0]).all() and (ink[2] >= ink[1]).all()
    assert (ink[1] - ink[0]).sum().item() == pytest.approx((ink[2] - ink[1]).sum().item(), rel=0.1)


def test_views():
    half_turn = seen(BUSY, angle=math.pi)
    torch.testing.assert_close(half_turn, upright(BUSY).flip(0, 1), atol=1e-4, rtol=0)
    # A quarter turn clockwise points the nose to the right.
    torch.testing.assert_close(
        seen(BUSY, angle=math.pi / 2), upright(BUSY).rot90(-1), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(
        seen(BUSY, shift=(3.0, 2.0)), upright(BUSY).roll((2, 3), dims=(0, 1)), atol=1e-4, rtol=0
    )
    assert seen(PLAIN, scale=1.2).sum() / upright(PLAIN).sum() == pytest.approx(1.44, abs=0.02)


def test_edges_stay_one_pixel_wide_when_the_aircraft_grows():
    # A column through the wing crosses two edges; each leaves at most two grey pixels.
    column = seen(replace(PLAIN, tail="none"), scale=4.0)[:, 50]
    assert ((column > 0.01) & (column < 0.99)).sum() <= 4


def test_sampled_views_fill_their_ranges_and_no_more():
    views = sample_views(5000, torch.Generator().manual_seed(0))
    for values, low, high in (
        (views.angle, -math.radians(20), math.radians(20)),
        (views.scale, 0.8, 1.2),
        (views.shift[:, 0], -1, 1),
        (views.shift[:, 1], -1, 1),
    ):
        margin = 0.01 * (high - low)
        assert low <= values.min() < low + margin
        assert high - margin < values.max() <= high


def test_render_takes_everything_random_from_the_generator():
    labels = torch.tensor([0, 1, 1])
    first, again, other = (
        render([PLAIN, BUSY], labels, 16, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == (3, 1, 16, 16)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[1], first[2])


def test_noise_has_the_stated_size():
    labels = torch.zeros(200, dtype=torch.int64)
    noisy, clean = (
        render([PLAIN], labels, 16, torch.Generator().manual_seed(0), noise) for noise in (0.1, 0)
    )
    assert noisy.min() >= 0 and noisy.max() <= 1
    # Clipping at 0 leaves half of the noise on the background, with mean 0.1 / sqrt(2 pi).
    background = noisy[clean == 0]
    assert background.mean().item() == pytest.approx(0.1 / math.sqrt(2 * math.pi), rel=0.03)


def test_more_images_than_one_chunk_and_none():
    labels = torch.arange(600) % 2
    images = silhouettes([PLAIN, BUSY], labels, 16)
    torch.testing.assert_close(images[598:], images[:2])
    assert silhouettes([PLAIN], labels[:0], 16).shape == (0, 1, 16, 16)


@pytest.mark.parametrize(
    ("change", "role"),
    [
        ({"tail": "none", "engines": 4}, "bomber"),
        ({"engines": 4, "sweep": 20.0}, "airliner"),
        ({"engines": 4, "sweep": 19.0}, "transport"),
        ({"engines": 2, "sweep": 30.0}, "business jet"),
        ({"engines": 2}, "commuter"),
        ({"sweep": 25.0}, "fighter"),
        ({"span": 0.61}, "glider"),
        ({}, "trainer"),
    ],
)
def test_roles(change, role):
    assert replace(PLAIN, **change).role == role
