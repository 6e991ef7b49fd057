"""The experiment of paper 37: detectors, task, arms, evaluation, claims, cost, pose."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eccvkit.claims import judge
from eccvkit.data.homography_pairs import Pairs, homography_pairs, inside
from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.papers import s2dnet
from eccvkit.papers.s2dnet import cost, experiment
from eccvkit.papers.s2dnet.pose import project_points
from eccvkit.study import run_study

QUICK = replace(
    s2dnet.PRESETS["smoke"], image_size=32, pairs=8, epochs=1, test_pairs=3, detections=12,
    keypoints=6, shrink=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def task():
    return s2dnet.load(QUICK, 500, "cpu")


# ---- detectors -------------------------------------------------------------------------


def test_corners_of_a_square_are_found_as_x_y():
    image = torch.zeros(3, 40, 60)
    image[:, 10:20, 30:45] = 1
    corners = {(30.0, 10.0), (44.0, 10.0), (30.0, 19.0), (44.0, 19.0)}
    for name in ("Harris", "Shi-Tomasi"):
        found = s2dnet.detect(image, name, 4).tolist()
        assert len(found) == 4
        for x, y in found:
            assert min(np.hypot(x - u, y - v) for u, v in corners) <= 1.5, name


@pytest.mark.parametrize("name", s2dnet.DETECTORS)
def test_detections_are_whole_pixels_away_from_the_border(name):
    image = homography_pairs(1, 48, part="test", seed=500).first[0]
    found = s2dnet.detect(image, name, 30)
    assert 0 < len(found) <= 30 and torch.equal(found, found.round())
    assert inside(found, (48, 48), 4).all()
    assert torch.cdist(found, found).fill_diagonal_(9).min() >= 1.4


def test_a_flat_image_has_no_corners_and_padding_says_so():
    images = torch.stack([torch.full((3, 32, 32), 0.5), torch.rand(3, 32, 32)])
    points, valid = s2dnet.detect_all(images, "Harris", 20)
    number = valid.sum(dim=1).tolist()
    assert number[0] == 0 < number[1] <= 20 and points.shape == (2, number[1], 2)
    assert (points[~valid] == 0).all()
    assert s2dnet.detect_all(images[:1], "Harris", 20)[0].shape == (1, 1, 2)


def test_bad_detections():
    with pytest.raises(UnknownName, match="Harris, Shi-Tomasi, FAST, grid"):
        s2dnet.detect(torch.zeros(3, 32, 32), "SuperPoint")
    with pytest.raises(EccvkitError, match="8 x 32 pixels"):
        s2dnet.detect(torch.zeros(3, 8, 32))


# ---- task ------------------------------------------------------------------------------


def test_training_correspondences_are_exact_and_inside(task):
    first, second, keypoints, targets, valid = task.train
    assert first.shape == second.shape == (8, 3, 32, 32) and keypoints.shape == (8, 6, 2)
    pairs = homography_pairs(QUICK.pairs, 32, part="train", seed=500)
    truth, _ = pairs.truth(keypoints)
    assert torch.allclose(truth[valid], targets[valid])
    assert valid.float().mean() > 0.9 and inside(targets, (32, 32), 4)[valid].all()
    assert torch.equal(keypoints, keypoints.round())


def test_rows_without_overlap_do_not_count():
    away = torch.eye(3, dtype=torch.float64)[None].clone()
    away[0, 0, 2] = 1000
    pairs = Pairs(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32), away)
    _, targets, valid = s2dnet.sample_correspondences(pairs, 5)
    assert not valid.any() and inside(targets, (32, 32)).all()


def test_half_of_the_training_points_are_corners():
    pairs = homography_pairs(3, 48, part="train", kind="illum", seed=500)
    keypoints, _, _ = s2dnet.sample_correspondences(pairs, 10)
    for image, own in zip(pairs.first, keypoints):
        corners = {tuple(c) for c in s2dnet.detect(image, "Harris", 20).tolist()}
        assert sum(tuple(k) in corners for k in own[:5].tolist()) == 5


def test_tests_are_other_images_than_training(task):
    assert list(task.tests) == ["illum", "view", "stereo"]
    assert len(task.tests["view"]) == 3 and task.tests["stereo"].first.shape[-2:] == (62, 92)


# ---- matching --------------------------------------------------------------------------


class Oracle(torch.nn.Module):
    """Stands in for a network: the map of a keypoint is a peak at a given offset from it."""

    def __init__(self, offset=(0, 0)):
        super().__init__()
        self.offset = torch.tensor(offset, dtype=torch.float32)

    def features(self, first, second):
        return +1.0, -1.0

    def similarity(self, a, b, sizes, levels=None):
        def maps(keypoints):
            at = keypoints + a * self.offset
            height, width = sizes[1]
            y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            pixels = torch.stack([x, y], dim=-1).float()
            return -(pixels - at[:, :, None, None]).square().sum(dim=-1)

        return maps


def shifted(x, y, n=2):
    h = torch.eye(3, dtype=torch.float64).repeat(n, 1, 1)
    h[:, 0, 2], h[:, 1, 2] = x, y
    return Pairs(torch.rand(n, 3, 16, 20), torch.rand(n, 3, 16, 20), h)


KEYPOINTS = torch.tensor([[[4.0, 5.0], [12.0, 3.0]]]).expand(2, -1, -1)


def test_dense_matches_and_their_errors_by_hand():
    found = s2dnet.find_matches(Oracle((3, 1)), shifted(3, 4), KEYPOINTS)
    assert torch.equal(found.points, KEYPOINTS + torch.tensor([3.0, 1.0]))
    assert found.errors.tolist() == [[3.0, 3.0]] * 2
    assert found.mutual.all() and found.counts.all()


def test_keypoints_that_b_does_not_show_never_count():
    # B is 20 pixels wide and covers x up to 19.5: 12 + 7.4 is inside, 12 + 8 is not.
    for shift, shown in ((7.4, True), (8.0, False)):
        found = s2dnet.find_matches(Oracle((shift, 0)), shifted(shift, 0), KEYPOINTS)
        assert found.detected.all()
        assert found.counts.tolist() == [[True, shown]] * 2
        assert s2dnet.keep_matches(found, s2dnet.VARIANTS["S2DNet, no filter"], 0.2).all()
        metrics = s2dnet.evaluate(
            dict.fromkeys(("illum", "view"), found),
            dict.fromkeys(("illum", "view"), found.detected),
        )
        assert (metrics["matches"], metrics["kept"]) == (1 + shown, 1)
        assert (metrics["unseen"], metrics["selectivity"]) == ((0, 1) if shown else (1, 0))


def test_cyclic_check_drops_what_does_not_return():
    class OneWay(Oracle):
        def features(self, first, second):
            return 1.0, 0.0

    found = s2dnet.find_matches(OneWay((3, 1)), shifted(3, 1), KEYPOINTS)
    assert found.errors.max() == 0 and not found.mutual.any()


def test_cyclic_check_may_tolerate_a_pixel():
    class NearMiss(Oracle):
        def features(self, first, second):
            return 1.0, -0.5

    strict, tolerant = (
        s2dnet.find_matches(NearMiss((2, 0)), shifted(2, 0), KEYPOINTS, tolerance=t) for t in (0, 1)
    )
    assert not strict.mutual.any() and tolerant.mutual.all()


def test_sparse_matches_can_only_be_detections():
    others = torch.tensor([[[8.0, 6.0], [14.0, 4.0], [0.0, 0.0]]]).expand(2, -1, -1)
    valid = torch.tensor([[True, True, False]]).expand(2, -1)
    found = s2dnet.find_matches(Oracle((3, 1)), shifted(3, 1), KEYPOINTS, others=(others, valid))
    assert found.points[0].tolist() == [[8.0, 6.0], [14.0, 4.0]]
    assert found.errors[0].tolist() == [1.0, 1.0] and found.mutual.all()
    assert found.confidence.min() > 0.5 and found.ratio.isnan().all()


def test_padding_is_no_match():
    valid = torch.tensor([[True, False]]).expand(2, -1)
    found = s2dnet.find_matches(Oracle(), shifted(0, 0), KEYPOINTS, valid=valid)
    assert torch.equal(found.counts, valid) and torch.equal(found.mutual, valid)


def test_batches_give_the_same_as_one(monkeypatch):
    pairs = shifted(1, 2, 5)
    keypoints = KEYPOINTS[:1].expand(5, -1, -1)
    whole = s2dnet.find_matches(Oracle((1, 2)), pairs, keypoints)
    monkeypatch.setattr(experiment, "BATCH", 2)
    parts = s2dnet.find_matches(Oracle((1, 2)), pairs, keypoints)
    assert torch.equal(whole.points, parts.points) and torch.equal(whole.errors, parts.errors)


def test_keypoints_outside_of_either_image_are_refused():
    outside = KEYPOINTS + torch.tensor([10.0, 0.0])
    with pytest.raises(EccvkitError, match="outside of image A"):
        s2dnet.find_matches(Oracle(), shifted(0, 0), outside)
    valid = torch.ones(2, 2, dtype=torch.bool)
    with pytest.raises(EccvkitError, match="outside of image B"):
        s2dnet.find_matches(Oracle(), shifted(0, 0), KEYPOINTS, others=(outside, valid))


def test_filters_by_hand():
    row = torch.tensor([[0.1, 0.3, 0.9, 0.9]])
    yes = torch.ones(1, 4, dtype=torch.bool)
    mutual = torch.tensor([[True, True, False, True]])
    found = s2dnet.Found(row, row, row, yes, yes, row, 1 - row, mutual)
    variant = s2dnet.VARIANTS
    keep = s2dnet.keep_matches
    assert keep(found, variant["S2DNet"], 0.2).tolist() == [[False, True, False, True]]
    assert keep(found, variant["S2DNet"], 0.5).tolist() == [[False, False, False, True]]
    assert keep(found, variant["S2DNet, tau=0"], 0.5).tolist() == mutual.tolist()
    assert keep(found, variant["S2DNet, no filter"], 0.5).all()
    assert keep(found, variant["no check, tau=0.2"], 0.5).tolist() == [[False, True, True, True]]
    assert keep(found, variant["ratio 0.8"], 0.5).tolist() == [[False, True, True, True]]


def test_evaluation_averages_pairs_of_both_synthetic_sets():
    def found(errors):
        e = torch.tensor(errors)
        yes = torch.ones_like(e, dtype=torch.bool)
        return s2dnet.Found(e, e, e, yes, yes, e, e, yes)

    sets = {"illum": found([[0.0, 9.0]]), "view": found([[0.0, 0.0]]), "stereo": found([[9.0]])}
    kept = {n: f.counts for n, f in sets.items()}
    metrics = s2dnet.evaluate(sets, kept)
    assert (metrics["mma@1"], metrics["mma@1 illum"], metrics["mma@1 stereo"]) == (0.75, 0.5, 0.0)
    assert (metrics["mma@10"], metrics["matches"], metrics["empty"]) == (1.0, 2.0, 0.0)
    kept["illum"] = ~kept["illum"]
    metrics = s2dnet.evaluate(sets, kept)
    assert (metrics["mma@1"], metrics["matches"], metrics["empty"]) == (0.5, 1.0, 0.5)


def test_share_of_right_matches_does_not_look_at_pairs():
    errors = torch.tensor([[0.0, 9.0, 9.0, 9.0], [0.0, 0.0, 0.0, 0.0]])
    kept = torch.tensor([[True] * 4, [True] + [False] * 3])
    counts = torch.ones_like(kept)
    found = s2dnet.Found(errors, errors, errors, counts, counts, errors, errors, kept)
    both = dict.fromkeys(("illum", "view"), found)
    metrics = s2dnet.evaluate(both, dict.fromkeys(both, kept))
    # 5 matches in 2 pairs, 2 of them right, of 8 keypoints.
    assert (metrics["precision@1"], metrics["mma@1"]) == (0.4, 0.625)
    assert (metrics["right@1"], metrics["matches"], metrics["kept"]) == (1.0, 2.5, 0.625)
    assert metrics["unseen"] == 0 and metrics["selectivity"] == 0.625
    nothing = s2dnet.evaluate(both, dict.fromkeys(both, torch.zeros_like(kept)))
    assert nothing["precision@1"] == nothing["right@1"] == nothing["kept"] == 0


# ---- training --------------------------------------------------------------------------


def test_arms_share_weights_at_the_start_and_batches(task, monkeypatch):
    seen, weights = {}, {}
    for name in ("classification", "triplet"):
        real = s2dnet.Matcher.loss

        def spy(self, *batch, name=name, real=real, **options):
            if name not in seen:
                weights[name] = {k: v.clone() for k, v in self.state_dict().items()}
            seen.setdefault(name, []).append(batch[0].sum().item())
            return real(self, *batch, **options)

        monkeypatch.setattr(s2dnet.Matcher, "loss", spy)
        s2dnet.train(QUICK, name, task, 7)
        monkeypatch.undo()
    assert seen["classification"] == seen["triplet"] and len(seen["triplet"]) == 2
    first, second = weights["classification"], weights["triplet"]
    assert first.keys() == second.keys()
    assert all(torch.equal(first[k], second[k]) for k in first)


def test_classification_loss_falls(task):
    _, history = s2dnet.train(replace(QUICK, epochs=12), "classification", task, 0)
    losses = history.frame["loss"]
    assert losses.iloc[-1] < 0.8 * losses.iloc[0]
    assert history.frame["lr"].iloc[-1] == pytest.approx(QUICK.lr * np.exp(-QUICK.decay), rel=1e-6)


def test_scores_start_with_variance_one_and_a_loss_near_chance(task):
    torch.manual_seed(0)
    matcher = s2dnet.Matcher(QUICK, s2dnet.RECIPES["classification"])
    assert matcher.loss(*task.train).item() < np.log(32**2) + 0.8
    a, b = matcher.features(task.train[0], task.train[1])
    strangers = [level.roll(1, dims=0) for level in b]
    maps = s2dnet.correspondence_map(a, strangers, task.train[2], matcher.strides, (32, 32))
    assert 0.3 < maps.var().item() < 3


def test_networks_of_one_level_and_their_number_of_epochs(task):
    config = replace(QUICK, level_epochs=2)
    for recipe, stride, epochs in (
        ("triplet, middle level", 2, 2),
        ("classification, middle level", 2, 1),
    ):
        matcher, history = s2dnet.train(config, recipe, task, 0)
        assert matcher.strides == (stride,) and len(history.frame) == epochs
        assert len(matcher.network.stages) == 2


def test_every_loss_has_its_own_rate():
    config = replace(QUICK, lr=0.1, triplet_lr=0.2, level_lr=0.3)
    rates = [recipe.rate(config) for recipe in s2dnet.RECIPES.values()]
    assert rates == [0.1, 0.1, 0.2, 0.3]


def test_a_students_loss_is_used(task):
    calls = []

    def mine(maps, targets, valid):
        calls.append(maps.shape)
        return s2dnet.classification_loss(maps, targets, valid)

    s2dnet.train(QUICK, "classification", task, 0, classification=mine)
    assert calls == [(4, 6, 32, 32)] * 2


def test_run_gives_the_same_numbers_again_and_reuses_the_network(monkeypatch):
    keep = {}
    first = s2dnet.run(QUICK, "S2DNet", 501, keep=keep)
    assert set(keep) == {"matcher", "history", "task", "found", "kept"}
    counts = {name: found.keypoints.shape[1] for name, found in keep["found"].items()}
    assert 0 < counts["illum"] <= 12 and 12 < counts["stereo"] <= QUICK.stereo_detections
    assert first["seconds"] > 0
    trainings = []
    real = experiment.train
    monkeypatch.setattr(experiment, "train", lambda *a, **k: trainings.append(a) or real(*a, **k))
    for variant in ("S2DNet, no filter", "S2DNet, tau=0.4", "coarse level", "FAST, S2S"):
        metrics = s2dnet.run(QUICK, variant, 501)
        assert all(np.isfinite(v) for v in metrics.values())
    assert trainings == []
    experiment.trained.cache_clear()
    experiment._found.cache_clear()
    again = s2dnet.run(QUICK, "S2DNet", 501)
    assert len(trainings) == 1
    assert {k: v for k, v in again.items() if k != "seconds"} == {
        k: v for k, v in first.items() if k != "seconds"
    }


def test_unknown_variant_and_recipe(task):
    with pytest.raises(UnknownName, match="did you mean 'S2DNet'"):
        s2dnet.run(QUICK, "S2Dnet", 0)
    with pytest.raises(UnknownName, match="Valid: classification"):
        s2dnet.train(QUICK, "contrastive", task, 0)


# ---- configuration, claims, cost, pose --------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text"),
    [({"dim": 0}, "dim is 0"), ({"lr": -1.0}, "lr is -1"), ({"tau": 1.0}, "tau is 1"),
     ({"taps": (2, 1)}, "fine to coarse"), ({"taps": (0, 4)}, "there are 4 stages"),
     ({"image_size": 12}, "coarsest stride 8"), ({"radius": float("nan")}, "radius is nan")],
)  # fmt: skip
def test_impossible_configurations_are_refused(change, text):
    with pytest.raises(EccvkitError, match=text):
        s2dnet.Config(**change)


def test_configure():
    config = s2dnet.configure("lab", epochs=2, n_seeds=4, tau=0.3, tolerance=1)
    assert (config.epochs, config.seeds, config.tau, config.tolerance) == (2, 4, 0.3, 1)
    assert s2dnet.configure("smoke") == s2dnet.PRESETS["smoke"]
    with pytest.raises(UnknownName, match="smoke, lab, gpu"):
        s2dnet.configure("big")
    with pytest.raises(EccvkitError, match="epochs is -1"):
        s2dnet.configure("lab", epochs=-1)


def fake_study(change=lambda variant: {}):
    """A study in which every claim holds, apart from what ``change`` overwrites."""

    def fake(config, variant, seed, device, *, keep=None):
        arm = s2dnet.VARIANTS[variant]
        tau = 0.2 if arm.tau is None else arm.tau
        learned = "triplet" in arm.recipe
        one = arm.levels is not None or "level" in arm.recipe
        good = 0.5 + 0.1 * arm.dense - 0.02 * learned - 0.1 * one
        good += 0.2 * tau if tau < 0.3 else -0.1
        worse_dense = good - 0.3 * (learned and arm.dense)
        metrics = {"mma@1": good, "mma@3": good, "mma@1 stereo": good, "mma@3 illum": good}
        metrics |= {"mma@3 view": worse_dense, "precision@1": 0.5 + 0.2 * tau, "right@1": good}
        metrics |= {"kept": 0.9 - 0.1 * tau, "empty": max(0, tau - 0.3), "selectivity": 0.2}
        return metrics | change(variant)

    return run_study(fake, None, s2dnet.VARIANTS, [0, 1, 2])


def test_every_claim_can_be_judged_on_the_variants_it_names():
    verdicts = {v.claim.id: v.verdict for v in judge(s2dnet.CLAIMS, fake_study())}
    assert list(verdicts) == [
        "C1a", "C1b", "C1c", "C1d", "C1e", "C2a", "C2b", "C2c", "C2d", "C2e",
        "C3a", "C3b", "C3c", "C3d", "C3e", "C3f", "C4a", "C4b", "C4c", "C4d",
    ]  # fmt: skip
    assert set(verdicts.values()) == {"reproduced"}


@pytest.mark.parametrize(
    ("claim", "arm", "metric", "value"),
    [("C1c", "triplet", "right@1", 0.9), ("C2d", "triplet", "mma@3 view", 0.9),
     ("C2e", "one level", "mma@3 view", 0.9), ("C3c", "S2DNet, tau=0.4", "mma@1", 0.9),
     ("C3d", "S2DNet, tau=0.4", "empty", 0.01), ("C3e", "S2DNet, tau=0.2", "kept", 0.8),
     ("C3f", "no check, tau=0.2", "selectivity", -0.1), ("C4b", "middle level", "mma@3", 0.9),
     ("C4d", "middle level, trained alone", "mma@3", 0.9)],
)  # fmt: skip
def test_claims_can_be_contradicted(claim, arm, metric, value):
    study = fake_study(lambda variant: {metric: value} if variant == arm else {})
    verdicts = {v.claim.id: v for v in judge(s2dnet.CLAIMS, study)}
    assert verdicts[claim].verdict == "contradicted"


def test_a_bound_is_part_of_the_effect_and_of_the_words():
    study = fake_study()
    verdict = next(v for v in judge(s2dnet.CLAIMS, study) if v.claim.id == "C3d")
    # 10 % of the pairs against none, beyond the bound of 2 %.
    assert verdict.interval.mean == pytest.approx(8)
    assert verdict.ours == "10.0 against 0.0, bound 2"


def test_both_orders_find_the_same_pixels():
    size, strides = (32, 48), s2dnet.PAPER.strides
    g = torch.Generator().manual_seed(0)
    a, b = (
        [torch.randn(1, 8, size[0] // s, size[1] // s, generator=g).double() for s in strides]
        for _ in range(2)
    )
    points = (torch.rand(1, 40, 2, generator=g).double() * torch.tensor([48, 32])).floor()
    late, early = (s2dnet.search(order, a, b, points, size) for order in s2dnet.ORDERS)
    assert late.shape == (1, 40, 2) and torch.equal(late, early)
    whole = s2dnet.best_pixel(s2dnet.correspondence_map(a, b, points, strides, size)).points
    assert torch.equal(late, whole)
    with pytest.raises(UnknownName, match="correlate, then upsample"):
        s2dnet.search("both", a, b, points, size)


def test_cost_claims_on_the_cost_study(monkeypatch):
    monkeypatch.setattr(cost, "MEASURED_SIZE", (32, 48))
    study = run_study(s2dnet.run_cost, None, s2dnet.ORDERS, [500, 501, 502])
    verdicts = {v.claim.id: v.verdict for v in judge(s2dnet.COST_CLAIMS, study)}
    assert list(verdicts) == ["C5a", "C5b", "C5c"]
    assert verdicts["C5a"] == verdicts["C5b"] == "reproduced"
    for k in s2dnet.MEASURED_KEYPOINTS:
        assert study.values(f"seconds {k}", s2dnet.LATE).min() > 0
    with pytest.raises(UnknownName, match="correlate, then upsample"):
        s2dnet.run_cost(None, "both", 0)


def test_axes_name_variants():
    for arms in (s2dnet.TAU_AXIS, s2dnet.TAU_ALONE_AXIS, s2dnet.LEVEL_ARMS):
        assert {*arms, s2dnet.ALONE_ARM} <= set(s2dnet.VARIANTS)
    for axis in (s2dnet.TAU_AXIS, s2dnet.TAU_ALONE_AXIS):
        assert all(s2dnet.VARIANTS[arm].tau == tau for arm, tau in axis.items())
    assert {arm for pair in s2dnet.DETECTOR_AXIS.values() for arm in pair} <= set(s2dnet.VARIANTS)
    assert list(s2dnet.DETECTOR_AXIS) == list(s2dnet.DETECTORS)
    for name, (sparse, dense) in s2dnet.DETECTOR_AXIS.items():
        a, b = s2dnet.VARIANTS[sparse], s2dnet.VARIANTS[dense]
        assert a == replace(b, dense=False) and b.detector == name


def test_pose_without_noise_is_exact_and_error_grows_with_noise():
    table = s2dnet.pose_noise([0.0, 1.0, 4.0], trials=5, seed=500)
    metres = table.groupby("sigma")["metres"].median()
    assert metres[0.0] < 1e-6 and metres[4.0] == pytest.approx(4 * metres[1.0], rel=0.1)


def test_projection_by_hand_and_too_few_points():
    world = np.array([[1.0, 2.0, 10.0]])
    assert project_points(np.zeros(6), world).tolist() == [[380.0, 360.0]]
    with pytest.raises(EccvkitError, match="at least 4"):
        s2dnet.solve_pose(np.zeros((3, 3)), np.zeros((3, 2)), np.zeros(6))
