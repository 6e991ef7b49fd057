from itertools import pairwise

import numpy as np
import pytest
import torch

from eccvkit.errors import DataError, EccvkitError, UnknownName
from eccvkit.papers.topogan import descent, gradient
from eccvkit.papers.topogan.persistence import Diagram, persistence_diagram


@pytest.fixture
def gap():
    """Rows 3 to 7 of a wall in column 11 are missing: an almost-hole born at 3 in (5, 11)."""
    mask = np.zeros((14, 29), dtype=bool)
    mask[:, 11] = True
    mask[3:8, 11] = False
    return mask


def image_of(mask):
    return torch.as_tensor(mask, dtype=torch.float64)[None, None]


def births(*values):
    values = np.array(values, dtype=float)
    return Diagram(values, values + 5, np.zeros((len(values), 2), dtype=int))


def saddle_of(mask):
    diagram = persistence_diagram(mask)
    return diagram.saddles[-1], diagram.births[-1]


# --- geometry -------------------------------------------------------------------------------


def test_boundary_points_on_opposite_sides(gap):
    saddle, birth = saddle_of(gap)
    assert saddle.tolist() == [5, 11] and birth == 3
    r = gradient.boundary_point(gap, saddle)
    other = gradient.opposite_point(gap, saddle, r)
    assert {tuple(r.tolist()), tuple(other.tolist())} == {(2, 11), (8, 11)}


def test_the_frame_counts_as_structure():
    mask = np.zeros((9, 21), dtype=bool)
    mask[4:, 7] = True
    r = gradient.boundary_point(mask, np.array([1, 7]))
    assert r.tolist() == [-1, 7]
    assert gradient.opposite_point(mask, np.array([1, 7]), r).tolist() == [4, 7]


def test_no_other_side_of_a_closed_loop(gap):
    with pytest.raises(EccvkitError, match="loop is closed"):
        gradient.opposite_point(gap, np.array([0, 11]), np.array([0, 11]))


def test_distance_to_segment_by_hand():
    distance = gradient.distance_to_segment((3, 5), np.array([0, 1]), np.array([0, 3]))
    assert distance[0].tolist() == [1, 0, 0, 0, 1]
    assert distance[2].tolist() == pytest.approx([5**0.5, 2, 2, 2, 5**0.5])
    point = gradient.distance_to_segment((2, 2), np.array([0, 0]), np.array([0, 0]))
    assert point[1, 1] == pytest.approx(2**0.5)


# --- which pixels ---------------------------------------------------------------------------


def test_pixel_mode_closes_towards_the_saddle(gap):
    saddle, _ = saddle_of(gap)
    change = gradient.pixel_change(gap, saddle, closing=True)
    r = gradient.boundary_point(gap, saddle)
    step = 1 if r[0] == 2 else -1
    # Nearer to the saddle than r, at most 1.5 from r, and not structure yet.
    assert sorted(map(tuple, np.argwhere(change).tolist())) == [
        (r[0] + step, column) for column in (10, 11, 12)
    ]


def test_pixel_mode_opens_at_the_boundary(gap):
    saddle, _ = saddle_of(gap)
    change = gradient.pixel_change(gap, saddle, closing=False)
    r = gradient.boundary_point(gap, saddle)
    away = -1 if r[0] == 2 else 1
    assert sorted(np.argwhere(change).tolist()) == sorted([r.tolist(), [r[0] + away, 11]])


def test_segment_mode_closes_the_gap_at_once(gap):
    saddle, birth = saddle_of(gap)
    change = gradient.segment_change(gap, saddle, birth, target=0.0)
    assert change[3:8, 11].all() and not (change & gap).any()
    assert np.argwhere(change)[:, 1].min() == 10 and np.argwhere(change)[:, 1].max() == 12
    assert persistence_diagram(gap | change).births.tolist() == [0, 0]


@pytest.mark.parametrize("target", [1.0, 2.0])
def test_segment_mode_stops_at_the_target(gap, target):
    saddle, birth = saddle_of(gap)
    change = gradient.segment_change(gap, saddle, birth, target, thickness=0.5)
    assert persistence_diagram(gap | change).births.tolist() == [0, target]


def test_segment_mode_opens_to_the_target(gap):
    saddle, birth = saddle_of(gap)
    change = gradient.segment_change(gap, saddle, birth, target=4.0)
    assert np.argwhere(change).tolist() == [[2, 11], [8, 11]]
    assert persistence_diagram(gap & ~change).births.tolist() == [0, 4]


def test_finished_holes_are_left_alone(gap):
    diagram = persistence_diagram(gap | True * (np.arange(29) == 11))
    assert diagram.births.tolist() == [0, 0]
    closed = gap | (np.arange(29) == 11)
    for mode in gradient.MODES:
        assert not gradient.wanted_change(closed, diagram, births(0, 0), mode).any()
        assert not gradient.wanted_change(closed, diagram, None, mode).any()


def test_a_matched_gap_is_left_alone_but_not_by_the_blind_rule(gap):
    diagram = persistence_diagram(gap)
    for mode in gradient.MODES:
        assert not gradient.wanted_change(gap, diagram, births(0, 3), mode).any()
        assert gradient.wanted_change(gap, diagram, None, mode).max() > 0


def test_a_narrow_gap_is_widened_if_the_real_one_is_wide(gap):
    diagram = persistence_diagram(gap)
    for mode in gradient.MODES:
        change = gradient.wanted_change(gap, diagram, births(0, 6), mode)
        assert change.min() < 0 and change.max() <= 0
        assert gap[change < 0].all()


def test_a_loop_whose_saddle_is_in_the_frame_cannot_be_opened():
    mask = np.zeros((7, 11), dtype=bool)
    diagram = persistence_diagram(mask)
    assert gradient.wanted_change(mask, diagram, births(3.0)).any() == mask.any()


# --- the loss -------------------------------------------------------------------------------


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("mode", gradient.MODES)
def test_gradient_sits_at_the_gap_and_raises_it(gap, mode, transpose):
    mask = gap.T if transpose else gap
    image = image_of(mask).requires_grad_()
    result = gradient.topological_loss(image, [births(0, 0)], mode)
    (slope,) = torch.autograd.grad(result.loss, image)
    wanted = -slope[0, 0].numpy()
    assert wanted.max() > 0 and wanted.min() >= 0
    where = np.argwhere(wanted > 0)
    centre = (11, 5) if transpose else (5, 11)
    assert np.abs(where - centre).max() <= 3
    # Eq. 4: births (0, 3) against (0, 0), half of the mass each.
    assert result.distance == pytest.approx(1.5)


def test_segment_loss_is_the_squared_error_on_the_segment(gap):
    image = (0.2 * image_of(~gap) + image_of(gap)).requires_grad_()
    result = gradient.topological_loss(image, [births(0, 0)], "segment")
    pixels = int((result.change > 0).sum())
    # Five rows of the gap, three columns wide, and the two pixels beside each end of the wall.
    assert pixels == 19 and result.loss.item() == pytest.approx(pixels * 0.8**2)


def test_blind_rule_sums_all_births(gap):
    batch = image_of(gap).repeat(3, 1, 1, 1).requires_grad_()
    result = gradient.topological_loss(batch, None)
    assert result.distance == pytest.approx(9.0) and result.matching is None
    assert (result.change != 0).any(axis=(1, 2)).all()


def test_matched_rule_spares_the_share_of_real_gaps(gap):
    batch = image_of(gap).repeat(4, 1, 1, 1)
    real = [births(0, 3), births(0, 0), births(0, 0), births(0, 0)]
    result = gradient.topological_loss(batch, real)
    assert (result.change != 0).any(axis=(1, 2)).sum() == 3


def test_masks_without_loops_and_constant_masks_have_a_gradient_of_zero():
    batch = torch.stack([torch.zeros(1, 8, 9), torch.ones(1, 8, 9)]).requires_grad_()
    for real in ([births(0, 0)], None):
        result = gradient.topological_loss(batch, real)
        (slope,) = torch.autograd.grad(result.loss, batch)
        assert result.loss.item() == 0 and not slope.any()


def test_bad_input(gap):
    with pytest.raises(DataError, match="NaN"):
        gradient.topological_loss(torch.full((1, 1, 8, 8), float("nan")), None)
    with pytest.raises(UnknownName, match="pixel, segment"):
        gradient.topological_loss(image_of(gap), None, "saddle")


# --- Fig. 4 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", gradient.MODES)
def test_descent_closes_the_gap_and_keeps_the_holes(gap, mode):
    frames = descent.descend(gap, births(0, 0), mode=mode)
    path = [frame.diagram.births.max() for frame in frames]
    assert path[0] == 3 and path[-1] == 0
    assert all(later <= earlier for earlier, later in pairwise(path))
    assert frames[-1].diagram.betti == 2 and frames[-1].distance == 0
    assert all((frame.image >= 0.5)[gap].all() for frame in frames)


@pytest.mark.parametrize("mode", gradient.MODES)
def test_descent_opens_a_gap_that_is_too_narrow(gap, mode):
    frames = descent.descend(gap, births(0, 4), mode=mode)
    assert frames[-1].diagram.births.tolist() == [0, 4]


def test_descent_study():
    study = descent.descent_study([500, 501], per_seed=3)
    assert study.values("birth", "start").min() > 2
    assert study.values("birth", "end").tolist() == [0, 0]
    assert study.values("holes lost", "end").tolist() == [0, 0]
    gained = study.values("holes", "end") - study.values("holes", "start")
    assert gained.tolist() == (3 + study.values("extra holes", "end")).tolist()
    with pytest.raises(EccvkitError, match="must be positive"):
        descent.descend(np.zeros((4, 4)), births(0), steps=0)


def test_holes_lost_by_hand():
    before = np.zeros((5, 9), dtype=bool)
    before[:, 4] = True
    assert descent.holes_lost(before, before) == 0
    # A wall more is no loss, a wall less joins two holes, and structure alone has none.
    more = before.copy()
    more[:, 8] = True
    assert descent.holes_lost(before, more) == 0
    assert descent.holes_lost(before, np.zeros_like(before)) == 1
    assert descent.holes_lost(before, np.ones_like(before)) == 2
