"""Planners without learning, the local controller, and input that no planner can use."""

import networkx
import numpy as np
import pytest

from eccvkit.data import floor_plans as fp
from eccvkit.data.shortest_paths import NOWHERE, next_hops, shortest_distances
from eccvkit.errors import DataError
from eccvkit.papers import topological_planning as tp
from eccvkit.papers.topological_planning.control import REACHED

# Three nodes in a bow, 1 m apart; E half believes in the direct way.
D = np.array([[0, 1, 1.8], [1, 0, 1], [1.8, 1, 0]], dtype=float)
E = np.array([[1, 0.9, 0.6], [0.9, 1, 0.8], [0.6, 0.8, 1]])


def test_threshold_by_hand():
    assert tp.threshold_costs(E, D, 0.7)[0].tolist() == [0, 1, np.inf]
    assert next_hops(tp.threshold_costs(E, D, 0.5))[0, 2] == 2
    assert next_hops(tp.threshold_costs(E, D, 0.7))[0, 2] == 1
    # Strictly above: at 0.9 and at 1 nothing is left, and there is nowhere to go.
    assert next_hops(tp.threshold_costs(E, D, 0.9))[0].tolist() == [0, NOWHERE, NOWHERE]
    assert next_hops(tp.threshold_costs(E, D, 1.0))[0, 1] == NOWHERE


def test_custom_cost_by_hand():
    np.testing.assert_allclose(tp.custom_costs(E, D, 0.0), D)
    costs = tp.custom_costs(E, D, 2.0)
    assert costs[0, 2] == pytest.approx(1.8 - 2 * np.log(0.6))
    # 0 to 2 directly: 2.82; over 1: 2 - 2 log(0.72) = 2.66.
    assert next_hops(costs)[0, 2] == 1
    assert next_hops(tp.custom_costs(E, D, 0.01))[0, 2] == 2


def test_a_large_lambda_finds_the_most_probable_path():
    rng = np.random.default_rng(0)
    e = rng.uniform(0.05, 0.95, (6, 6))
    e = np.triu(e, 1) + np.triu(e, 1).T + np.eye(6)
    d = rng.uniform(1, 5, (6, 6))
    found = shortest_distances(tp.custom_costs(e, d, 1e6)) / 1e6
    graph = networkx.from_numpy_array(-np.log(e))
    for i, lengths in networkx.all_pairs_dijkstra_path_length(graph):
        for t, length in lengths.items():
            assert found[i, t] == pytest.approx(length, abs=1e-4)


def test_probability_0_costs_much_but_not_infinity():
    e = np.array([[1, 0.0], [0.0, 1]])
    costs = tp.custom_costs(e, np.array([[0, 1.0], [1, 0]]), 1.0)
    assert costs[0, 1] == pytest.approx(1 - np.log(1e-12)) and np.isfinite(costs).all()


def test_asymmetric_probabilities_are_a_directed_graph():
    e = np.array([[1, 0.9], [0.1, 1]])
    hops = next_hops(tp.threshold_costs(e, np.ones((2, 2)), 0.5))
    assert hops[0, 1] == 1 and hops[1, 0] == NOWHERE


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tp.threshold_costs(E + 0.2, D, 0.5), "from 0.8 to 1.2"),
        (lambda: tp.custom_costs(E - 1, D, 1.0), "between 0 and 1"),
        (lambda: tp.custom_costs(np.full((3, 3), np.nan), D, 1.0), "between 0 and 1"),
        (lambda: tp.threshold_costs(E, D, 1.5), "theta is 1.5"),
        (lambda: tp.custom_costs(E, D, -1.0), "lambda is -1"),
        (lambda: next_hops(tp.custom_costs(E, -D, 0.1)), "shortest paths need costs"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(DataError, match=message):
        call()


def test_colours_by_hand_raise_common_ones_and_lower_the_rest():
    vision = np.array([[1.1, 0.0], [0.9, 0.1], [0.0, 1.0]])
    links = tp.by_colour(np.full((3, 3), 0.5), vision)
    up, down = 1 / (1 + np.exp(-3)), 1 / (1 + np.exp(3))
    assert links[0].tolist() == pytest.approx([up, up, down])
    assert tp.by_colour(np.zeros((3, 3)), vision).max() < 0.01


def test_tuning_takes_the_first_of_the_best():
    def costs(value):
        return np.array([[0.0, value], [value, 0.0]])

    best, scores = tp.tune(costs, (1.0, 2.0, np.inf), lambda hops: float(hops[0, 1] == 1))
    assert best == 1.0 and scores == {1.0: 1.0, 2.0: 1.0, np.inf: 0.0}


def test_true_links_by_dijkstra_agree_with_networkx():
    plans = fp.floor_plans(10, 8, seed=5)
    maps = tp.from_plans(plans)
    for m in range(10):
        graph = networkx.Graph()
        for i, j in np.argwhere(plans.visible[m]):
            graph.add_edge(int(i), int(j), weight=plans.distances[m, i, j])
        for i in range(8):
            for t in range(8):
                length, way = networkx.single_source_dijkstra(graph, i, t)
                assert maps.shortest[m, i, t] == pytest.approx(length)
                assert i == t or maps.hops[m, i, t] == way[1]
                assert maps.pairs[m, i, t] == (len(way) > 2)


# --- the local controller -------------------------------------------------------------------


@pytest.fixture
def two_rooms():
    """Nodes in a room, in the door (4, 2), and in the other room."""
    walls = fp.wall_pieces(fp.adjacent_rooms(1, 2), 2, np.array([[True]]), np.array([[2.0]]))
    positions = np.array([[[1.0, 0.5], [4.0, 2.0], [7.0, 0.5]]])
    links = fp.line_of_sight(positions, walls)
    rooms = np.array([[[0, 0], [0, 1], [1, 1]]])
    blank = np.zeros((1, 3, 2))
    return fp.FloorPlans(
        walls, positions, rooms, links, links.astype(float), blank, np.array([[0, 1]]), 1, 2
    )


def one_episode(start, target):
    return tp.Episodes(np.array([0]), np.array([start]), np.array([target]))


def test_true_plan_walks_through_the_door(two_rooms):
    assert not two_rooms.visible[0, 0, 2]
    maps = tp.from_plans(two_rooms)
    outcome = tp.navigate(two_rooms, maps.hops, one_episode(0, 2))
    shortest = 2 * np.hypot(3, 1.5)
    assert outcome.success[0] and maps.shortest[0, 0, 2] == pytest.approx(shortest)
    assert shortest - REACHED - 0.25 <= outcome.lengths[0] <= shortest + 1e-9
    assert outcome.tracks[0, 0].tolist() == [1, 0.5]


def test_straight_plan_stops_at_the_wall(two_rooms):
    direct = np.broadcast_to(np.arange(3), (1, 3, 3))
    outcome = tp.navigate(two_rooms, direct, one_episode(0, 2))
    assert not outcome.success[0]
    assert outcome.tracks[-1, 0, 0] < 4  # never beyond the wall at x = 4
    assert outcome.lengths[0] == pytest.approx(2.75)


def test_no_way_and_staying_go_nowhere(two_rooms):
    for node in (NOWHERE, 0):
        hops = np.full((1, 3, 3), node)
        outcome = tp.navigate(two_rooms, hops, one_episode(0, 2))
        assert not outcome.success[0] and outcome.lengths[0] == 0


def test_sampling_needs_probabilities_and_follows_them(two_rooms):
    maps = tp.from_plans(two_rooms)
    sure = np.eye(3)[maps.hops]
    outcome = tp.navigate(two_rooms, sure, one_episode(0, 2), np.random.default_rng(0))
    fixed = tp.navigate(two_rooms, sure, one_episode(0, 2))
    assert outcome.lengths[0] == fixed.lengths[0] and outcome.success[0]
    with pytest.raises(DataError, match="cannot be sampled"):
        tp.navigate(two_rooms, maps.hops, one_episode(0, 2), np.random.default_rng(0))


def test_sampling_leaves_a_dead_end(two_rooms):
    # Half of the time the plan runs into the wall: only drawing again gets through the door.
    half = np.full((1, 3, 3, 3), 0.0)
    half[0, :, 2, 2], half[0, :, 2, 1] = 0.51, 0.49
    stuck = tp.navigate(two_rooms, half, one_episode(0, 2))
    drawn = tp.navigate(two_rooms, half, one_episode(0, 2), np.random.default_rng(1))
    assert not stuck.success[0] and drawn.success[0]


def test_the_body_slides_along_walls(two_rooms):
    # From below the door towards a place beyond the wall, further up: slides up to the door.
    two_rooms.positions[0, 0] = [3.5, 0.5]
    two_rooms.positions[0, 2] = [4.5, 3.5]
    direct = np.broadcast_to(np.arange(3), (1, 3, 3))
    outcome = tp.navigate(two_rooms, direct, one_episode(0, 2))
    assert outcome.success[0]


def test_no_step_is_long_or_crosses_a_wall():
    plans = fp.floor_plans(20, 8, seed=6)
    maps = tp.from_plans(plans)
    rng = np.random.default_rng(0)
    episodes = tp.draw_episodes(maps.pairs, 2, rng)
    anything = np.ones((20, 8, 8, 8))
    outcome = tp.navigate(plans, anything, episodes, rng)
    start, end = outcome.tracks[:-1].swapaxes(0, 1), outcome.tracks[1:].swapaxes(0, 1)
    length = np.linalg.norm(end - start, axis=-1)
    assert length.max() <= 0.25 + 1e-9
    np.testing.assert_allclose(length.sum(axis=1), outcome.lengths)
    moving = length > 0
    assert not (fp.blocked(start, end, plans.walls[episodes.plan]) & moving).any()


def test_episodes_are_pairs_of_their_map():
    pairs = np.zeros((3, 4, 4), dtype=bool)
    pairs[0, 1, 2] = pairs[2, 0, 3] = pairs[2, 3, 0] = True  # the second map has none
    drawn = tp.draw_episodes(pairs, 20, np.random.default_rng(0))
    assert len(drawn.plan) == 40 and set(drawn.plan) == {0, 2}
    assert pairs[drawn].all()
    assert set(drawn.start[drawn.plan == 2]) == {0, 3}
