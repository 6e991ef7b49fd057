"""Paper 32: the network and its loss, the studies, claims, configuration, pictures."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from eccvkit.claims import judge
from eccvkit.data.crowd import Noise, detect, draw_crowd, observe
from eccvkit.errors import DataError, EccvkitError, UnknownName
from eccvkit.papers import crowded_mvpose as cm
from eccvkit.papers.crowded_mvpose import experiment, pictures
from eccvkit.study import Study, run_study

TINY = replace(
    cm.PRESETS["smoke"], people=4, densities=(3, 5), match_scenes=1, scenes=1, epochs=1,
    train_scenes=1, test_scenes=1, widths=(4, 4, 8, 8), deconv=(8, 8), gate=50.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def poses():
    return run_study(cm.run, TINY, cm.VARIANTS, [500, 501])


@pytest.fixture(scope="module")
def scene():
    return cm.load_scenes(cm.PRESETS["smoke"], 500)[0][0]


# ---- Eq. 1 -----------------------------------------------------------------------------


def test_loss_against_loops():
    g = torch.Generator().manual_seed(0)
    maps, own, others = (
        torch.rand(3, 23, 5, 4, generator=g, dtype=torch.float64) for _ in range(3)
    )
    for weight in (1.0, 2.0, 4.0):
        total = 0.0
        for i in range(23):
            square = ((maps - own - 0.5 * others)[:, i] ** 2).mean().item()
            total += square * (weight if i >= 17 else 1.0)
        expected = total / (17 + 6 * weight)
        assert cm.foot_weighted_loss(maps, own, others, weight).item() == pytest.approx(expected)


def test_loss_by_hand():
    own = torch.zeros(1, 8, 1, 1)
    maps = own.clone()
    maps[0, 7] = 2.0  # one foot joint, squared error 4; I = 2
    assert cm.foot_weighted_loss(maps, own, own, 3.0).item() == pytest.approx(3 * 4 / (2 + 18))
    maps[0, 7], maps[0, 0] = 0.0, 2.0
    assert cm.foot_weighted_loss(maps, own, own, 3.0).item() == pytest.approx(4 / 20)
    assert cm.foot_weighted_loss(own + 0.5, own, own + 1, 2.0).item() == 0


def test_weight_one_is_the_mean_over_all_joints_and_gradients_are_right():
    g = torch.Generator().manual_seed(1)
    maps, own, others = (torch.rand(2, 9, 3, 3, generator=g, dtype=torch.float64) for _ in range(3))
    plain = (maps - own - 0.5 * others).square().mean()
    assert torch.allclose(cm.foot_weighted_loss(maps, own, others, 1.0), plain)
    maps.requires_grad_()
    assert torch.autograd.gradcheck(lambda m: cm.foot_weighted_loss(m, own, others, 2.5), (maps,))


def test_wrong_maps_and_weights_are_named():
    good = torch.zeros(1, 23, 2, 2)
    with pytest.raises(DataError, match="maps"):
        cm.foot_weighted_loss(good, good[:, :22], good, 2.0)
    with pytest.raises(EccvkitError, match="weight is -1"):
        cm.foot_weighted_loss(good, good, good, -1.0)
    with pytest.raises(EccvkitError, match="attention 2"):
        cm.foot_weighted_loss(good, good, good, 1.0, 2.0)


# ---- crops and network -----------------------------------------------------------------


@pytest.fixture(scope="module")
def crops():
    crowd = draw_crowd(5, 1.5, np.random.default_rng(0))
    return crowd, cm.cut_crops([crowd], (64, 48), 4, np.random.default_rng(1))[0]


def test_crops_hold_the_person_and_the_maps_its_joints(crops):
    crowd, views = crops
    assert len(views) == 4
    for v, view in enumerate(views):
        assert view.images.shape == (5, 3, 64, 48) and view.own.shape == (5, 23, 16, 12)
        assert np.array_equal(view.joints, crowd.pixels[v])
        low, extent = view.boxes[:, None, :2], view.boxes[:, None, 2:]
        assert ((view.joints >= low) & (view.joints <= low + extent)).all()
        x, y = ((view.joints - low) / extent * torch.tensor([12, 16]) - 0.5).unbind(-1)
        row, column = (view.own.flatten(2).argmax(-1) // 12, view.own.flatten(2).argmax(-1) % 12)
        assert (row - y).abs().max() <= 0.51 and (column - x).abs().max() <= 0.51
    assert cm.join_crops(views).images.shape == (20, 3, 64, 48)


def test_other_people_are_in_the_other_map_only(crops):
    view = crops[1][0]
    assert view.others.amax() > 0.5
    for n in range(5):
        low, extent = view.boxes[n, :2], view.boxes[n, 2:]
        inside = ((view.joints >= low) & (view.joints <= low + extent)).all(-1)
        inside[n] = False
        assert torch.equal(view.others[n].amax(dim=(1, 2)) > 0, inside.any(dim=0))


def test_network_reads_joints_off_perfect_maps(crops):
    view = crops[1][0]

    class Oracle(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, images):
            return view.own

    joints, peaks = cm.predict(Oracle(), view)
    error = (joints - view.joints).norm(dim=-1) / view.boxes[:, 3:] * 200
    assert error.median() < 0.5 and error.max() < 8 and (peaks > 0.6).all()
    found = cm.detect_with(Oracle(), [view], np.random.default_rng(0), miss=0.0)[0]
    assert sorted(found.person) == list(range(5)) and not np.array_equal(found.person, range(5))
    assert np.allclose(found.joints, joints.numpy()[found.person])


def test_network_shapes():
    net = cm.SPPE((4, 8), (6,))
    assert net.stride == 2 and net(torch.zeros(2, 3, 32, 24)).shape == (2, 23, 16, 12)
    paper = cm.SPPE((64, 128, 256, 512), (256, 256), cm.PAPER["heatmaps"])
    assert paper.head.last[-1].out_channels == 17 + 6
    assert [side[0].in_channels for side in paper.head.sides] == [256, 128]


def test_every_map_sees_the_whole_crop_and_keeps_its_place():
    net = cm.SPPE(*(getattr(cm.PRESETS["lab"], name) for name in ("widths", "deconv"))).eval()
    crop = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(0)).requires_grad_()
    net(crop)[0, 0, 15, 11].backward()
    seen = crop.grad[0].abs().sum(dim=0)
    # Receptive field: left and right can only be told apart by looking at the whole person.
    assert (seen > 0).float().mean() > 0.75
    # The skips keep the place: what is near counts most.
    assert seen[48:, 36:].mean() > 4 * seen[:16, :12].mean()


# ---- studies ---------------------------------------------------------------------------


def test_pose_study_has_all_metrics_and_is_repeatable(poses):
    assert set(poses.variants) == set(cm.VARIANTS)
    first = cm.run(TINY, "MAP", 500)
    assert first == cm.run(TINY, "MAP", 500)
    assert first["mpjpe"] == poses.values("mpjpe", "MAP")[500]
    assert {"pa_mpjpe", "pck", "pcp", "AP", "AR", "px mean", "mpjpe foot"} <= set(first)
    assert first["pa_mpjpe"] < first["mpjpe"] and 0 <= first["AP"] <= 1
    with pytest.raises(UnknownName, match="unknown variant 'magic'"):
        cm.run(TINY, "magic", 500)


def test_arms_share_their_matching_and_an_own_estimator_is_used():
    kept = [{}, {}]
    for keep, name in zip(kept, ("LS", "MAP")):
        cm.run(TINY, name, 500, keep=keep)
    assert all(a is b for a, b in zip(kept[0]["scenes"], kept[1]["scenes"]))
    assert kept[0]["errors"].shape == (len(kept[0]["estimates"][0]) * 23 * 4,)
    perfect = cm.run(TINY, "LS", 500, estimator=lambda problem, stage: _truth(kept[0], problem))
    assert perfect["mpjpe"] < 1e-9 and perfect["pck"] == 1 and perfect["pcp"] == 1
    assert perfect["AP75"] > 0.9 and perfect["px max"] < 1e-6


def _truth(keep, problem):
    return next(s.truth for s in keep["scenes"] if s.problem is problem)


def test_missing_joints_cost_shares_and_not_means(scene):
    estimate = scene.truth.clone()
    whole = cm.evaluate([scene], [estimate])
    estimate[:, :5] = torch.nan
    part = cm.evaluate([scene], [estimate])
    assert part["mpjpe"] < 1e-9 and part["pck"] == pytest.approx(18 / 23)
    assert part["pcp"] < whole["pcp"] == 1 and part["AP"] == 0


def test_reprojection_is_judged_on_the_truth_and_not_on_the_detections(scene):
    fitted = cm.triangulate(scene.problem.without_bones()).joints
    truth = cm.evaluate([scene], [scene.truth])
    assert truth["px mean"] < 1e-9 < cm.evaluate([scene], [fitted])["px mean"]
    own = scene.problem.without_bones()
    assert cm.cost(own, scene.truth).sum() > cm.cost(own, fitted).sum()


def test_nobody_matched_is_an_error_that_says_what_to_do(scene):
    empty = experiment.match_scene(scene.crowd, scene.detections, 4.0, gate=1e-6)
    assert len(empty.groups) == 0
    with pytest.raises(EccvkitError, match="raise the gate"):
        cm.evaluate([empty], [cm.triangulate(empty.problem).joints])


def test_people_are_matched_and_placed_without_any_truth(scene):
    strangers = [replace(d, person=np.full(len(d), -1)) for d in scene.detections]
    cameras = scene.crowd.cameras
    groups = cm.match_people(strangers, cameras, 0.8)
    assert np.array_equal(groups, cm.match_people(scene.detections, cameras, 0.8))
    joints = cm.triangulate(cm.pose_problem(groups, strangers, cameras, 4.0)).joints
    assert joints.shape == (len(groups), 23, 3) and torch.isfinite(joints).all()
    with pytest.raises(DataError, match="use match_people"):
        cm.match_scene(scene.crowd, strangers, 4.0, 0.8)


def test_people_without_annotated_feet_are_matched_by_lines():
    crowd = draw_crowd(5, 2.0, np.random.default_rng(3))
    body = crowd.joints.copy()
    body[:, 17:] = np.nan  # as in CMU Panoptic
    body = observe(body, crowd.cameras)
    found = detect(body, Noise(3, miss=0, occlusion=False), np.random.default_rng(0))
    assert len(cm.match_people(found, body.cameras, np.inf)) == 0
    lines = cm.epipolar_costs(found, body.cameras)
    groups = cm.match_people(found, body.cameras, 20.0, lines)
    own = np.stack([d.person[groups[:, v]] for v, d in enumerate(found)])
    assert len(groups) == 5 and (own == own[0]).all()
    joints = cm.triangulate(cm.pose_problem(groups, found, body.cameras, 4.0)).joints
    error = (joints - torch.from_numpy(crowd.joints[own[0]])).norm(dim=-1)
    assert error[:, :17].mean() < 0.05


def test_somebody_hidden_everywhere_is_left_out_of_means(scene):
    """All joints of one person are behind others in all views and are not reported."""
    person = int(scene.person[0])
    hidden = []
    for d in scene.detections:
        joints = d.joints.copy()
        joints[d.person == person] = np.nan
        hidden.append(replace(d, joints=joints))
    assert len(cm.match_scene(scene.crowd, hidden, 4.0, 0.8).groups) < len(scene.groups)
    # Had they been matched by something else, nothing would be known of their joints.
    problem = cm.pose_problem(scene.groups, hidden, scene.crowd.cameras, 4.0)
    joints = cm.triangulate(problem).joints
    assert joints[scene.person == person].isnan().all()
    metrics = cm.evaluate([scene], [joints])
    assert np.isfinite(metrics["mpjpe"]) and metrics["pck"] < 1


def test_a_group_is_the_person_most_of_its_detections_are(scene):
    for row, person in zip(scene.groups, scene.person):
        own = [d.person[i] for d, i in zip(scene.detections, row) if i >= 0]
        assert len(own) >= 2 and own.count(person) == max(own.count(p) for p in own)


def test_network_studies_run():
    metrics = cm.run_sppe(TINY, "lambda = 2", 500)
    assert {"foot AP", "foot AP75", "foot AR", "body AP", "foot px", "feet precision"} <= set(
        metrics
    )
    assert all(np.isfinite(v) for v in metrics.values())
    learned = cm.run_learned(TINY, "MAP", 500)
    assert learned["mpjpe"] > 0
    with pytest.raises(UnknownName):
        cm.run_sppe(TINY, "lambda = 9", 500)
    with pytest.raises(UnknownName):
        cm.run_learned(TINY, "MAP, one stage", 500)


def test_weights_of_the_feet_are_the_only_difference_of_the_arms():
    nets = [cm.train(TINY, weight, 500, "cpu")[0] for weight in (1.0, 2.0)]
    heads = [net.head.last[-1].weight for net in nets]
    assert not torch.equal(*heads)
    again, _ = cm.train.__wrapped__(TINY, 1.0, 500, "cpu")
    assert torch.equal(again.head.last[-1].weight, heads[0])


# ---- claims ----------------------------------------------------------------------------


def test_gap_growth_by_hand():
    rows = []
    for seed, (a_small, b_small, a_large, b_large) in {
        1: (0.9, 0.8, 0.7, 0.4),
        2: (1, 1, 1, 0.9),
    }.items():
        for arm, small, large in (("a", a_small, a_large), ("b", b_small, b_large)):
            rows += [
                {"variant": arm, "seed": seed, "metric": m, "value": v}
                for m, v in (("small", small), ("large", large))
            ]
    effect = cm.GapGrowth("a", "b", "small", "large")
    study = Study(pd.DataFrame(rows))
    assert effect.per_seed(study).round(6).tolist() == [0.2, 0.1]
    assert effect.metric == "large"
    assert effect.describe(study, 100.0) == "a lead of 20.0 against 5.0"


def test_every_claim_finds_its_metric(poses):
    seeds = [500, 501]
    studies = {
        cm.POSE_CLAIMS: poses,
        cm.LEARNED_CLAIMS: run_study(cm.run_learned, TINY, ["LS", "MLE + MAP"], seeds),
        cm.MATCHING_CLAIMS: run_study(cm.run_matching, TINY, cm.MATCHERS, seeds),
        cm.COST_CLAIMS: run_study(cm.run_cost, TINY, cm.NODES, seeds),
        cm.SPPE_CLAIMS: run_study(cm.run_sppe, TINY, ["lambda = 1", "lambda = 2"], seeds),
    }
    verdicts = [v for claims, study in studies.items() for v in judge(claims, study)]
    assert [v.claim.id for v in verdicts] == [c.id for c in cm.CLAIMS]
    assert len({c.id for c in cm.CLAIMS}) == len(cm.CLAIMS)
    assert all(v.claim.source and v.claim.paper for v in verdicts)


# ---- configuration ---------------------------------------------------------------------


def test_paper_facts_agree_with_each_other():
    assert cm.PAPER["body joints"] + cm.PAPER["foot joints"] == cm.PAPER["heatmaps"]
    assert round(np.mean(list(cm.PAPER_TABLE3.values())), 2) == 49.93
    assert cm.PAPER_TABLE7["feet"] > cm.PAPER_TABLE7["epipolar"] > cm.PAPER_TABLE7["RANSAC"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"scenes": 0}, "scenes is 0"),
        ({"gate": -1.0}, "gate is -1"),
        ({"cameras": 1}, "at least 2"),
        ({"densities": (8, 4)}, "rising"),
        ({"crop": (60, 48)}, "multiples of 16"),
        ({"deconv": (8, 8, 8, 8)}, "fewer doublings"),
    ],
)
def test_impossible_configurations_are_named(change, says):
    with pytest.raises(EccvkitError, match=says):
        replace(cm.PRESETS["lab"], **change)


def test_configure_overrides():
    config = cm.configure("smoke", people=5, noise=7.0, epochs=3, n_seeds=4, gate=0.5)
    assert (config.people, config.noise, config.epochs, config.gate) == (5, 7.0, 3, 0.5)
    assert config.seeds == config.net_seeds == 4
    with pytest.raises(UnknownName, match="preset"):
        cm.configure("huge")
    with pytest.raises(EccvkitError, match="people is -1"):
        cm.configure("smoke", people=-1)


# ---- pictures --------------------------------------------------------------------------


def test_ambiguity_is_a_valley_for_lines_and_a_well_for_feet(scene):
    ticks, epipolar, feet = pictures.ambiguity(scene, 0, (0, 1), 2.5, cells=21)
    true = pictures.feet_of_crowd(scene)[0]
    x, y = (int(np.abs(ticks - t).argmin()) for t in true)
    row, column = np.unravel_index(feet.argmin(), feet.shape)
    assert abs(row - y) <= 1 and abs(column - x) <= 1
    assert epipolar[y, x] < np.median(epipolar) and (feet < 0.4).mean() < (epipolar < 15).mean()


def test_pictures_are_drawn(scene, poses):
    figure, ax = plt.subplots()
    pictures.feet_map(ax, scene)
    assert len(ax.lines) > 0
    figure, axes = plt.subplots(1, 2)
    shares = pictures.ambiguity_maps(axes, scene, 0, (0, 1), 2.5)
    assert all(0 < share < 1 for share in shares)
    estimate = scene.truth + 0.02
    figure = pictures.views_and_poses(scene, estimate, half_side=2.5, factor=4.0)
    assert len(figure.axes) == 2 * 4 + 2
    figure, axes = plt.subplots(1, 2, subplot_kw={"projection": "3d"})
    pictures.one_person(axes, scene, {"a": estimate, "b": scene.truth}, 0)
    assert axes[0].get_title().endswith("35 mm")
    figure = plt.figure()
    counts = pictures.matching_panel(figure, scene.detections[:2], scene.crowd.cameras[:2], 2.5)
    assert all(right <= found for right, found in counts.values())
    _, ax = plt.subplots()
    pictures.error_histograms(ax, {"a": np.array([1.0, 3.0, np.nan])}, {"a": "red"})
    assert ax.get_legend().get_texts()[0].get_text() == "a (mean 2.0 px)"
    plt.close("all")


def test_curves_and_heatmaps_are_drawn(crops):
    study = run_study(cm.run_matching, TINY, ["epipolar", "feet"], [500, 501])
    _, ax = plt.subplots()
    colours = {"epipolar": "red", "feet": "blue"}
    pictures.precision_curves(ax, study, "8 px", TINY.densities, colours)
    assert [t.get_label() for t in ax.lines] == ["epipolar", "feet"]
    view = crops[1][0]
    figure = pictures.heatmap_rows(view.images[:2], view.own[:2], [0, 17], ["nose", "toe"])
    assert len(figure.axes) == 6
    plt.close("all")


def test_streams_of_random_numbers_are_apart():
    from eccvkit.papers.crowded_mvpose import correspondence, learned

    streams = [
        experiment._POSE, experiment._VALIDATION, correspondence._MATCH, correspondence._COST,
        learned._TRAIN, learned._VAL, learned._TEST,
    ]  # fmt: skip
    assert len(set(streams)) == len(streams)
