"""Quantisation, experiment, measures, claims and pictures of paper 40."""

from dataclasses import replace

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from eccvkit.claims import judge
from eccvkit.data.tinyshapes import tinyshapes
from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.nn.separable import ConvBN
from eccvkit.papers import mobilenext as m
from eccvkit.papers.mobilenext import claims, experiment, pictures, tasks
from eccvkit.study import run_study


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def settled(arm="MobileNeXt", classes=10):
    """A small network whose batch normalisation is not the identity."""
    net = m.build(arm, 0.5, classes)
    net.train()
    for _ in range(3):
        net(torch.randn(16, 3, 16, 16))
    for bn in net.modules():
        if isinstance(bn, nn.BatchNorm2d):
            nn.init.uniform_(bn.weight, 0.5, 1.5)
            nn.init.uniform_(bn.bias, -0.3, 0.3)
    return net.eval()


# ---- quantisation --------------------------------------------------------------------


@pytest.mark.parametrize("arm", ["MobileNeXt", "MobileNetV2"])
def test_folding_keeps_the_function_and_removes_batch_normalisation(arm):
    net, x = settled(arm), torch.randn(4, 3, 16, 16)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    folded = m.fold_batchnorm(net)
    assert torch.allclose(folded(x), net(x), atol=1e-4)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_weights_are_rounded_to_a_symmetric_grid():
    w = torch.tensor([-0.7, 0.34, 0.0, 0.36, 1.4])
    # 3 bits: steps of 1.4 / 3.
    expected = torch.tensor([-1.0, 1.0, 0.0, 1.0, 3.0]) * 1.4 / 3
    assert torch.allclose(m.round_weight(w, 3)[1:], expected[1:])
    assert m.round_weight(w, 3)[0].abs().item() / (1.4 / 3) == pytest.approx(2, abs=1.01)
    random = torch.randn(1000)
    for bits in (2, 4, 8):
        rounded = m.round_weight(random, bits)
        assert len(rounded.unique()) <= 2**bits - 1
        assert rounded.abs().max() == random.abs().max()
        half_step = random.abs().max() / (2 ** (bits - 1) - 1) / 2
        assert (rounded - random).abs().max() <= half_step * 1.001
    assert m.round_weight(torch.zeros(3), 4).eq(0).all()


def test_activations_are_rounded_between_the_ends_with_an_exact_zero():
    x = torch.tensor([-9.0, -1.0, -0.2, 0.0, 0.3, 2.9, 9.0])
    # 2 bits from -1 to 2: -1, 0, 1, 2.
    assert m.round_activation(x, -1.0, 2.0, 2).tolist() == [-1, -1, 0, 0, 0, 2, 2]
    # A range above zero is widened down to it.
    assert m.round_activation(x, 1.0, 3.0, 2).tolist() == [0, 0, 0, 0, 0, 3, 3]
    assert m.round_activation(x, 0.0, 0.0, 8).eq(0).all()
    values = torch.linspace(-0.37, 1.91, 500)
    rounded = m.round_activation(values, -0.37, 1.91, 4)
    assert len(rounded.unique()) <= 16 and (rounded == 0).any()
    assert (rounded - values).abs().max() <= 1.01 * (1.91 + 0.37) / 15


@pytest.mark.parametrize("arm", ["MobileNeXt", "MobileNetV2"])
def test_every_stored_tensor_is_calibrated_and_rounded(arm):
    net, x = m.fold_batchnorm(settled(arm)), torch.randn(8, 3, 16, 16)
    ranges = m.calibrate(net, x)
    pieces = [n for n, layer in net.named_modules() if isinstance(layer, ConvBN)]
    sums = [n for n, b in net.named_modules() if getattr(b, "identity_channels", 0)]
    assert len(sums) == 4 if arm == "MobileNeXt" else sums
    assert set(ranges) == {"", "dropout", *pieces, *sums}
    assert ranges[""] == (x.min().item(), x.max().item())
    seen = {}

    def count(name):
        # A hook that returned something would replace the output.
        return lambda _m, _in, out: seen.update({name: len(out.unique())})

    few = m.quantize(net, ranges, 3)
    for name, layer in few.named_modules():
        if name in ranges and name:
            layer.register_forward_hook(count(name))
    few(x)
    assert set(seen) == set(ranges) - {""} and max(seen.values()) <= 8
    weights = [len(p.unique()) for n, p in few.named_parameters() if n.endswith("weight")]
    assert max(weights) <= 7
    assert not net.stem._forward_hooks  # The original computes exactly as before.


def test_the_classifier_of_pairs_is_rounded_too():
    net = m.fold_batchnorm(settled(classes=(3, 4)))
    few = m.quantize(net, m.calibrate(net, torch.randn(8, 3, 16, 16)), 3)
    assert 2 < len(few.classifier.weight.unique()) <= 7 < len(net.classifier.weight.unique())


def test_more_bits_come_closer_and_sixteen_are_nearly_exact():
    net, x = m.fold_batchnorm(settled()), torch.randn(8, 3, 16, 16)
    ranges, exact = m.calibrate(net, x), net(x)
    errors = [(m.quantize(net, ranges, k)(x) - exact).norm().item() for k in (4, 6, 8, 16)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01 * exact.norm().item() < errors[0]


@pytest.mark.parametrize("bits", [1, 17])
def test_bits_out_of_range(bits):
    net = m.fold_batchnorm(settled())
    with pytest.raises(EccvkitError, match=f"{bits} bits"):
        m.quantize(net, {}, bits)


# ---- experiment ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick():
    return replace(
        m.PRESETS["smoke"], n_train=100, n_test=100, epochs=1, batch_size=50, calibration=20
    )


def test_tasks_hold_the_generators_images_and_follow_the_seed(quick):
    task = m.load(quick, 3)
    data = tinyshapes(100, 16, part="test", seed=3, noise=0.04)
    images = task.test[0]
    assert torch.allclose(images.mean(dim=(2, 3)), torch.zeros(100, 3), atol=1e-5)
    assert torch.allclose(images.std(dim=(1, 2, 3)), torch.ones(100), atol=1e-4)
    # One scale for all channels, so that hues stay: pixels are those of the picture up to a line.
    first = data.images[0] - data.images[0].mean(dim=(1, 2), keepdim=True)
    assert torch.allclose(images[0] * first.std(), first, atol=1e-5)
    assert torch.equal(task.test[1], data.labels) and task.names == data.names
    assert task.train[0].is_contiguous(memory_format=torch.channels_last)
    assert m.load(quick, 3) is task
    assert not torch.equal(m.load(quick, 4).train[0], task.train[0])
    assert not torch.equal(m.load(replace(quick, noise=0.0), 3).train[0], task.train[0])


def test_arms_see_the_same_batches_in_the_same_order(quick, monkeypatch):
    seen = {}
    for arm in ("MobileNeXt", "MobileNetV2", "thin shortcuts"):
        net = m.build(arm, quick.width, quick.classes)
        inner, labels = F.cross_entropy, seen.setdefault(arm, [])

        def record(logits, y, labels=labels, inner=inner):
            labels.append(y.tolist())
            return inner(logits, y)

        monkeypatch.setattr(experiment.F, "cross_entropy", record)
        m.train(quick, net, m.load(quick, 7), 7)
        monkeypatch.setattr(experiment.F, "cross_entropy", inner)
    first = seen["MobileNeXt"]
    assert len(first) == 2 and all(order == first for order in seen.values())


def test_a_variant_trains_with_its_own_multiple_of_the_learning_rate(quick, monkeypatch):
    rates = {}

    def note(config, net, task, seed, *, label):
        rates[label] = config.lr
        return m.train(config, net, task, seed, label=label)

    monkeypatch.setattr(experiment, "train", note)
    for variant in ("MobileNeXt", "thin shortcuts"):
        m.run(quick, variant, 1)
    assert rates == {"MobileNeXt": quick.lr, "thin shortcuts": 2 * quick.lr}


def test_run_is_deterministic_and_keeps_what_pictures_need(quick):
    keep = {}
    first = m.run(quick, "MobileNeXt", 1, keep=keep)
    second = m.run(quick, "MobileNeXt", 1)
    first.pop("seconds"), second.pop("seconds")
    assert first == second and set(keep) == {"net", "task", "history"}
    assert first["parameters"] == 24_856 - 129 * 80  # Twenty scores, not a hundred.
    for bits in m.BITS:
        assert first[f"kept{bits}"] * max(first["accuracy"], 0.01) == pytest.approx(
            first[f"int{bits}"]
        )


def test_only_the_two_networks_of_table_4_are_quantised_and_widths_are_kept(quick):
    metrics = m.run(quick, "ReLU6 end", 1)
    assert "int8" not in metrics and 0 <= metrics["accuracy"] <= 1
    wide = m.run(quick, "MobileNetV2, width 1", 1)
    assert wide["parameters"] == pytest.approx(43_180 - 129 * 80, rel=0.03) and "int8" not in wide


def test_a_students_block_can_be_handed_in(quick):
    made = []

    class Mine(m.SandglassBlock):
        def __init__(self, *args, **kwargs):
            made.append(kwargs["alpha"])
            super().__init__(*args, **kwargs)

    reference, mine = (
        m.run(quick, "alpha=1/2", 0, block=b)["accuracy"] for b in (m.SandglassBlock, Mine)
    )
    assert made == [0.5] * 7 and mine == reference


def test_learning_rate_rises_and_falls():
    values = [experiment.warm_cosine(t / 100, 0.1) for t in range(100)]
    assert values[0] == 0 and values[5] == pytest.approx(0.5) and values[10] == 1
    assert values[55] == pytest.approx(0.5) and values[99] < 0.01
    assert experiment.warm_cosine(0.0, 0.0) == 1


def test_accuracy_and_marginals_by_hand():
    class Table(nn.Module):
        def forward(self, x):
            return x[:, 0, :, 0]

    logits = torch.full((2, 100), -20.0)
    # Most likely class 11, but outline 2 and texture 5 carry more in total.
    logits[0, [11, 25, 26, 35]] = torch.tensor([0.40, 0.30, 0.25, 0.25]).log()
    logits[1, 99] = 0.0
    images = logits[:, None, :, None]
    task = m.Task((images, None), (images, torch.tensor([25, 99])), (), factors=True)
    found = m.evaluate(Table(), task)
    assert found == {"accuracy": 0.5, "shape accuracy": 1.0, "texture accuracy": 1.0}
    assert list(m.evaluate(Table(), replace(task, factors=False))) == ["accuracy"]


def test_the_paper_s_data_can_be_read(tmp_path, monkeypatch):
    import numpy as np

    from eccvkit.data.readers import Labelled

    asked = []

    def read(root, part):
        asked.append((root, part))
        return Labelled(np.full((8, 32, 32, 3), 255, np.uint8), np.arange(8), tuple("abcdefghij"))

    monkeypatch.setattr(tasks.readers, "cifar10", read)
    config = m.configure("smoke", data="cifar10", data_dir=str(tmp_path))
    assert (config.image_size, config.classes) == (32, 10)
    task = m.load(replace(config, n_train=5), 0)
    assert asked == [(str(tmp_path), "train"), (str(tmp_path), "test")]
    assert (
        task.train[0].shape == (5, 3, 32, 32) and task.train[0].eq(0).all()
    )  # Plain white has no contrast.
    assert not task.factors and task.names == tuple("abcdefghij")


@pytest.mark.parametrize(
    ("change", "text"),
    [({"epochs": 0}, "epochs is 0"), ({"lr": 0.0}, "lr is 0"), ({"width": -1.0}, "width is -1"),
     ({"image_size": 4}, "image_size is 4"), ({"warmup": 1.0}, "warmup is 1"),
     ({"lr": float("nan")}, "lr is nan"), ({"noise": -0.1}, "noise is -0.1")],
)  # fmt: skip
def test_impossible_configurations(change, text):
    with pytest.raises(EccvkitError, match=text):
        m.Config(**change)


def test_configure_overrides_and_refuses():
    config = m.configure("lab", epochs=3, n_seeds=2, width=1.0)
    assert (config.epochs, config.seeds, config.width) == (3, 2, 1.0)
    assert m.configure("lab") == m.PRESETS["lab"]
    with pytest.raises(EccvkitError, match="epochs is -1"):
        m.configure("lab", epochs=-1)
    with pytest.raises(UnknownName, match="tinyshapes, cifar10"):
        m.configure("lab", data="imagenet")


def test_unknown_variant(quick):
    with pytest.raises(UnknownName, match="did you mean 'MobileNeXt'"):
        m.run(quick, "MobilNeXt", 0)


# ---- measures ------------------------------------------------------------------------


def test_effective_rank_counts_equal_directions():
    x = torch.randn(40, 5, 8, 8, dtype=torch.float64)
    x = x - x.mean(dim=(0, 2, 3), keepdim=True)
    rows = x.movedim(1, -1).flatten(0, -2)
    white = rows @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(rows.T))).T
    x = white.reshape(40, 8, 8, 5).movedim(-1, 1)
    assert m.effective_rank(x) == pytest.approx(5.0)
    x[:, 2:] = 0
    assert m.effective_rank(x) == pytest.approx(2.0)
    assert m.effective_rank(x[:, :1]) == pytest.approx(1.0)


def test_gradient_cosines_of_a_linear_model_by_hand():
    line = nn.Linear(2, 1, bias=False)
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    found = m.gradient_cosines(line, images, images, batches=3, loss=lambda out, _: out.sum())
    assert found.tolist() == pytest.approx([0.0, -1.0, 0.0])


@pytest.mark.parametrize("arm", ["MobileNeXt", "MobileNetV2"])
def test_block_outputs_in_order(arm):
    net, x = settled(arm), torch.randn(2, 3, 16, 16)
    found = m.block_outputs(net, x)
    h, expected = net.stem(x), []
    for block in net.blocks:
        h = block(h)
        if hasattr(block, "identity_channels"):
            expected.append(h)
    assert len(found) == len(expected) == 7
    assert all(torch.equal(a, b) for a, b in zip(found, expected))


def test_block_costs_by_hand():
    costs = m.block_costs(m.SandglassBlock(12, 12, 2, alpha=0.5), side=4)
    assert costs["parameters"] == 2 * (12 * 9 + 24) + 12 * 2 + 4 + 2 * 12 + 24
    assert costs["macs"] == 16 * (2 * 12 * 9 + 2 * 12 * 2)
    assert costs["additions"] == 16 * 6
    weights = 2 * 12 * 9 + 2 * 12 * 2
    assert costs["traffic"] == weights + 16 * ((12 + 12) + (12 + 2) + (2 + 12) + (12 + 12) + 6)
    assert m.block_costs(m.SandglassBlock(12, 12, 2, stride=2), side=4)["additions"] == 0


# ---- claims and pictures -------------------------------------------------------------


def fake(config, variant, seed, device, *, keep=None):
    top = 0.50
    top += 0.04 * variant.startswith("MobileNeXt") + 0.10 * variant.endswith("width 1")
    top += 0.02 * (variant == "MobileNeXt") - 0.05 * (variant == "depthwise in bottleneck")
    top += 0.055 * variant.startswith("alpha") + 0.001 * (seed % 2)
    drop = 0.03 if variant.startswith("MobileNeXt") else 0.05
    metrics = {"accuracy": top, "parameters": 1000 * (1 + variant.endswith("1"))}
    return metrics | {f"int{k}": top - drop for k in m.BITS} | {"kept5": 1 - drop}


@pytest.fixture(scope="module")
def study():
    return run_study(fake, None, m.VARIANTS, [0, 1, 2])


def test_every_claim_can_be_judged_on_the_variants_it_names(study):
    verdicts = {v.claim.id: v for v in judge(m.CLAIMS, study)}
    assert list(verdicts) == ["C1a", "C1b", "C2a", "C2b", "C2c", "C2d", "C3", "C4", "C5a", "C5b"]
    assert {v.verdict for v in verdicts.values()} == {"reproduced"}
    # Gaps of 6 points at the small width, and 4 at the large one.
    assert verdicts["C1a"].interval.mean == pytest.approx(5.0)
    assert verdicts["C1b"].interval.mean == pytest.approx(2.0)
    assert verdicts["C1a"].ours == "gaps +6.0, +4.0"
    assert verdicts["C5b"].interval.mean == pytest.approx(2.0)


def test_the_papers_numbers_in_the_claims_are_those_of_its_tables():
    text = {c.id: c.paper for c in m.CLAIMS}
    for width in (1.4, 1.0, 0.75, 0.5, 0.35):
        pair = [m.PAPER_TABLE3[net][width][2] for net in ("MobileNeXt", "MobileNetV2")]
        assert "{}/{}".format(*pair) in text["C1a"]
    top1 = m.PAPER_TOP1
    ours, other = top1["MobileNeXt"], top1["MobileNetV2"]
    kept = [100 * net["int8"] / net["accuracy"] for net in (ours, other)]
    assert text["C5a"].startswith(f"{ours['int8']} against {other['int8']}")
    assert text["C5b"].startswith("{:.1f} against {:.1f}".format(*kept))
    rival = top1["MobileNetV2, two depthwise"]["accuracy"]
    assert text["C4"] == f"{ours['accuracy']} against {rival}"
    assert claims.ALPHA_BOUND > 0


def test_drawn_block_has_a_bar_per_tensor_as_high_as_its_channels():
    figure, ax = plt.subplots()
    pictures.draw_block(ax, m.SandglassBlock(24, 24, 4, alpha=0.5), "sandglass")
    bars = [p for p in ax.patches if isinstance(p, plt.Rectangle)]
    assert [round(24 * b.get_height()) for b in bars] == [24, 24, 4, 24, 24]
    words = [t.get_text() for t in ax.texts]
    assert [w for w in words if w in ("ReLU6", "linear")] == ["ReLU6", "linear", "ReLU6", "linear"]
    assert "identity of 12 of 24 channels" in words
    pictures.draw_block(ax, m.SandglassBlock(24, 32, 4, stride=2), "strided")
    assert "no shortcut" in [t.get_text() for t in ax.texts]
    plt.close(figure)


def test_curves_show_means_in_percent(study):
    figure, (left, middle, right) = plt.subplots(1, 3)
    colours = {"MobileNeXt": "C0", "MobileNetV2": "C1"}
    curves = {net: (net, f"{net}, width 1") for net in colours}
    pictures.accuracy_against_cost(left, study, curves, colours)
    x, y = left.get_lines()[0].get_data()
    assert list(x) == [1000, 2000]
    assert list(y) == pytest.approx([56 + 0.1 / 3, 64 + 0.1 / 3])
    pictures.accuracy_against_bits(middle, study, list(colours), m.BITS, colours)
    assert middle.get_lines()[0].get_ydata()[0] == pytest.approx(53 + 0.1 / 3)
    assert middle.xaxis_inverted()
    pictures.cosine_histograms(right, {n: torch.linspace(-1, 1, 11) for n in colours}, colours)
    assert right.get_legend_handles_labels()[1] == list(colours)
    plt.close(figure)
