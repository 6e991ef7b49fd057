"""MPJPE, PA-MPJPE, PCK, PCP, OKS and its AP."""

import numpy as np
import pytest
import torch

from eccvkit.data.people import OKS_SIGMAS
from eccvkit.errors import DataError
from eccvkit.metrics import pose as m


@pytest.fixture
def poses():
    return torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_mpjpe_against_a_loop(poses):
    found = poses + torch.randn(4, 9, 3, generator=torch.Generator().manual_seed(1)).double()
    valid = torch.rand(4, 9, generator=torch.Generator().manual_seed(2)) < 0.6
    for n in range(4):
        errors = [float(np.linalg.norm(found[n, j] - poses[n, j])) for j in range(9)]
        assert m.mpjpe(found, poses)[n].item() == pytest.approx(np.mean(errors))
        kept = [e for e, v in zip(errors, valid[n].tolist()) if v]
        assert m.mpjpe(found, poses, valid)[n].item() == pytest.approx(np.mean(kept))
        near = [e <= 1.5 for e in errors]
        assert m.pck(found, poses, 1.5)[n].item() == pytest.approx(np.mean(near))
        kept = [e for e, v in zip(near, valid[n].tolist()) if v]
        assert m.pck(found, poses, 1.5, valid)[n].item() == pytest.approx(np.mean(kept))


def test_a_person_without_valid_joints_is_nan(poses):
    nobody = torch.zeros(4, 9, dtype=torch.bool)
    assert m.mpjpe(poses, poses, nobody).isnan().all()
    assert m.pck(poses, poses, 1.0, nobody).isnan().all()


def test_pa_mpjpe_ignores_place_size_and_turn_only(poses):
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    turn = turn * torch.linalg.det(turn).sign()
    moved = 1.7 * poses @ turn.mT + torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    assert m.pa_mpjpe(moved, poses).max() < 1e-9
    assert m.mpjpe(moved, poses).min() > 0.5
    mirrored = poses * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    assert m.pa_mpjpe(mirrored, poses).min() > 0.1


def test_pcp_by_hand():
    truth = torch.tensor([[[0.0, 0], [4, 0], [4, 2]]])
    found = truth + torch.tensor([[[0.0, 1], [0, 3], [0, 0]]])
    # Limb 0-1 is 4 long, its ends are off by 1 and 3: exactly half. Limb 1-2 is 2 long, off by 1.5.
    assert m.pcp(found, truth, [(0, 1), (1, 2)]).tolist() == [[1.0, 0.0]]
    assert m.pcp(found, truth, [(0, 1)], share=0.49).tolist() == [[0.0]]


def test_oks_by_hand():
    truth = np.zeros((1, 2, 2))
    found = np.array([[[3.0, 4.0], [0.0, 0.0]]])
    sigmas = np.array([0.1, 0.1])
    # exp(-25 / (2 * 100 * 0.2^2)) = exp(-3.125)
    both = m.oks(found, truth, np.array([100.0]), sigmas, np.ones((1, 2), bool))
    assert both[0] == pytest.approx((np.exp(-3.125) + 1) / 2)
    first = m.oks(found, truth, np.array([100.0]), sigmas, np.array([[True, False]]))
    assert first[0] == pytest.approx(np.exp(-3.125))


def people(image, joints, score=None, area=5000.0):
    n = len(image)
    score = np.ones(n) if score is None else np.array(score)
    return m.People2D(np.array(image), np.asarray(joints, float), score, np.full(n, area))


def test_oks_ap_of_perfect_shifted_and_missing_people():
    rng = np.random.default_rng(0)
    joints = rng.uniform(0, 100, (4, 17, 2))
    truth = people([0, 0, 1, 1], joints)
    perfect = m.oks_ap(truth, people([0, 0, 1, 1], joints), OKS_SIGMAS[:17])
    assert perfect == pytest.approx({"AP": 1, "AP50": 1, "AP75": 1, "AR": 1})
    half = m.oks_ap(truth, people([0, 1], joints[[0, 2]]), OKS_SIGMAS[:17])
    # Recall ends at 0.5: 51 of COCO's 101 bars have precision 1.
    assert half["AP50"] == pytest.approx(51 / 101) and half["AR"] == 0.5
    wrong = m.oks_ap(truth, people([1, 1, 0, 0], joints + 1000), OKS_SIGMAS[:17])
    assert wrong["AP"] == 0 and wrong["AR"] == 0
    assert m.oks_ap(truth, people([], np.zeros((0, 17, 2))), OKS_SIGMAS[:17])["AP"] == 0
    with pytest.raises(DataError, match="no annotated person"):
        m.oks_ap(people([], np.zeros((0, 17, 2))), truth, OKS_SIGMAS[:17])


def test_oks_ap_counts_the_thresholds_that_the_similarity_passes():
    truth = people([0], np.zeros((1, 17, 2)))
    for shift in (2.0, 5.0, 9.0):
        found = people([0], np.full((1, 17, 2), shift))
        similarity = m.oks(
            found.joints, truth.joints, truth.area, OKS_SIGMAS[:17], np.ones((1, 17), bool)
        )[0]
        passed = np.mean([similarity >= t for t in np.arange(0.5, 0.96, 0.05)])
        assert m.oks_ap(truth, found, OKS_SIGMAS[:17])["AP"] == pytest.approx(passed)


def test_crowds_of_more_than_twenty_are_judged_whole():
    joints = np.random.default_rng(1).uniform(0, 500, (30, 6, 2))
    truth = people([0] * 30, joints)
    assert m.oks_ap(truth, people([0] * 30, joints), OKS_SIGMAS[17:])["AR"] == 1


def test_false_positives_cost_only_below_the_right_ones():
    joints = np.random.default_rng(2).uniform(0, 100, (2, 17, 2))
    truth = people([0], joints[:1])
    late = m.oks_ap(truth, people([0, 0], joints, [0.9, 0.1]), OKS_SIGMAS[:17])
    early = m.oks_ap(truth, people([0, 0], joints, [0.1, 0.9]), OKS_SIGMAS[:17])
    assert late["AP"] == pytest.approx(1) and early["AP"] == pytest.approx(0.5)


def test_malformed_input_is_named():
    with pytest.raises(DataError, match="shapes"):
        m.mpjpe(torch.zeros(2, 3), torch.zeros(3, 3))
    with pytest.raises(DataError, match="one row per person"):
        people([0, 1], np.zeros((1, 17, 2)))
    with pytest.raises(DataError, match="not finite"):
        people([0], np.full((1, 17, 2), np.nan))
