"""Paper 32: DLT, least squares, MLE and MAP, their derivatives, and sigma."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eccvkit.data.crowd import Noise, ViewDetections, detect, draw_crowd
from eccvkit.data.people import BONES, average_bones
from eccvkit.errors import DataError
from eccvkit.papers import crowded_mvpose as cm


def rows_by_person(found, count):
    rows = np.full(count, -1)
    rows[found.person] = np.arange(len(found))
    return rows


def make(noise, seed=0, count=4, sigma_0=4.0):
    crowd = draw_crowd(count, 1.5, np.random.default_rng(seed))
    found = detect(crowd, noise, np.random.default_rng(seed + 100))
    groups = np.stack([rows_by_person(d, count) for d in found], axis=1)
    return crowd, groups, found, cm.pose_problem(groups, found, crowd.cameras, sigma_0)


@pytest.fixture(scope="module")
def noisy():
    return make(Noise(5, miss=0))


def hidden(problem, person, joint, views):
    weights = problem.weights.clone()
    weights[person, joint, views] = 0
    return replace(problem, weights=weights)


# ---- residuals and derivatives ---------------------------------------------------------


def test_projection_is_that_of_the_cameras(noisy):
    crowd, _, _, problem = noisy
    pixels, _ = cm.project(problem.cameras, torch.from_numpy(crowd.joints))
    assert np.allclose(pixels.permute(2, 0, 1, 3), crowd.pixels)


def test_cost_against_loops_over_eqs_6_and_7(noisy):
    crowd, _, _, problem = noisy
    joints = torch.from_numpy(crowd.joints) + 0.05
    for n in range(2):
        total = 0.0
        for j in range(23):
            for v, camera in enumerate(crowd.cameras):
                gap = problem.pixels[n, j, v].numpy() - camera.project(joints[n, j].numpy())
                total += float(problem.weights[n, j, v]) * (gap @ gap) / 2
        for (a, b), reference in zip(BONES, average_bones()):
            length = np.linalg.norm((joints[n, a] - joints[n, b]).numpy())
            total += (reference - length) ** 2 / (2 * (cm.BONE_SPREAD * reference) ** 2)
        assert cm.cost(problem, joints)[n].item() == pytest.approx(total)


def test_derivatives_of_the_projection_against_automatic_ones(noisy):
    problem = noisy[3]
    joints = torch.from_numpy(noisy[0].joints[:1])
    _, slope = cm.project(problem.cameras, joints)
    exact = torch.func.jacrev(lambda x: cm.project(problem.cameras, x)[0])(joints)
    for j in range(23):
        assert torch.allclose(slope[0, j], exact[0, j, :, :, 0, j])
    assert exact[0, 3, :, :, 0, 4].abs().max() == 0


def test_gradient_and_gauss_newton_matrix_against_automatic_ones(noisy):
    problem = noisy[3]
    joints = torch.from_numpy(noisy[0].joints) + 0.03 * torch.randn(
        4, 23, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    for own in (problem, problem.without_bones()):
        gradient, matrix = cm.normal_equations(own, joints)
        jacobian = torch.func.jacrev(lambda x, own=own: cm.residuals(own, x))(joints)
        for n in range(4):
            slope = jacobian[n, :, n].flatten(1)
            residual = cm.residuals(own, joints)[n]
            assert torch.allclose(gradient[n], slope.mT @ residual, rtol=1e-8)
            gap = matrix[n] - slope.mT @ slope
            if own is problem:
                # What is more than Gauss-Newton is curvature, so it is positive semidefinite.
                assert torch.linalg.eigvalsh(gap).min() > -1e-6 * matrix[n].abs().max()
            else:
                assert gap.abs().max() < 1e-8 * matrix[n].abs().max()


def test_bones_that_are_too_long_have_their_exact_hessian():
    crowd, _, _, problem = make(Noise(5, miss=0), count=1)
    joints = torch.from_numpy(crowd.joints) * 1.3  # every bone is too long
    only_bones = replace(problem, weights=torch.zeros_like(problem.weights))
    _, matrix = cm.normal_equations(only_bones, joints)
    exact = torch.func.hessian(lambda x: cm.cost(only_bones, x).sum())(joints).view(69, 69)
    assert torch.allclose(matrix[0], exact, atol=1e-6 * exact.abs().max())


# ---- estimates -------------------------------------------------------------------------


def test_exact_joints_are_found_exactly():
    crowd, _, _, problem = make(Noise(0.0, miss=0, occlusion=False))
    truth = torch.from_numpy(crowd.joints)
    assert (cm.dlt(problem) - truth).abs().max() < 1e-6
    estimate = cm.triangulate(problem.without_bones())
    assert (estimate.joints - truth).abs().max() < 1e-8 and estimate.cost.max() < 1e-12


def test_more_knowledge_is_better(noisy):
    errors = {}
    for seed in range(4):
        crowd, _, _, problem = make(Noise(5, miss=0), seed, count=8)
        for name in ("DLT", "LS", "MLE", "MAP"):
            joints = cm.VARIANTS[name](problem, 3)
            gap = (joints - torch.from_numpy(crowd.joints)).norm(dim=-1).mean().item()
            errors.setdefault(name, []).append(gap)
    means = [np.mean(errors[name]) for name in ("DLT", "LS", "MLE", "MAP")]
    assert means == sorted(means, reverse=True) and means[0] > 2 * means[3]


def test_batch_and_scipy_find_the_same_optimum(noisy):
    problem = noisy[3]
    start = cm.starting_point(problem)
    estimate = cm.minimise(problem, start, evaluations=200)
    for person in range(2):
        theirs = torch.from_numpy(cm.solve_with_scipy(problem, start, person))
        assert (theirs - estimate.joints[person]).norm(dim=-1).max() < 5e-6
        gap = cm.cost(problem, estimate.joints)[person] - estimate.cost[person]
        assert abs(gap) < 1e-9


def test_people_of_a_batch_do_not_disturb_each_other(noisy):
    problem = noisy[3]
    start = cm.starting_point(problem)
    together = cm.minimise(problem, start, evaluations=7).joints
    for n in range(4):
        alone = replace(
            problem, pixels=problem.pixels[n : n + 1], weights=problem.weights[n : n + 1]
        )
        assert torch.allclose(
            cm.minimise(alone, start[n : n + 1], evaluations=7).joints[0], together[n], atol=1e-9
        )


def test_cost_never_rises_and_budgets_are_kept(noisy):
    problem = noisy[3]
    start = cm.starting_point(problem)
    costs = [cm.cost(problem, start)]
    for budget in (1, 2, 3, 5, 10, 60):
        estimate = cm.minimise(problem, start, evaluations=budget)
        assert estimate.evaluations <= budget
        costs.append(estimate.cost)
    stacked = torch.stack(costs)
    assert torch.equal(stacked[0], stacked[1])
    assert (stacked.diff(dim=0) <= 0).all() and (stacked[-1] < 0.5 * stacked[0]).all()


def test_optimum_has_no_slope(noisy):
    estimate = cm.triangulate(noisy[3], evaluations=300)
    gradient, matrix = cm.normal_equations(noisy[3], estimate.joints)
    step = torch.linalg.solve(matrix, gradient)
    assert step.abs().max() < 1e-5


def test_uncertain_views_count_less(noisy):
    crowd, _, _, problem = noisy
    pixels = problem.pixels.clone()
    pixels[0, 5, 0] += 200
    sure = replace(problem, pixels=pixels).without_bones()
    weights = problem.weights.clone()
    weights[0, 5, 0] *= 1e-4
    unsure = replace(sure, weights=weights)
    truth = torch.from_numpy(crowd.joints[0, 5])
    gaps = [(cm.triangulate(p).joints[0, 5] - truth).norm().item() for p in (sure, unsure)]
    assert gaps[1] < 0.3 * gaps[0]


def test_unweighted_forgets_the_peaks_but_not_what_was_unseen(noisy):
    problem = hidden(noisy[3], 1, 4, [2])
    plain = problem.unweighted()
    assert plain.weights[1, 4, 2] == 0
    assert len(plain.weights[plain.weights > 0].unique()) == 1
    assert torch.allclose(plain.weights.max(), problem.weights[problem.weights > 0].median())


# ---- what is missing -------------------------------------------------------------------


def test_a_joint_in_one_view_is_undetermined_without_bones_and_held_by_them_with(noisy):
    truth = torch.from_numpy(noisy[0].joints[0, 9])
    problem = hidden(noisy[3], 0, 9, [1, 2, 3])
    assert cm.dlt(problem)[0, 9].isnan().all()
    mle = cm.triangulate(problem.without_bones()).joints
    assert mle[0, 9].isnan().all() and torch.isfinite(mle[0, :9]).all()
    assert torch.isfinite(mle[1:]).all()
    with_bones = cm.triangulate(problem, mle).joints
    assert torch.isfinite(with_bones).all()
    assert (with_bones[0, 9] - truth).norm() < 0.5


def test_a_person_in_one_view_is_undetermined(noisy):
    problem = hidden(noisy[3], 2, slice(None), [0, 1, 3])
    for own in (problem, problem.without_bones()):
        joints = cm.triangulate(own).joints
        assert joints[2].isnan().all() and torch.isfinite(joints[[0, 1, 3]]).all()


def test_nothing_seen_at_all(noisy):
    problem = replace(noisy[3], weights=torch.zeros_like(noisy[3].weights))
    assert cm.triangulate(problem).joints.isnan().all()
    assert cm.triangulate(problem.unweighted()).joints.isnan().all()
    nobody = cm.pose_problem(np.zeros((0, 4), int), noisy[2], noisy[0].cameras, 4.0)
    assert cm.triangulate(nobody).joints.shape == (0, 23, 3)


def test_all_joints_uncertain_still_have_an_answer():
    found = make(Noise(5, miss=0))
    blind = [ViewDetections(d.joints, np.zeros_like(d.peaks), d.boxes, d.person) for d in found[2]]
    problem = cm.pose_problem(found[1], blind, found[0].cameras, 4.0)
    assert (problem.weights > 0).all()
    joints = cm.triangulate(problem).joints
    assert (joints - torch.from_numpy(found[0].joints)).norm(dim=-1).mean() < 0.2


def test_rays_that_meet_nowhere_stay_in_sight():
    """Detections of different people: the closest point may be at infinity or behind a camera."""
    crowd, groups, found, _ = make(Noise(5, miss=0), seed=3, count=12)
    rng = np.random.default_rng(0)
    mixed = np.stack([rng.permutation(column) for column in groups.T], axis=1)
    mixed[:, 2:] = -1
    problem = cm.pose_problem(mixed, found, crowd.cameras, 4.0)
    for own in (problem, problem.without_bones(), problem.unweighted().without_bones()):
        joints = cm.triangulate(own).joints
        assert torch.isfinite(joints).all() and joints.abs().max() < 60
        assert cm.in_sight(own, joints).all()


def test_a_joint_that_would_leave_the_scene_does_not_hold_the_others(noisy):
    """Two views see one joint where nobody can be, 90 m away, and it starts half way."""
    problem = noisy[3].without_bones()
    cameras = noisy[0].cameras[:2]
    away = -sum(camera.centre for camera in cameras)
    away[2] = 0
    away /= np.linalg.norm(away)
    pixels, weights = problem.pixels.clone(), problem.weights.clone()
    weights[:, 4, 2:] = 0
    for v, camera in enumerate(cameras):
        pixels[:, 4, v] = torch.from_numpy(camera.project(90 * away))
    problem = replace(problem, pixels=pixels, weights=weights)
    start = cm.starting_point(problem)
    start[:, 4] = torch.from_numpy(50 * away)
    assert cm.in_sight(problem, start).all()
    moved = cm.minimise(problem, start, evaluations=2).joints
    assert cm.in_sight(problem, moved).all() and torch.equal(moved[:, 4], start[:, 4])
    others = [j for j in range(23) if j != 4]
    best = cm.triangulate(noisy[3].without_bones()).joints
    before, after = ((x - best)[:, others].norm(dim=-1).mean() for x in (start, moved))
    assert after < 0.2 * before


def test_wrong_problems_are_named(noisy):
    problem = noisy[3]
    with pytest.raises(DataError, match="weight is negative"):
        replace(problem, weights=-problem.weights)
    pixels = problem.pixels.clone()
    pixels[0, 0, 0, 0] = torch.nan
    with pytest.raises(DataError, match="weight 0"):
        replace(problem, pixels=pixels)
    with pytest.raises(DataError, match="cameras"):
        replace(problem, cameras=problem.cameras[:2])
    with pytest.raises(DataError, match="start of shape"):
        cm.minimise(problem, torch.zeros(1, 23, 3).double())
    with pytest.raises(DataError, match="sigma_0 is 0"):
        cm.pose_problem(noisy[1], noisy[2], noisy[0].cameras, 0)


# ---- sigma -----------------------------------------------------------------------------


def test_sigma_by_hand():
    peaks = np.array([[0.8, 0.1, 0.01]])
    assert cm.relative_sigma(peaks, np.array([400.0])) == pytest.approx(
        np.array([[2 / 0.8, 20.0, 40.0]])
    )


def test_calibration_recovers_sigma_and_ignores_jumps():
    rng = np.random.default_rng(0)
    relative = rng.uniform(1, 10, 20_000)
    errors = 3.5 * relative * np.linalg.norm(rng.standard_normal((20_000, 2)), axis=1)
    assert cm.calibrate(errors, relative) == pytest.approx(3.5, rel=0.02)
    errors[::20] = 1000
    errors[1] = np.nan
    assert cm.calibrate(errors, relative) == pytest.approx(3.5, rel=0.08)
    with pytest.raises(DataError, match="no detected joint"):
        cm.calibrate(np.array([np.nan]), np.array([1.0]))


def test_calibration_on_crowds_finds_the_noise_behind_peaks_of_visible_joints():
    crowd = draw_crowd(6, 2.0, np.random.default_rng(0))
    noise = Noise(5, miss=0, confidence=0.0, occlusion=False)
    found = [detect(crowd, noise, np.random.default_rng(s)) for s in range(5)]
    # Peaks are 0.8 for a noise of 5 px.
    assert cm.calibrate_on([crowd] * 5, found) == pytest.approx(5 * 0.8, rel=0.05)


def test_problem_takes_pixels_and_weights_from_the_groups(noisy):
    crowd, groups, found, _ = noisy
    groups = groups.copy()
    groups[1, 2] = -1
    problem = cm.pose_problem(groups, found, crowd.cameras, 4.0)
    assert (problem.weights[1, :, 2] == 0).all() and (problem.weights[0] > 0).all()
    own = found[3]
    assert np.array_equal(problem.pixels[2, :, 3], own.joints[groups[2, 3]])
    sigma = 4.0 * own.boxes[groups[2, 3], 3] / 200 / max(own.peaks[groups[2, 3], 7], 0.05)
    assert problem.weights[2, 7, 3].item() == pytest.approx(sigma**-2)
