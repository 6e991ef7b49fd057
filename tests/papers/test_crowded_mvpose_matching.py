"""Paper 32: feet, assignment, merging, and the rivals of the feet."""

from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from eccvkit.data.cameras import camera_ring, fundamental, look_at
from eccvkit.data.crowd import Noise, ViewDetections, detect, draw_crowd, observe
from eccvkit.data.people import random_people
from eccvkit.errors import DataError, UnknownName
from eccvkit.papers import crowded_mvpose as cm

EXACT = Noise(0.0, miss=0, occlusion=False)


@pytest.fixture(scope="module")
def crowd():
    return draw_crowd(8, 2.0, np.random.default_rng(1))


@pytest.fixture(scope="module")
def exact(crowd):
    return detect(crowd, EXACT, np.random.default_rng(2))


def standing(*feet):
    """Pairs of feet (n, 2, 2) from (left x, left y, right x, right y)."""
    return np.array(feet, dtype=float).reshape(-1, 2, 2)


# ---- Eq. 4 -----------------------------------------------------------------------------


def test_feet_cost_by_hand():
    first = standing((0, 0, 0, 2))
    second = standing((3, 0, 3, 2), (0, 0, 2, 0), (0, 0, 0, 1))
    cost = cm.feet_cost(first, second, (1.0, 0.5, 0.1))
    # Moved by 3; a quarter turn about the left foot; half the stride.
    assert cost[0] == pytest.approx([3.0, np.sqrt(2) + 0.1, 0.5 + 0.5])
    assert cm.feet_cost(first, second, (0, 0, 1)).ravel() == pytest.approx([0, 1, 0])
    assert cm.feet_cost(first, second, (0, 1, 0)).ravel() == pytest.approx([0, 0, 1])


def test_feet_cost_against_a_loop():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((5, 2, 2)), rng.standard_normal((7, 2, 2))
    cost = cm.feet_cost(first, second)
    for a in range(5):
        for b in range(7):
            v, w = first[a, 1] - first[a, 0], second[b, 1] - second[b, 0]
            gap = np.linalg.norm((first[a, 0] + first[a, 1] - second[b, 0] - second[b, 1]) / 2)
            stride = abs(np.linalg.norm(v) - np.linalg.norm(w))
            turn = abs(v[0] * w[1] - v[1] * w[0]) / np.linalg.norm(v) / np.linalg.norm(w)
            assert cost[a, b] == pytest.approx(gap + 0.5 * stride + 0.1 * turn)


def test_feet_cost_does_not_care_which_view_comes_first_nor_where_the_origin_is():
    rng = np.random.default_rng(4)
    first, second = rng.standard_normal((4, 2, 2)), rng.standard_normal((3, 2, 2))
    assert np.allclose(cm.feet_cost(first, second), cm.feet_cost(second, first).T)
    assert np.allclose(cm.feet_cost(first + 5, second + 5), cm.feet_cost(first, second))


def test_zero_strides_have_no_direction_and_missing_feet_no_partner():
    together = standing((1, 1, 1, 1), (0, 0, 0, 1))
    cost = cm.feet_cost(together, together)
    assert np.isfinite(cost).all() and cost[0, 0] == 0 and cost[1, 1] == 0
    gone = standing((np.nan, np.nan, 0, 0), (0, 0, 0, 1))
    cost = cm.feet_cost(gone, together)
    assert np.isinf(cost[0]).all() and np.isfinite(cost[1]).all()


def test_feet_are_means_of_their_points():
    joints = np.zeros((2, 23, 2))
    joints[0, 17:20] = [[0, 0], [3, 0], [0, 3]]
    joints[0, 20:] = [[1, 1], [np.nan, np.nan], [3, 3]]
    joints[1, 17:20] = np.nan
    feet = cm.feet_of(joints)
    assert feet[0].tolist() == [[1, 1], [2, 2]]
    assert np.isnan(feet[1, 0]).all() and feet[1, 1].tolist() == [0, 0]


def test_points_are_rectified_not_strides(crowd):
    camera = crowd.cameras[0]
    flat = crowd.joints * [1, 1, 0]
    feet = cm.rectify(cm.feet_of(camera.project(flat)), np.linalg.inv(camera.ground))
    # The mean of projected points is not the projected mean, but nearly so for a foot.
    assert np.abs(feet - cm.feet_of(flat[..., :2])).max() < 0.01
    lost = cm.rectify(np.array([[[np.nan, 1], [2, 3]]]), np.eye(3))
    assert np.isnan(lost[0, 0]).all() and lost[0, 1].tolist() == [2, 3]
    horizon = cm.rectify(
        np.array([[[0.0, 0], [1, 1]]]), np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0.0]])
    )
    assert np.isnan(horizon[0, 0]).all() and horizon[0, 1].tolist() == [1, 1]


def test_wrong_feet_and_weights_are_named():
    with pytest.raises(DataError, match="left and right"):
        cm.feet_cost(np.zeros((2, 2)), np.zeros((2, 2, 2)))
    with pytest.raises(DataError, match="weights"):
        cm.feet_cost(np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), (1, -1, 0))


# ---- Eq. 3 -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(3, 3), (2, 4), (4, 2), (1, 5)])
def test_assignment_is_the_cheapest_of_all(n, m):
    cost = np.random.default_rng(n * 10 + m).random((n, m))
    wide = cost if n <= m else cost.T
    ways = permutations(range(wide.shape[1]), len(wide))
    best = min(sum(wide[i, j] for i, j in enumerate(way)) for way in ways)
    pairs = cm.assign(cost)
    assert len(pairs) == min(n, m)
    assert cost[pairs[:, 0], pairs[:, 1]].sum() == pytest.approx(best)


def test_gate_drops_and_bars_hold():
    cost = np.array([[0.1, 5.0], [4.0, 0.9]])
    assert cm.assign(cost, gate=0.8).tolist() == [[0, 0]]
    barred = np.array([[np.inf, 0.2], [np.inf, 0.1]])
    assert cm.assign(barred).tolist() == [[1, 1]]
    assert len(cm.assign(np.full((2, 2), np.inf))) == 0
    assert cm.assign(np.zeros((0, 3))).shape == (0, 2)
    with pytest.raises(DataError, match="NaN"):
        cm.assign(np.array([[np.nan]]))


def test_assignment_minimises_the_cost_and_not_the_number():
    # Two pairs at 1 + 1 are cheaper than 0 + 9, though one pair of the latter is free.
    assert cm.assign(np.array([[0.0, 1.0], [1.0, 9.0]])).tolist() == [[0, 1], [1, 0]]


# ---- several views ---------------------------------------------------------------------


def test_cheaper_edge_wins_a_conflict():
    # Detection 0 of view 0 is linked to 0 of view 1, that to 0 of view 2, and 0 of view 2 to 1 of
    # view 0: somebody would be in view 0 twice, so the dearest of the three edges is refused.
    costs = {
        (0, 1): np.array([[0.1], [9]]),
        (1, 2): np.array([[0.2]]),
        (0, 2): np.array([[9], [0.3]]),
    }
    pairs = {(0, 1): np.array([[0, 0]]), (1, 2): np.array([[0, 0]]), (0, 2): np.array([[1, 0]])}
    groups = cm.merge(costs, pairs, [2, 1, 1])
    assert sorted(map(tuple, groups.tolist())) == [(0, 0, 0), (1, -1, -1)]
    costs[0, 1][0, 0] = 0.5
    groups = cm.merge(costs, pairs, [2, 1, 1])
    assert sorted(map(tuple, groups.tolist())) == [(0, -1, -1), (1, 0, 0)]


def test_views_without_detections_and_people_in_one_view():
    costs = {(0, 1): np.zeros((2, 0)), (0, 2): np.array([[0.1], [0.2]]), (1, 2): np.zeros((0, 1))}
    groups = cm.match_views(costs, [2, 0, 1], gate=1.0)
    assert sorted(map(tuple, groups.tolist())) == [(0, -1, 0), (1, -1, -1)]
    assert cm.match_views({(0, 1): np.zeros((0, 0))}, [0, 0], 1.0).shape == (0, 2)
    with pytest.raises(DataError, match="views 0 and 1"):
        cm.match_views({(0, 1): np.zeros((2, 2))}, [2, 3], 1.0)


def test_nobody_is_twice_in_a_view_and_everybody_is_somewhere(crowd):
    found = detect(crowd, Noise(20), np.random.default_rng(0))
    groups = cm.match_views(cm.feet_costs(found, crowd.cameras), [len(d) for d in found], np.inf)
    for v, view in enumerate(found):
        assert sorted(groups[groups[:, v] >= 0, v]) == list(range(len(view)))


def test_exact_feet_match_everybody(crowd, exact):
    costs = cm.feet_costs(exact, crowd.cameras)
    groups = cm.match_views(costs, [8] * 4, np.inf)
    assert cm.pair_scores(groups, [d.person for d in exact]) == {
        "found": 48, "right": 48, "possible": 48,
    }  # fmt: skip


def test_pair_scores_by_hand():
    persons = [np.array([0, 1]), np.array([1, 0]), np.array([2])]
    groups = np.array([[0, 1, -1], [1, -1, 0], [-1, 0, -1]])
    assert cm.pair_scores(groups, persons) == {"found": 2, "right": 1, "possible": 2}


def test_a_camera_in_the_ground_plane_is_refused():
    joints = random_people(np.zeros((1, 2)), np.random.default_rng(0))
    cameras = [look_at((6, 0, 0), (0, 0, 1), 500, (640, 480), "low"), camera_ring(2)[1]]
    seen = observe(joints, cameras)
    found = detect(seen, EXACT, np.random.default_rng(0))
    with pytest.raises(DataError, match="camera 'low' is degenerate"):
        cm.feet_costs(found, cameras)


# ---- epipolar --------------------------------------------------------------------------


def test_epipolar_distance_against_a_loop(crowd):
    a, b = crowd.cameras[:2]
    matrix = fundamental(a, b)
    rng = np.random.default_rng(0)
    first, second = crowd.pixels[0, :3] + rng.normal(0, 9, (3, 23, 2)), crowd.pixels[1, :2]
    found = cm.epipolar_distances(matrix, first, second)
    for n, m, j in ((0, 0, 0), (2, 1, 5), (1, 0, 22)):
        q1, q2 = np.append(first[n, j], 1), np.append(second[m, j], 1)
        line2, line1 = matrix @ q1, matrix.T @ q2
        by_hand = abs(q2 @ line2) * (1 / np.hypot(*line2[:2]) + 1 / np.hypot(*line1[:2])) / 2
        assert found[n, m, j] == pytest.approx(by_hand)


def test_epipolar_cost_is_zero_for_the_right_people_and_skips_missing_joints(crowd):
    matrix = fundamental(*crowd.cameras[:2])
    first, second = crowd.pixels[0].copy(), crowd.pixels[1].copy()
    cost = cm.epipolar_cost(matrix, first, second)
    assert np.abs(np.diag(cost)).max() < 1e-6 and np.median(cost) > 5
    first[0, 3:] = np.nan
    second[1] = np.nan
    cost = cm.epipolar_cost(matrix, first, second)
    assert abs(cost[0, 0]) < 1e-6 and np.isinf(cost[:, 1]).all()
    ankles = cm.epipolar_cost(matrix, crowd.pixels[0], crowd.pixels[1], [15, 16])
    full = cm.epipolar_distances(matrix, crowd.pixels[0], crowd.pixels[1])
    assert np.allclose(ankles, full[..., [15, 16]].mean(-1))


def test_eight_points_find_the_epipolar_geometry(crowd):
    matrix = fundamental(*crowd.cameras[:2])
    first, second = crowd.pixels[0].reshape(1, -1, 2), crowd.pixels[1].reshape(1, -1, 2)
    found = cm.fit_fundamental(first, second)[0]
    found = found * np.sign((found * matrix).sum())
    assert np.allclose(found, matrix, atol=1e-6)
    with pytest.raises(DataError, match="at least 8"):
        cm.fit_fundamental(first[:, :7], second[:, :7])


def test_ransac_in_chunks_keeps_the_best_of_all_trials(monkeypatch, exact):
    from eccvkit.papers.crowded_mvpose import epipolar

    joints = [d.joints for d in exact[:2]]
    whole, parts = [], []
    for at_once, costs in ((1000, whole), (7, parts)):
        monkeypatch.setattr(epipolar, "_AT_ONCE", at_once)
        costs += [cm.ransac_cost(*joints, np.random.default_rng(s), trials=40) for s in range(3)]
    assert all(np.allclose(a, b) for a, b in zip(whole, parts))


def test_ransac_succeeds_on_four_and_gives_up_on_two(crowd, exact):
    few = [d.joints[d.person < 4] for d in exact[:2]]
    person = [d.person[d.person < 4] for d in exact[:2]]
    cost = cm.ransac_cost(*few, np.random.default_rng(0), trials=300)
    pairs = cm.assign(cost)
    assert (person[0][pairs[:, 0]] == person[1][pairs[:, 1]]).all()
    assert np.isinf(cm.ransac_cost(few[0][:2], few[1], np.random.default_rng(0))).all()


# ---- work ------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(1, 1), (6, 6), (5, 9), (25, 30)])
def test_counted_solver_finds_the_optimum(n, m):
    for seed in range(5):
        cost = np.random.default_rng([seed, n, m]).random((n, m))
        columns, relaxations = cm.count_relaxations(cost)
        rows, best = linear_sum_assignment(cost)
        assert len(set(columns)) == n
        assert cost[np.arange(n), columns].sum() == pytest.approx(cost[rows, best].sum())
        assert relaxations >= n * m


def test_counted_solver_counts():
    # The diagonal is free: every row looks at all columns once.
    assert cm.count_relaxations(1 - np.eye(5))[1] == 25
    # Both rows want column 0: the second one looks at 2 columns, then at the one that is left.
    columns, relaxations = cm.count_relaxations(np.array([[0.0, 1.0], [0.0, 5.0]]))
    assert columns.tolist() == [1, 0] and relaxations == 2 + 2 + 1
    with pytest.raises(DataError, match="transpose"):
        cm.count_relaxations(np.zeros((3, 2)))
    with pytest.raises(DataError, match="no column"):
        cm.count_relaxations(np.array([[0.0, np.inf], [0.0, np.inf]]))


def test_joint_costs_bar_other_kinds(crowd):
    matrix = fundamental(*crowd.cameras[:2])
    first, second = crowd.pixels[0, :2, :3], crowd.pixels[1, :3, :3]
    costs = cm.joint_costs(matrix, first, second)
    assert costs.shape == (6, 9) and np.isfinite(costs).sum() == 2 * 3 * 3
    distances = cm.epipolar_distances(matrix, first, second)
    assert costs[0 * 3 + 1, 2 * 3 + 1] == distances[0, 2, 1]


def test_paper_bounds():
    feet, joints = cm.paper_bounds(10)
    assert (feet, joints) == (8000, 170**4) and joints / feet / 10 == pytest.approx(
        10440.1, abs=0.1
    )


# ---- studies ---------------------------------------------------------------------------


@pytest.mark.parametrize("matcher", cm.MATCHERS)
def test_every_matcher_is_perfect_or_nearly_so_without_noise(matcher, crowd, exact):
    costs = cm.pair_costs(matcher, exact, crowd.cameras, np.random.default_rng(0), 100)
    persons = [d.person for d in exact]
    right = sum(
        (persons[j][(p := cm.assign(c))[:, 0]] == persons[k][p[:, 1]]).sum()
        for (j, k), c in costs.items()
    )
    assert right == 48 if matcher != "RANSAC" else right > 0


def test_matching_study_pairs_its_arms_and_names_its_ends():
    config = cm.PRESETS["smoke"]
    feet, epipolar = (cm.run_matching(config, m, 500) for m in ("feet", "epipolar"))
    assert feet == cm.run_matching(config, "feet", 500)
    assert set(feet) == set(epipolar)
    assert feet["precision 8 px dense"] == feet[f"precision 8 px N={config.densities[-1]}"]
    assert all(0 <= v <= 1 for v in feet.values())
    with pytest.raises(UnknownName, match="unknown matcher 'hands'"):
        cm.run_matching(config, "hands", 500)


def test_cost_study_counts_more_for_joints_than_for_feet():
    config = cm.PRESETS["smoke"]
    work = {nodes: cm.run_cost(config, nodes, 500) for nodes in cm.NODES}
    sparse = {nodes: metrics["relaxations sparse"] for nodes, metrics in work.items()}
    assert sparse["all joints"] > 17 * 4 * 17 * 4 > sparse["joints by kind"] >= 17 * 4 * 4
    assert 3 * sparse["feet"] > sparse["people by lines"] >= 16 and sparse["feet"] >= 16
    assert work["feet"]["us dense"] > 0 and work["feet"]["exponent"] > 1
    with pytest.raises(UnknownName):
        cm.run_cost(config, "hands", 500)


def test_joints_by_kind_are_the_blocks_of_all_joints(crowd, exact):
    pair = observe(crowd.joints, crowd.cameras[:2])
    (large,) = cm.assignment_problems("all joints", pair, exact[:2])
    blocks = cm.assignment_problems("joints by kind", pair, exact[:2])
    assert len(blocks) == 17
    for kind, block in enumerate(blocks):
        assert np.array_equal(large[kind::17, kind::17], block)
    assert np.isfinite(large).sum() == sum(block.size for block in blocks)
    (people,) = cm.assignment_problems("people by lines", pair, exact[:2])
    assert np.allclose(people, np.mean(blocks, axis=0))


def test_a_view_without_detections_does_no_harm(crowd, exact):
    nobody = ViewDetections(
        np.zeros((0, 23, 2)), np.zeros((0, 23)), np.zeros((0, 4)), np.zeros(0, int)
    )
    found = [nobody, *exact[1:]]
    for matcher in cm.MATCHERS:
        costs = cm.pair_costs(matcher, found, crowd.cameras, np.random.default_rng(0), 20)
        groups = cm.match_views(costs, [len(d) for d in found], np.inf)
        assert (groups[:, 0] == -1).all()
