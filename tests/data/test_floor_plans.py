"""Floor plans: geometry by hand, statistics, and what the maps must and must not give away."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.path import Path

from eccvkit.data import floor_plans as fp
from eccvkit.data.shortest_paths import connected
from eccvkit.errors import EccvkitError


@pytest.fixture(scope="module")
def plans():
    return fp.floor_plans(300, 8, seed=1)


def test_segments_and_walls_by_hand():
    # One wall from (0, 0) to (0, 2), and a missing piece.
    walls = np.array([[[0.0, 0, 0, 2], [np.nan] * 4]])
    cases = {
        "crosses": ([-1, 1], [1, 1], True),
        "passes above": ([-1, 3], [1, 3], False),
        "stays on one side": ([1, 0], [2, 2], False),
        "touches with its end": ([-1, 1], [0, 1], True),
        "grazes the tip": ([-1, 2], [1, 2], True),
        "starts on the line of the wall, beyond it": ([0, 3], [1, 1], False),
        "runs along the wall": ([0, 1], [0, 3], True),
        "runs along its line, beyond it": ([0, 2.5], [0, 3], False),
    }
    start, end, expected = (np.array(column) for column in zip(*cases.values()))
    found = fp.blocked(start[None].astype(float), end[None].astype(float), walls)[0]
    assert dict(zip(cases, found)) == dict(zip(cases, expected))


def test_line_of_sight_agrees_with_matplotlib(plans):
    for m in range(20):
        walls = [Path(w.reshape(2, 2)) for w in plans.walls[m] if np.isfinite(w).all()]
        for i in range(8):
            for j in range(i):
                segment = Path(plans.positions[m, [i, j]])
                hit = any(segment.intersects_path(wall, filled=False) for wall in walls)
                assert plans.visible[m, i, j] == (not hit)


def test_two_rooms_with_a_door_by_hand():
    pieces = fp.wall_pieces(
        fp.adjacent_rooms(1, 2), 2, np.array([[True], [False]]), np.array([[2.0], [2.0]])
    )
    assert pieces[0].tolist() == [[4, 0, 4, 1.4], [4, 2.6, 4, 4]]
    assert pieces[1, 0].tolist() == [4, 0, 4, 4] and np.isnan(pieces[1, 1]).any()
    # Through the door, and past it.
    nodes = np.array([[[3.0, 2], [5, 2], [3, 0.5]]])
    assert fp.line_of_sight(nodes, pieces[:1])[0, 0].tolist() == [False, True, True]
    assert not fp.line_of_sight(nodes, pieces[:1])[0, 1, 2]


def test_wall_below_lies_between_its_rooms():
    between = fp.adjacent_rooms(2, 1)
    assert between.tolist() == [[0, 1]]
    closed = fp.wall_pieces(between, 1, np.array([[False]]), np.array([[2.0]]))
    assert closed[0, 0].tolist() == [0, 4, 4, 4]


def test_spanning_trees_connect_all_rooms_without_a_circle():
    between = fp.adjacent_rooms(3, 3)
    trees = fp.spanning_trees(50, 9, between, np.random.default_rng(0))
    assert (trees.sum(axis=1) == 8).all()
    links = np.zeros((50, 9, 9), dtype=bool)
    links[:, between[:, 0], between[:, 1]] = trees
    assert connected(links | links.swapaxes(1, 2)).all()
    assert len(np.unique(trees, axis=0)) > 30


def test_maps_are_connected_symmetric_and_have_the_promised_shapes(plans):
    assert len(plans) == 300 and plans.nodes == 8
    assert connected(plans.visible).all()
    for links in (plans.visible, plans.probabilities, plans.distances):
        assert (links == links.swapaxes(1, 2)).all()
    own = np.arange(8)
    assert not plans.visible[:, own, own].any() and (plans.probabilities[:, own, own] == 1).all()
    assert plans.vision.shape == (300, 8, 6) and plans.colours.shape == (300, 4)
    assert all(len(set(row)) == 4 for row in plans.colours)


def test_every_room_has_a_node_and_doors_come_before_the_rest(plans):
    in_door = plans.rooms[..., 0] != plans.rooms[..., 1]
    assert all(set(own[~door, 0]) == {0, 1, 2, 3} for own, door in zip(plans.rooms, in_door))
    doors = np.isfinite(plans.walls).all(-1).reshape(300, -1, 2).all(-1).sum(axis=1)
    assert (in_door.sum(axis=1) == np.minimum(doors, 4)).all() and (doors >= 3).all()


def test_positions_lie_in_the_rooms_named(plans):
    x, y = plans.positions[..., 0], plans.positions[..., 1]
    for side in (0, 1):
        room = plans.rooms[..., side]
        for value, index in ((x, room % 2), (y, room // 2)):
            assert (value >= 4 * index).all() and (value <= 4 * index + 4).all()


def test_order_of_the_nodes_says_nothing(plans):
    in_door = plans.rooms[..., 0] != plans.rooms[..., 1]
    share = in_door.mean(axis=0)
    assert np.abs(share - share.mean()).max() < 4 * np.sqrt(0.25 / len(plans))


def test_links_are_right_for_three_pairs_in_four(plans):
    off = ~np.eye(8, dtype=bool)
    right = ((plans.probabilities > 0.5) == plans.visible)[:, off].mean()
    # P(1 + 1.5 xi > 0) = Phi(2/3) = 0.7475.
    assert right == pytest.approx(0.7475, abs=0.015)
    sure = fp.uncertain_links(plans.visible, np.random.default_rng(0), confusion=0.0)
    assert ((sure > 0.5) == plans.visible)[:, off].all()
    assert sure[0][plans.visible[0]].min() == pytest.approx(1 / (1 + np.exp(-1)))


def test_common_colour_means_in_sight_but_not_the_reverse(plans):
    seen = plans.vision > 0.5
    common = (seen[:, :, None] & seen[:, None]).any(axis=-1) & ~np.eye(8, dtype=bool)
    assert plans.visible[common].all()
    assert plans.visible[~common & ~np.eye(8, dtype=bool)].any()


def test_vision_shows_the_colours_of_the_rooms():
    rooms, colours = np.array([[[1, 1], [0, 1]]]), np.array([[4, 2]])
    seen = fp.room_features(rooms, colours, 5, np.random.default_rng(0), noise=0.0)
    assert seen[0].tolist() == [[0, 0, 1, 0, 0], [0, 0, 1, 0, 1]]


def test_same_seed_same_plans_and_another_seed_others():
    first, again, other = (fp.floor_plans(5, 8, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    assert not np.allclose(first.positions, other.positions)
    part = first.take(slice(1, 3))
    assert len(part) == 2 and (part.visible == first.visible[1:3]).all() and part.rows == 2


def test_more_rooms_and_few_nodes():
    many = fp.floor_plans(5, 16, rows=3, columns=3, palette=12, seed=0)
    assert many.vision.shape == (5, 16, 12) and connected(many.visible).all()
    assert connected(fp.floor_plans(20, 4, seed=0).visible).all()


@pytest.mark.parametrize(
    "options",
    [{"n": 0}, {"nodes": 3}, {"palette": 3}, {"rows": 1, "columns": 1}, {"rows": 0}],
)
def test_bad_sizes_are_named(options):
    with pytest.raises(EccvkitError, match="rooms"):
        fp.floor_plans(**({"n": 2} | options))


def test_take_does_not_touch_the_grid(plans):
    assert replace(plans, rows=5).take(slice(0, 1)).rows == 5
