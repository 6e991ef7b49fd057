"""Paper 30 against closed forms, float64 loops, gradients, and the traps of its brief."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from eccvkit.claims import judge
from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.nn import WideResNet, count_parameters
from eccvkit.papers import rpl
from eccvkit.study import run_study

# Three classes, one point each, in the plane: distances of f = (1, 0) are 1, 4 and 2.
F0 = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
POINTS = torch.tensor([[[0.0, 0.0]], [[-1.0, 0.0]], [[0.0, 1.0]]], dtype=torch.float64)
MARGINS = torch.tensor([1.0, 3.0, 0.0], dtype=torch.float64)


def loop_loss(features, points, margins, targets, gamma, lam):
    """Eqs. 4 to 10 written as loops over samples, classes and points."""
    n, m, _ = points.shape
    classification = open_space = 0.0
    for f, y in zip(features, targets):
        to_point = [[float(((f - points[k, i]) ** 2).sum()) for i in range(m)] for k in range(n)]
        to_class = [sum(row) / m for row in to_point]
        total = sum(math.exp(gamma * d) for d in to_class)
        classification -= math.log(math.exp(gamma * to_class[y]) / total)
        open_space += sum((d - float(margins[y])) ** 2 for d in to_point[y]) / m
    size = len(features)
    return classification / size + lam * open_space / size


def test_distances_of_the_toy_by_hand():
    assert rpl.class_distances(F0, POINTS).tolist() == [[1.0, 4.0, 2.0]]


def test_farthest_class_wins_plus_sign_of_eq_5():
    log_p = rpl.class_log_probabilities(F0, POINTS, gamma=1.0)
    z = math.exp(1) + math.exp(4) + math.exp(2)
    expected = [math.exp(1) / z, math.exp(4) / z, math.exp(2) / z]
    assert log_p.exp()[0].tolist() == pytest.approx(expected)
    assert log_p.argmax().item() == 1


def test_open_space_loss_by_hand():
    # True class 1: distance 4, margin 3. Only the true class enters.
    y = torch.tensor([1])
    assert rpl.open_space_loss(F0, POINTS, MARGINS, y).item() == pytest.approx(1.0)


def test_open_space_loss_squares_each_point_before_averaging():
    # Distances 0 and 4 with margin 2: mean of (0-2)^2 and (4-2)^2 is 4; averaging first gives 0.
    points = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]], dtype=torch.float64)
    margin = torch.tensor([2.0], dtype=torch.float64)
    assert rpl.open_space_loss(F0, points, margin, torch.tensor([0])).item() == pytest.approx(4.0)


def test_known_score_is_the_largest_distance():
    assert rpl.known_score(F0, POINTS).tolist() == [4.0]


def test_normalise_divides_by_the_dimension():
    assert rpl.class_distances(F0, POINTS, normalise=True).tolist() == [[0.5, 2.0, 1.0]]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 4),
    m=st.integers(1, 3),
    gamma=st.floats(0.1, 2.0),
    lam=st.floats(0.0, 1.0),
)
def test_loss_equals_the_loop(seed, n, m, gamma, lam):
    g = torch.Generator().manual_seed(seed)
    f = torch.randn(5, 3, generator=g, dtype=torch.float64)
    points = torch.randn(n, m, 3, generator=g, dtype=torch.float64)
    margins = torch.rand(n, generator=g, dtype=torch.float64)
    y = torch.randint(n, (5,), generator=g)
    ours = rpl.rpl_loss(f, points, margins, y, gamma, lam)["loss"].item()
    assert ours == pytest.approx(loop_loss(f, points, margins, y, gamma, lam), rel=1e-9)


def test_gradients_reach_features_points_and_margins():
    g = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64, requires_grad=True)

    inputs = (draw(4, 3), draw(3, 2, 3), draw(3))
    y = torch.tensor([0, 2, 1, 1])
    assert torch.autograd.gradcheck(
        lambda f, p, r: rpl.rpl_loss(f, p, r, y, 0.7, 0.3)["loss"], inputs
    )


def test_shifting_everything_changes_nothing():
    shift = torch.tensor([3.0, -2.0], dtype=torch.float64)
    moved = rpl.class_distances(F0 + shift, POINTS + shift)
    assert torch.allclose(moved, rpl.class_distances(F0, POINTS))


def test_with_one_point_the_logit_difference_is_linear_in_the_feature():
    # d_k - d_j = -2 f.(p_k - p_j) + |p_k|^2 - |p_j|^2 (full-size facts of the brief).
    g = torch.Generator().manual_seed(1)
    f = torch.randn(6, 2, generator=g, dtype=torch.float64)
    d = rpl.class_distances(f, POINTS)
    p = POINTS[:, 0]
    linear = -2 * f @ (p[1] - p[0]) + p[1].square().sum() - p[0].square().sum()
    assert torch.allclose(d[:, 1] - d[:, 0], linear)


def test_best_margin_is_the_mean_distance_of_its_class():
    # For fixed features Eq. 8 is least squares in R: its minimum is the mean distance.
    f = torch.tensor([[1.0, 0.0], [3.0, 0.0]], dtype=torch.float64)
    margin = torch.tensor([5.0], dtype=torch.float64, requires_grad=True)
    rpl.open_space_loss(f, POINTS[:1], margin, torch.tensor([0, 0])).backward()
    assert margin.grad.item() == pytest.approx(0.0)  # (1 + 9) / 2 = 5


def test_prototype_loss_by_hand_and_opposite_sign_of_the_logits():
    y = torch.tensor([2])
    assert rpl.prototype_loss(F0, POINTS, y).item() == pytest.approx(2.0)
    config = rpl.Config(known=3, dim=2)
    near, far = rpl.PrototypeHead(config), rpl.ReciprocalHead(config)
    with torch.no_grad():
        near.prototypes.copy_(POINTS)
        far.points.copy_(POINTS)
    assert near.logits(F0.float()).argmax().item() == 0
    assert far.logits(F0.float()).argmax().item() == 1


def test_margins_are_learned_one_per_class():
    head = rpl.ReciprocalHead(rpl.Config(known=4))
    assert isinstance(head.margins, nn.Parameter) and head.margins.shape == (4,)


def test_gcpl_loss_adds_the_weighted_prototype_loss():
    torch.manual_seed(0)
    head = rpl.PrototypeHead(rpl.Config(known=3, dim=2, prototype_weight=0.5))
    f, y = torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    own = ((f - head.prototypes[y, 0]) ** 2).sum(dim=1)
    everyone = ((f[:, None] - head.prototypes[:, 0]) ** 2).sum(dim=2)
    expected = (own + torch.logsumexp(-everyone, dim=1)).mean() + 0.5 * own.mean()
    assert head.loss(f, y)["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_rpl_plus_plus_adds_the_weighted_prototype_loss():
    torch.manual_seed(0)
    config = rpl.Config(known=3, dim=2, prototype_weight=0.5)
    head = rpl.ReciprocalHead(config, prototypes=True)
    f, y = torch.randn(4, 2), torch.tensor([0, 1, 2, 0])
    terms = head.loss(f, y)
    expected = terms["classification"] + config.lam * terms["open space"] + 0.5 * terms["prototype"]
    assert terms["loss"].item() == pytest.approx(expected.item())


# ---- full size -----------------------------------------------------------------------


def test_full_size_parameter_counts():
    assert count_parameters(WideResNet(40, 4, num_classes=10)) == 8_949_210
    net = rpl.build(rpl.PAPER, "rpl")
    # The linear head (256 x 10 + 10) gives way to N x M x 256 coordinates and N margins.
    n, m = rpl.PAPER.known, rpl.PAPER.points
    assert count_parameters(net) == 8_949_210 - 2_570 + n * m * 256 + n


@pytest.mark.parametrize(
    ("change", "text"),
    [({"dim": 0}, "dim is 0"), ({"gamma": -1.0}, "gamma is -1"), ({"lam": -0.1}, "Eq. 10"),
     ({"lr": float("nan")}, "lr is nan"), ({"epochs": -3}, "epochs is -3")],
)  # fmt: skip
def test_impossible_configurations_are_refused_in_one_line(change, text):
    with pytest.raises(EccvkitError, match=text):
        rpl.Config(**change)


def test_configure_reaches_all_three_studies():
    main, tail, aircraft = rpl.configure("lab", epochs=7, n_seeds=2, gamma=0.5, dim=8)
    for config in (main, tail, aircraft):
        assert (config.epochs, config.seeds, config.gamma, config.dim) == (7, 2, 0.5, 8)
    assert (main.data, tail.tail_max, aircraft.data) == ("digits", 120, "aircraft")
    mnist, *_ = rpl.configure("gpu", data="svhn", data_dir="somewhere")
    assert (mnist.channels, mnist.image_size, mnist.data_dir) == (3, 32, "somewhere")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"preset": "big"}, "unknown preset 'big'"), ({"preset": "lab", "data": "aircraft"}, "digits"),
     ({"preset": "lab", "epochs": -1}, "epochs is -1"), ({"preset": "lab", "dim": 0}, "dim is 0")],
)  # fmt: skip
def test_configure_refuses(arguments, text):
    with pytest.raises(EccvkitError, match=text):
        rpl.configure(**arguments)


# ---- experiment ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick():
    """A configuration that trains in a fraction of a second."""
    return rpl.Config(epochs=3, seeds=3)


def test_arms_share_partition_encoder_and_batches(quick, monkeypatch):
    seen, encoders = {}, {}
    for arm in ("softmax", "gcpl", "rpl", "rpl++"):
        real = rpl.build

        def spy(config, name, *, loss, real=real, arm=arm):
            net = real(config, name, loss=loss)
            encoders[arm] = {k: v.clone() for k, v in net.encoder.state_dict().items()}
            inner = net.head.loss

            def record(features, targets):
                seen.setdefault(arm, []).append(targets.tolist())
                return inner(features, targets)

            net.head.loss = record
            return net

        monkeypatch.setattr("eccvkit.papers.rpl.experiment.build", spy)
        rpl.train(quick, arm, rpl.load(quick, 7), 7)
    first = encoders["softmax"]
    for arm, weights in encoders.items():
        assert all(torch.equal(first[k], weights[k]) for k in first), arm
        assert seen[arm] == seen["softmax"], arm
    assert len(seen["softmax"]) == quick.epochs * 12


def test_margins_move_at_their_own_rate(quick):
    from dataclasses import replace

    task = rpl.load(quick, 0)
    slow, fast = (
        rpl.train(replace(quick, margin_lr=rate), "rpl", task, 0)[0].head.margins.detach()
        for rate in (1e-4, 2e-2)
    )
    steps = quick.epochs * 12
    assert 0 < slow.abs().max() <= steps * 1.5e-4 < fast.min()


def test_more_known_classes_are_a_superset_for_the_same_seed(quick):
    from dataclasses import replace

    few, many = (set(rpl.load(replace(quick, known=n), 3).names) for n in (2, 6))
    assert few < many


def test_unknown_classes_never_reach_training(quick):
    task = rpl.load(quick, 0)
    total = len(task.train[0]) + len(task.test[0]) + len(task.outsiders[0])
    assert total == 1797
    assert set(task.outsiders[1].tolist()).isdisjoint(int(n) for n in task.names)
    assert task.train[1].max().item() == quick.known - 1


def test_long_tailed_digits_have_the_sizes_of_zipf_in_random_order():
    counts = [torch.bincount(rpl.load(rpl.TAIL_PRESETS["lab"], s).train[1]) for s in range(4)]
    assert all(sorted(c.tolist(), reverse=True) == [120, 60, 40, 30, 24, 20] for c in counts)
    assert len({c.argmax().item() for c in counts}) > 1
    balanced, tailed = (rpl.load(p["lab"], 0) for p in (rpl.PRESETS, rpl.TAIL_PRESETS))
    assert torch.equal(balanced.test[0], tailed.test[0])


def test_aircraft_arms_share_views_and_every_class_is_tested_equally(quick):
    config = rpl.AIRCRAFT_PRESETS["smoke"]
    task = rpl.load(config, 1)
    assert torch.equal(task.train[0], rpl.load(config, 1).train[0])
    counts = torch.bincount(task.train[1]).tolist()
    assert counts[0] == config.tail_max and counts[-1] == config.tail_min
    assert set(torch.bincount(task.test[1]).tolist()) == {50}
    assert task.outsiders[1].min().item() == config.known
    assert task.strangers.shape[1:] == task.test[0].shape[1:]


def test_gpu_configurations_train_on_a_small_piece():
    from dataclasses import replace

    main, _, aircraft = rpl.configure("gpu", epochs=1, n_seeds=1)
    small = replace(main, known=2)
    assert 0 <= rpl.run(small, "RPL", 0)["auroc"] <= 1
    few = replace(aircraft, known=2, tail_max=20, image_size=16)
    assert 0 <= rpl.run(few, "RPL", 0)["auroc"] <= 1


def test_published_data_follow_the_official_split(tmp_path):
    import struct
    from dataclasses import replace

    def write(name, array):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        (tmp_path / name).write_bytes(header + array.numpy().tobytes())

    for part, n in (("train", 60), ("t10k", 20)):
        write(f"{part}-images-idx3-ubyte", torch.full((n, 28, 28), 255, dtype=torch.uint8))
        write(f"{part}-labels-idx1-ubyte", (torch.arange(n) % 10).to(torch.uint8))
    config = replace(
        rpl.PRESETS["smoke"], data="mnist", data_dir=str(tmp_path), encoder="conv", image_size=16,
        epochs=1,
    )  # fmt: skip
    task = rpl.load(config, 0)
    assert task.train[0].shape == (36, 1, 16, 16) and task.train[0].min().item() == 1.0
    assert len(task.test[0]) == 12 and len(task.outsiders[0]) == 8
    assert {int(n) for n in task.names}.isdisjoint(task.outsiders[1].tolist())
    assert 0 <= rpl.run(config, "RPL", 0)["auroc"] <= 1


def test_run_is_deterministic_and_keeps_the_artefacts(quick):
    keep = {}
    first = rpl.run(quick, "RPL", 1, keep=keep)
    second = rpl.run(quick, "RPL", 1)
    first.pop("seconds"), second.pop("seconds")
    assert first == second
    assert set(keep) == {"net", "task", "history", "config"}
    assert 0.5 < first["accuracy"] <= 1 and 0 <= first["auroc"] <= 1


class TinyHead(nn.Module):
    """Logits are the feature itself, the score is its sum."""

    def logits(self, features):
        return features

    def score(self, features):
        return features.sum(dim=1)


def test_evaluate_by_hand():
    # Features are the images: two classes, four known samples (one wrong), two unknown ones.
    known = torch.tensor([[4.0, 0.0], [3.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    unknown = torch.tensor([[0.5, 0.5], [2.5, 0.0]])
    task = rpl.Task(
        train=(known, torch.tensor([0, 0, 0, 1])),
        test=(known, torch.tensor([0, 0, 1, 1])),
        outsiders=(unknown, torch.tensor([7, 8])),
        names=("a", "b"),
        strangers=torch.tensor([[0.0, 0.1]]),
    )
    measured = rpl.evaluate(rpl.OpenSetNet(nn.Identity(), TinyHead()), task)
    # Scores: knowns 4 3 2 1, unknowns 1 2.5. Pairs won: 2 + 2 + 1 + 0.5 of 8.
    assert measured["auroc"] == pytest.approx(5.5 / 8)
    assert measured["accuracy"] == 0.75
    assert measured["oscr"] == pytest.approx(0.75 * 5 / 6)
    # Largest probability orders by the gap of the logits: knowns 4 3 2 1, unknowns 0 2.5.
    assert measured["auroc softmax"] == pytest.approx(6 / 8)
    # Largest logit: unknowns 0.5 and 2.5.
    assert measured["auroc logit"] == pytest.approx(6 / 8)
    # Ranked 4k 3k 2.5u 2k (1k 1u): precision 1, 1, 3/4, then 4/6 for the tied last pair.
    assert measured["aupr known"] == pytest.approx((1 + 1 + 3 / 4 + 4 / 6) / 4)
    assert measured["aupr unknown"] < measured["aupr known"]
    assert measured["fpr95"] == 1.0
    assert measured["norm known"] == 2.5
    expected = (0.5**0.5 + 2.5) / 2
    assert measured["norm unknown"] == pytest.approx(expected)
    assert measured["norm ratio"] == pytest.approx(2.5 / expected)
    assert measured["accuracy head"] == 1.0 and measured["accuracy tail"] == 0.5
    assert measured["auroc strangers"] == 1.0
    assert measured["norm ratio strangers"] == pytest.approx(25.0)
    assert "margin" not in measured


def test_evaluate_scores_rpl_by_eq_11(quick):
    keep = {}
    metrics = rpl.run(quick, "RPL", 2, keep=keep)
    assert metrics["auroc"] == pytest.approx(metrics["auroc logit"])  # gamma = 1
    features, logits = rpl.embed(keep["net"], keep["task"].test[0])
    score = keep["net"].head.score(features)
    assert torch.equal(score, logits.amax(dim=1))


def test_a_students_loss_can_be_handed_in(quick):
    calls = []

    def mine(*args):
        calls.append(1)
        return rpl.rpl_loss(*args)

    reference = rpl.run(quick, "RPL", 0)
    with_mine = rpl.run(quick, "RPL", 0, loss=mine)
    assert calls and with_mine["auroc"] == reference["auroc"]


def test_wrong_sign_is_prototype_learning_and_the_toy_catches_it():
    wrong = torch.softmax(-rpl.class_distances(F0, POINTS), dim=-1)
    assert wrong.argmax().item() != rpl.class_log_probabilities(F0, POINTS).argmax().item()


def test_unknown_variant_arm_data_and_encoder_name_the_valid_ones(quick):
    from dataclasses import replace

    with pytest.raises(UnknownName, match=r"unknown variant 'RLP'.*'RPL'"):
        rpl.run(quick, "RLP", 0)
    with pytest.raises(UnknownName, match="Valid: softmax, gcpl"):
        rpl.build(quick, "openmax")
    with pytest.raises(UnknownName, match="digits, aircraft, mnist"):
        rpl.load(replace(quick, data="minst"), 0)
    with pytest.raises(UnknownName, match="encoder"):
        rpl.build(replace(quick, encoder="vgg"), "rpl")


def test_every_claim_can_be_judged_on_the_variants_it_names():
    def fake(config, variant, seed, device, *, keep=None):
        changes = rpl.VARIANTS[variant].changes
        lam, known = changes.get("lam", 0.1), changes.get("known", 6)
        good = rpl.VARIANTS[variant].arm != "softmax" and lam > 0
        auroc = 0.9 + 0.05 * good + 0.01 * (variant == "RPL++") + 0.002 * (seed - 1)
        metrics = dict.fromkeys(("auroc", "accuracy", "aupr known", "aupr unknown"), auroc)
        return metrics | {"margin": known - lam, "norm ratio": 1.5}

    study = run_study(fake, None, rpl.VARIANTS, [0, 1, 2])
    claims = (*rpl.CLAIMS, *rpl.AIRCRAFT_CLAIMS, *rpl.TAIL_CLAIMS)
    verdicts = {v.claim.id: v.verdict for v in judge(claims, study)}
    assert list(verdicts) == [
        "C1a", "C1b", "C1c", "C1d", "C2a", "C2b", "C2c", "C3a", "C3b", "C3c", "C4a", "C4b",
        "C5a", "C5b", "C5c", "C5d", "C5e", "C5f",
    ]  # fmt: skip
    # The fake ties GCPL, lambda = 1 and M = 8 with RPL, and lambda = 0 with softmax.
    ties = {"C1d", "C2b", "C2c", "C4b"}
    assert {k for k, v in verdicts.items() if v != "reproduced"} == ties


def test_the_papers_numbers_in_the_claims_are_those_of_its_tables():
    gain = {c.id: c.paper for c in (*rpl.CLAIMS, *rpl.TAIL_CLAIMS)}
    assert gain["C1a"].startswith(
        f"{rpl.PAPER_TABLE1['RPL']} against {rpl.PAPER_TABLE1['softmax']}"
    )
    assert gain["C2a"].startswith("83.1 against 64.6") and gain["C5f"].startswith("70.2 against 48")


def test_axes_are_in_ascending_order():
    for axis in (rpl.LAMBDA_AXIS, rpl.CLASSES_AXIS, rpl.POINTS_AXIS):
        assert list(axis.values()) == sorted(axis.values())
        assert set(axis) <= set(rpl.VARIANTS)


def test_feature_plane_shows_points_prototypes_and_margins(quick):
    from dataclasses import replace

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from eccvkit.papers.rpl.pictures import feature_plane, score_histogram

    flat = replace(quick, dim=2, known=4)
    keep = {}
    rpl.run(flat, "RPL", 0, keep=keep)
    figure, (left, right) = plt.subplots(1, 2)
    feature_plane(left, keep["net"], keep["task"], margins=True)
    radii = [p.get_radius() for p in left.patches]
    expected = keep["net"].head.margins.clamp(min=0).sqrt().tolist()
    assert radii == pytest.approx(expected)
    score_histogram(right, keep["net"], keep["task"], "distance")
    assert right.get_legend_handles_labels()[1] == ["known", "unknown"]
    keep = {}
    rpl.run(quick, "GCPL", 0, keep=keep)
    with pytest.raises(EccvkitError, match="use dim=2"):
        feature_plane(left, keep["net"], keep["task"])
    plt.close(figure)
