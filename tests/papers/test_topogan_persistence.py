import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eccvkit.data.masks import count_holes, voronoi_membranes
from eccvkit.errors import DataError
from eccvkit.papers.topogan import persistence as ph


def wall_with_gap(height=9, width=15, column=4, gap=5):
    """A vertical wall off the middle, with a gap off the middle: nothing is symmetric."""
    mask = np.zeros((height, width), dtype=bool)
    mask[:, column] = True
    mask[2 : 2 + gap, column] = False
    return mask


def test_empty_mask_is_one_hole_of_the_frame():
    diagram = ph.persistence_diagram(np.zeros((5, 7)))
    assert diagram.births.tolist() == [0.0] and diagram.deaths.tolist() == [3.0]


def test_full_mask_has_no_points():
    diagram = ph.persistence_diagram(np.ones((5, 7)))
    assert len(diagram) == 0 and diagram.betti == 0
    assert diagram.saddles.shape == (0, 2)


def test_closed_wall_makes_two_holes():
    diagram = ph.persistence_diagram(wall_with_gap(gap=0))
    # Left room: columns 0 to 3, half-width 2. Right room: 9 rows high, so half-height 5.
    assert diagram.births.tolist() == [0.0, 0.0] and diagram.deaths.tolist() == [2.0, 5.0]
    assert diagram.betti == 2


def test_gap_is_an_almost_hole_at_its_middle():
    # The gap is rows 2 to 6 of column 11; its middle, row 4, is 3 pixels from either end.
    wide = wall_with_gap(height=12, width=29, column=11, gap=5)
    diagram = ph.persistence_diagram(wide)
    assert diagram.births.tolist() == [0.0, 3.0]
    assert diagram.saddles[1].tolist() == [4, 11]


def test_transposed_mask_transposes_the_saddle():
    wide = wall_with_gap(height=12, width=29, column=11, gap=5)
    assert ph.persistence_diagram(wide.T).saddles[1].tolist() == [11, 4]


def test_birth_is_the_distance_at_the_saddle():
    rng = np.random.default_rng(500)
    for mask in rng.random((20, 11, 17)) < 0.12:
        diagram = ph.persistence_diagram(mask, min_persistence=0.0)
        distance = ph.distance_transform(mask)
        assert distance.shape == (13, 19)
        row, column = diagram.saddles.T + 1
        assert np.array_equal(distance[row, column], diagram.births)
        assert (np.diff(diagram.births) >= 0).all() and (diagram.deaths > diagram.births).all()


def test_distance_by_brute_force():
    mask = np.random.default_rng(501).random((6, 9)) < 0.1
    points = np.argwhere(np.pad(mask, 1, constant_values=True)) - 1
    for row, column in np.ndindex(mask.shape):
        nearest = np.hypot(*(points - (row, column)).T).min()
        assert ph.distance_transform(mask)[row + 1, column + 1] == pytest.approx(nearest)


def test_a_branch_at_the_border_bounds_a_hole():
    mask = np.zeros((7, 11), dtype=bool)
    mask[:, 4] = True
    # Without the frame a bar that runs from border to border has no hole at all.
    assert ph.persistence_diagram(mask).betti == 2


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 0.6))
def test_holes_are_components_of_the_background(seed, share):
    mask = np.random.default_rng(seed).random((8, 13)) < share
    assert ph.persistence_diagram(mask).betti == count_holes(mask)


def test_generator_and_diagrams_agree():
    masks = voronoi_membranes(150, seed=502)
    found = ph.diagrams(masks.images)
    assert [d.betti for d in found] == masks.betti.tolist()
    almost = torch.tensor([ph.almost_holes(d) > 0 for d in found])
    assert (almost == (masks.cuts > 0)).float().mean() > 0.97
    assert ph.almost_hole_rate(found) == pytest.approx(almost.float().mean().item())


def test_short_lives_are_dropped():
    mask = np.random.default_rng(3).random((16, 16)) < 0.1
    everything = ph.persistence_diagram(mask, min_persistence=0.0)
    kept = ph.persistence_diagram(mask, min_persistence=1.0)
    assert len(kept) == ((everything.deaths - everything.births) >= 1).sum() < len(everything)


def test_bad_masks():
    with pytest.raises(DataError, match="expected a matrix"):
        ph.persistence_diagram(np.zeros((0, 4)))
    with pytest.raises(DataError, match="expected a matrix"):
        ph.persistence_diagram(np.zeros(4))
    with pytest.raises(DataError, match=r"expected \(n, 1, H, W\)"):
        ph.diagrams(torch.zeros(2, 3, 8, 8))
    images = torch.zeros(2, 1, 8, 8)
    images[1, 0, 3, 3] = float("nan")
    with pytest.raises(DataError, match="1 pixel"):
        ph.diagrams(images)
    with pytest.raises(DataError, match="no diagram"):
        ph.almost_hole_rate([])
