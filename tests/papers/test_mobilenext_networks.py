"""Blocks against loops, and full-size networks against the figures of Table 3."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.nn.count import count_parameters
from eccvkit.nn.macs import count_macs, layer_costs
from eccvkit.papers.mobilenext import blocks, micro, networks
from eccvkit.papers.mobilenext.blocks import (
    InvertedResidual,
    SandglassBlock,
    ThinShortcuts,
    add_identity,
)

IMAGE = (3, 224, 224)


def settle(module):
    """Give batch normalisation statistics and affine parameters other than 0 and 1."""
    for bn in module.modules():
        if isinstance(bn, nn.BatchNorm2d):
            nn.init.uniform_(bn.running_mean, -0.3, 0.3)
            nn.init.uniform_(bn.running_var, 0.5, 2.0)
            nn.init.uniform_(bn.weight, 0.5, 1.5)
            nn.init.uniform_(bn.bias, -0.3, 0.3)
    return module.double().eval()


def normalise(x, bn):
    shape = (1, -1, 1, 1)
    scale = (bn.weight / (bn.running_var + bn.eps).sqrt()).view(shape)
    return (x - bn.running_mean.view(shape)) * scale + bn.bias.view(shape)


def spatial(x, piece):
    """A depthwise 3x3 convolution with padding 1 as nine shifted copies."""
    stride = piece.conv.stride[0]
    padded = F.pad(x, (1, 1, 1, 1))
    h, w = x.shape[2:]
    taps = piece.conv.weight
    out = sum(
        taps[:, 0, i, j].view(1, -1, 1, 1) * padded[:, :, i : i + h, j : j + w]
        for i in range(3)
        for j in range(3)
    )
    return normalise(out[:, :, ::stride, ::stride], piece.bn)


def mix(x, piece):
    """A pointwise convolution as a product of matrices."""
    return normalise(torch.einsum("oi,bihw->bohw", piece.conv.weight[:, :, 0, 0], x), piece.bn)


def relu6(x):
    return x.clamp(0, 6)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize(("stride", "out"), [(1, 6), (2, 6), (1, 9), (2, 9)])
def test_sandglass_is_table_1(stride, out):
    block = settle(SandglassBlock(6, out, bottleneck=2, stride=stride))
    x = 3 * torch.randn(2, 6, 8, 8, dtype=torch.float64)
    first, reduce = block.squeeze
    expand, last = block.expand
    expected = relu6(spatial(x, first))
    expected = mix(expected, reduce)  # Linear.
    expected = relu6(mix(expected, expand))
    expected = spatial(expected, last)  # Linear.
    if stride == 1 and out == 6:
        expected = expected + x
    with torch.no_grad():
        assert torch.allclose(block(x), expected, atol=1e-10)
    assert block(x).shape == (2, out, 8 // stride, 8 // stride)


def test_the_reduction_and_the_end_are_linear():
    block = settle(SandglassBlock(6, 6, bottleneck=3))
    x = torch.randn(4, 6, 8, 8, dtype=torch.float64)
    assert block.squeeze(x).min() < 0 and (block(x) - x).min() < 0
    capped = settle(SandglassBlock(6, 6, bottleneck=3, relu_end=True))
    residual = capped(x) - x
    assert residual.min() >= 0 and residual.max() <= 6


@pytest.mark.parametrize(("alpha", "kept"), [(1.0, 6), (0.5, 3), (1 / 3, 2), (1 / 6, 1), (0.0, 0)])
def test_alpha_keeps_the_identity_of_the_first_channels_only(alpha, kept):
    block = settle(SandglassBlock(6, 6, bottleneck=2, alpha=alpha))
    x = torch.randn(2, 6, 5, 5, dtype=torch.float64)
    residual = block.expand(block.squeeze(x))
    difference = block(x) - residual
    assert block.identity_channels == kept
    assert torch.allclose(difference[:, :kept], x[:, :kept])
    assert torch.equal(difference[:, kept:], torch.zeros_like(difference[:, kept:]))


def test_no_shortcut_where_shapes_differ():
    assert SandglassBlock(6, 8, 2).identity_channels == 0
    assert SandglassBlock(6, 6, 2, stride=2).identity_channels == 0
    assert InvertedResidual(6, 8, 36).identity_channels == 0
    assert InvertedResidual(6, 6, 36, stride=2).identity_channels == 0


def test_identity_leaves_its_inputs_alone_and_carries_gradients():
    residual = torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    before = residual.detach().clone(), x.detach().clone()
    for channels in (0, 1, 4):
        assert torch.autograd.gradcheck(add_identity, (residual, x, channels))
    assert torch.equal(residual, before[0]) and torch.equal(x, before[1])
    add_identity(residual, x, 1).sum().backward()
    assert x.grad[:, :1].eq(1).all() and x.grad[:, 1:].eq(0).all() and residual.grad.eq(1).all()


@pytest.mark.parametrize("n_depthwise", [1, 2])
@pytest.mark.parametrize(("stride", "hidden"), [(1, 24), (2, 24), (1, 2)])
def test_inverted_residual_by_loops(stride, hidden, n_depthwise):
    block = settle(InvertedResidual(4, 4, hidden, stride, n_depthwise=n_depthwise))
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    expand, *filters, project = block.path
    expected = relu6(mix(x, expand))
    for piece in filters:
        expected = relu6(spatial(expected, piece))
    expected = mix(expected, project)
    if stride == 1:
        expected = expected + x
    with torch.no_grad():
        assert torch.allclose(block(x), expected, atol=1e-10)
    assert [f.conv.stride[0] for f in filters] == [stride, *[1] * (n_depthwise - 1)]


def test_inverted_residual_without_expansion_has_no_first_pointwise():
    assert len(InvertedResidual(8, 4, 8).path) == 2
    assert count_parameters(InvertedResidual(8, 4, 8)) == 8 * 9 + 16 + 32 + 8


def test_thin_shortcuts_move_the_identity_by_half_a_block():
    chain = [SandglassBlock(8, 8, 2), SandglassBlock(8, 8, 2), SandglassBlock(8, 12, 2, stride=2)]
    thin = settle(ThinShortcuts(chain))
    a, b, c = thin.blocks
    x = torch.randn(2, 8, 6, 6, dtype=torch.float64)
    first = a.squeeze(x)
    second = b.squeeze(a.expand(first)) + first
    third = c.squeeze(b.expand(second)) + second
    with torch.no_grad():
        assert torch.allclose(thin(x), c.expand(third), atol=1e-12)
    assert thin.identity_channels == [2, 2]
    strided = ThinShortcuts([SandglassBlock(8, 8, 2, stride=2), SandglassBlock(8, 8, 2)])
    assert strided.identity_channels == [0]
    other = ThinShortcuts([SandglassBlock(8, 8, 2), SandglassBlock(8, 8, 3)])
    assert other.identity_channels == [0]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: SandglassBlock(8, 8, 0), "middle of 0"),
        (lambda: InvertedResidual(8, 8, 0), "middle of 0"),
        (lambda: SandglassBlock(8, 8, 2, alpha=1.5), "alpha is 1.5"),
        (lambda: SandglassBlock(8, 8, 2, alpha=float("nan")), "alpha is nan"),
        (lambda: SandglassBlock(8, 8, 2, stride=2, last_depthwise=False), "stride 2"),
        (lambda: InvertedResidual(8, 8, 16, n_depthwise=0), "n_depthwise is 0"),
    ],
)
def test_impossible_blocks_are_refused_in_one_line(make, text):
    with pytest.raises(EccvkitError, match=text) as caught:
        make()
    assert "\n" not in str(caught.value)


# ---- full size -----------------------------------------------------------------------


def meta(build):
    with torch.device("meta"):
        return build()


#: Width: parameters exactly, multiply-adds in millions.
RELEASED = {
    1.4: (6_126_168, 588.3),
    1.0: (3_535_416, 311.3),
    0.75: (2_766_168, 207.9),
    0.5: (2_152_304, 103.3),
    0.35: (1_913_976, 75.1),
}
V2 = {
    1.4: (6_108_776, 582.2),
    1.0: (3_504_872, 300.8),
    0.75: (2_636_424, 209.1),
    0.5: (1_968_680, 97.1),
    0.35: (1_677_128, 59.3),
}


@pytest.mark.parametrize("width", RELEASED)
def test_released_mobilenext_has_the_cost_of_table_3(width):
    net = meta(lambda: networks.mobilenext(width))
    parameters, macs = RELEASED[width]
    assert count_parameters(net) == parameters
    assert count_macs(net, IMAGE) / 1e6 == pytest.approx(macs, abs=0.06)


@pytest.mark.parametrize("width", V2)
def test_mobilenet_v2_has_its_published_cost(width):
    net = meta(lambda: networks.mobilenet_v2(width))
    parameters, macs = V2[width]
    assert count_parameters(net) == parameters
    assert count_macs(net, IMAGE) / 1e6 == pytest.approx(macs, abs=0.06)


def test_the_text_taken_literally_is_a_smaller_network():
    net = meta(lambda: networks.mobilenext(variant="paper"))
    assert count_parameters(net) == 3_297_448
    assert count_macs(net, IMAGE) / 1e6 == pytest.approx(264.9, abs=0.06)


def test_second_depthwise_of_table_5():
    net = meta(lambda: networks.mobilenet_v2(n_depthwise=2))
    assert count_parameters(net) == 3_583_368
    assert count_macs(net, IMAGE) / 1e6 == pytest.approx(321.5, abs=0.06)


def test_alpha_costs_nothing_and_saves_nothing_of_what_is_counted():
    full, half = (meta(lambda a=a: networks.mobilenext(alpha=a)) for a in (1.0, 0.5))
    assert count_parameters(full) == count_parameters(half)
    assert count_macs(full, IMAGE) == count_macs(half, IMAGE)


def test_twenty_blocks_twelve_with_shortcut_and_the_bottlenecks():
    net = meta(networks.mobilenext)
    assert len(net.blocks) == 20
    assert sum(b.identity_channels > 0 for b in net.blocks) == 12
    widths = [16, 32, *[32] * 3, *[48] * 3, *[64] * 4, *[96] * 4, *[160] * 3, 208]
    assert [s.bottleneck for s in networks.sandglass_specs()] == widths
    literal = [s.bottleneck for s in networks.sandglass_specs(variant="paper")]
    assert literal[:6] == [16, 16, 24, 32, 32, 32] and literal[-1] == 160


def test_feature_sizes():
    net = meta(networks.mobilenext)
    table = layer_costs(net, IMAGE).set_index("layer")
    ends = {
        name.split(".")[1]: shape for name, shape in table["output"].items() if "blocks" in name
    }
    sides = [ends[str(i)][1] for i in (0, 1, 4, 7, 11, 15, 18, 19)]
    assert table.loc["stem.conv", "output"] == (32, 112, 112)
    assert sides == [56, 56, 28, 14, 14, 7, 7, 7]
    assert ends["19"] == (1280, 7, 7)


def test_where_the_released_network_leaves_out_depthwise_convolutions():
    specs = networks.sandglass_specs()
    both = [(s.first_depthwise, s.last_depthwise) for s in specs]
    assert both[0] == (True, True)  # t = 2 keeps it in spite of its stride.
    assert both[1] == (True, True) and both[19] == (True, True)  # Rows of one block.
    assert [i for i, b in enumerate(both) if b == (False, True)] == [2, 5, 12]  # Stride 2.
    assert [i for i, b in enumerate(both) if b == (False, False)] == [8, 16]  # 288-384, 576-960.
    literal = networks.sandglass_specs(variant="paper")
    assert [i for i, s in enumerate(literal) if not s.first_depthwise] == [0, 2, 5, 12]
    assert all(s.last_depthwise for s in literal)


def test_last_row_keeps_its_width_below_one_and_grows_above():
    for width, last in ((0.35, 1280), (1.0, 1280), (1.4, 1792)):
        assert networks.sandglass_specs(width=width)[-1].out_channels == last
        assert meta(lambda w=width: networks.mobilenet_v2(w)).classifier.in_features == last


def test_initial_weights():
    net = networks.mobilenext(0.5, 10)
    conv = net.blocks[5].squeeze[0].conv  # Pointwise, 96 to 32 channels.
    assert conv.weight.std().item() == pytest.approx((2 / conv.out_channels) ** 0.5, rel=0.1)
    assert net.classifier.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert net.classifier.bias.eq(0).all()


def test_a_full_size_network_runs_and_learns_everywhere():
    net = networks.mobilenext(0.35, 7)
    net(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize("build", [networks.mobilenext, networks.mobilenet_v2])
def test_widths_that_round_to_nothing_are_refused(build):
    with pytest.raises(EccvkitError, match=r"rounds \d+ channels to 0.*at least"):
        build(0.1)
    with pytest.raises(EccvkitError, match="width multiplier is 0"):
        build(0.0)


def test_unknown_variant():
    with pytest.raises(UnknownName, match="did you mean 'released'"):
        networks.mobilenext(variant="release")


# ---- micro networks ------------------------------------------------------------------


@pytest.mark.parametrize("classes", [100, (10, 10)])
@pytest.mark.parametrize("width", [0.35, 0.5, 1.0])
def test_arms_cost_the_same(width, classes):
    nets = {arm: meta(lambda a=arm: micro.build(a, width, classes)) for arm in micro.ARMS}
    parameters = {arm: count_parameters(net) for arm, net in nets.items()}
    macs = {arm: count_macs(net, (3, 24, 24)) for arm, net in nets.items()}
    ours = "MobileNeXt"
    for arm, slack in {"MobileNetV2": 0.12, "depthwise in bottleneck": 0.2}.items():
        assert parameters[arm] == pytest.approx(parameters[ours], rel=0.03)
        assert macs[arm] == pytest.approx(macs[ours], rel=slack)
    for arm in ("thin shortcuts", "ReLU6 end", "alpha=1/2", "alpha=1/3", "alpha=1/6", "alpha=0"):
        assert (parameters[arm], macs[arm]) == (parameters[ours], macs[ours])
    # As in Table 5, the stronger baseline may cost more.
    assert parameters["MobileNetV2, two depthwise"] > parameters[ours]
    if width == 1.0:
        assert parameters[ours] == (43_180 if classes == 100 else 43_180 - 129 * 80)


def test_logits_of_pairs_are_sums_and_their_cross_entropy_is_the_factors():
    head = networks.PairClassifier(4, (3, 5)).double()
    x, y = torch.randn(7, 4, dtype=torch.double), torch.randint(15, (7,))
    scores = x @ head.weight.T + head.bias
    u, v = scores[:, :3], scores[:, 3:]
    logits = head(x)
    assert logits.shape == (7, 15)
    table = logits.unflatten(1, (3, 5))
    for a in range(3):
        for b in range(5):
            assert torch.allclose(table[:, a, b], u[:, a] + v[:, b])
            assert torch.equal(logits[:, 5 * a + b], table[:, a, b])
    factors = F.cross_entropy(u, y // 5) + F.cross_entropy(v, y % 5)
    assert torch.allclose(F.cross_entropy(logits, y), factors)
    # The best pair is the pair of the best, and summing one factor out gives the other's softmax.
    assert torch.equal(logits.argmax(dim=1), 5 * u.argmax(dim=1) + v.argmax(dim=1))
    assert torch.allclose(logits.softmax(dim=1).unflatten(1, (3, 5)).sum(dim=2), u.softmax(dim=1))


def test_a_network_for_pairs_has_the_head_of_its_factors():
    plain, pairs = (micro.build("MobileNeXt", 0.5, classes) for classes in (100, (10, 10)))
    assert type(plain.classifier) is nn.Linear and plain.classifier.out_features == 100
    assert isinstance(pairs.classifier, networks.PairClassifier)
    assert pairs.classifier.weight.shape == (20, 128) and pairs.classifier.bias.eq(0).all()
    assert pairs.classifier.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert pairs.eval()(torch.randn(2, 3, 16, 16)).shape == (2, 100)
    macs = [count_macs(net, (3, 16, 16)) for net in (plain, pairs)]
    assert macs[0] - macs[1] == 80 * 128


def test_micro_arms_differ_only_in_what_they_are_named_for():
    wide, thin = (micro.build(arm, 0.5, 10) for arm in ("MobileNeXt", "thin shortcuts"))
    assert sum(b.identity_channels > 0 for b in wide.blocks) == 4
    assert sum(c > 0 for c in thin.blocks.identity_channels) == 4
    half = micro.build("alpha=1/2", 0.5, 10)
    kept = [(a.identity_channels, b.identity_channels) for a, b in zip(wide.blocks, half.blocks)]
    assert all(2 * b == a for a, b in kept) and max(kept) > (0, 0)
    low = micro.build("depthwise in bottleneck", 0.5, 10)
    assert all(len(b.path) == 4 for b in low.blocks)
    filters = [(len(s.squeeze) + len(s.expand) - 2) for s in wide.blocks]
    assert sum(filters) == 11  # Two in each of seven blocks, less one in three of stride 2.


def test_same_seed_gives_arms_the_same_weights_where_shapes_agree():
    nets = []
    for arm in ("MobileNeXt", "ReLU6 end", "alpha=1/2", "thin shortcuts"):
        torch.manual_seed(3)
        nets.append([p.detach() for p in micro.build(arm, 0.5, 10).parameters()])
    for other in nets[1:]:
        assert all(torch.equal(a, b) for a, b in zip(nets[0], other, strict=True))


def test_solver_finds_the_closest_and_says_when_there_is_none():
    def line(n):
        return nn.Linear(10, n, bias=False)

    assert micro.match_parameters(line, 102, 1, 40) == 10
    assert micro.match_parameters(line, 398, 1, 40) == 40
    with pytest.raises(EccvkitError, match="closest, 40, gives 400"):
        micro.match_parameters(line, 500, 1, 40)
    with pytest.raises(EccvkitError, match="closest, 20, gives 200"):
        micro.match_parameters(line, 100, 20, 40)


def test_unknown_arm():
    with pytest.raises(UnknownName, match="did you mean 'MobileNetV2'"):
        micro.build("MobileNetV3", 0.5, 10)


def test_bottleneck_too_thin_for_its_ratio():
    with pytest.raises(EccvkitError, match="rounds 16 channels to 0"):
        micro.build("MobileNeXt", 0.1, 10)
    spec = networks.sandglass_specs(((16, 8, 1, 1),), 1.0, "paper", stem=8)[0]
    assert spec.bottleneck == 0
    with pytest.raises(EccvkitError, match="smaller reduction ratio"):
        blocks.SandglassBlock(**spec._asdict())
