import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.nn.count import count_parameters
from eccvkit.papers.avvp.config import PAPER, Config
from eccvkit.papers.avvp.losses import (
    bag_loss,
    bootstrap_labels,
    guided_loss,
    share_above_one,
    smooth_labels,
)
from eccvkit.papers.avvp.network import AVVPNet, Projection
from eccvkit.papers.avvp.pooling import (
    Pooled,
    attention_tensors,
    attentive_pooling,
    max_pooling,
    mean_pooling,
)
from eccvkit.papers.avvp.temporal import HANLayer, TemporalNet, hybrid_attention


def random_instances(b=2, t=5, c=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    p = torch.rand(b, t, 2, c, generator=g, dtype=torch.float64)
    logits = torch.randn(2, b, t, 2, c, generator=g, dtype=torch.float64)
    return p, logits[0], logits[1]


# --- hybrid attention -------------------------------------------------------------------------


def test_hybrid_attention_against_a_loop():
    torch.manual_seed(0)
    a, v = torch.randn(2, 4, 3).double(), torch.randn(2, 4, 3).double()
    out = hybrid_attention(a, v)

    def g(q, memory):
        e = [math.exp(float(q @ row) / math.sqrt(3)) for row in memory]
        return sum(x / sum(e) * row for x, row in zip(e, memory))

    for b in range(2):
        for t in range(4):
            wanted_a = a[b, t] + g(a[b, t], a[b]) + g(a[b, t], v[b])
            wanted_v = v[b, t] + g(v[b, t], v[b]) + g(v[b, t], a[b])
            assert torch.allclose(out.audio[b, t], wanted_a)
            assert torch.allclose(out.visual[b, t], wanted_v)
    for weights in out[2:]:
        assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 4).double())


def test_hybrid_attention_is_symmetric_in_the_modalities():
    torch.manual_seed(1)
    a, v = torch.randn(1, 4, 3), torch.randn(1, 4, 3)
    one, other = hybrid_attention(a, v), hybrid_attention(v, a)
    assert torch.equal(one.audio, other.visual)
    assert torch.equal(one.cross_audio, other.cross_visual)


def test_han_layer_by_hand():
    # Zero projections read nothing; a zero mlp adds nothing: two normalisations are left.
    layer = HANLayer(4).eval()
    for module in (layer.self_attention, layer.cross_attention):
        torch.nn.init.zeros_(module.out_proj.weight)
    torch.nn.init.zeros_(layer.mlp[3].weight)
    torch.nn.init.zeros_(layer.mlp[3].bias)
    x, z = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    wanted = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(layer(x, z), wanted, atol=1e-4)


def test_han_layer_with_plain_projections_is_eqs_1_to_4():
    layer = HANLayer(4, dropout=0.0).eval()
    for module in (layer.self_attention, layer.cross_attention):
        module.in_proj_weight.data = torch.eye(4).repeat(3, 1)
        module.out_proj.weight.data = torch.eye(4)
    torch.nn.init.zeros_(layer.mlp[3].weight)
    torch.nn.init.zeros_(layer.mlp[3].bias)
    a, v = torch.randn(2, 5, 4), torch.randn(2, 5, 4)
    literal = hybrid_attention(a, v)
    norm = torch.nn.functional.layer_norm
    wanted = norm(norm(literal.audio, (4,)), (4,))
    assert torch.allclose(layer(a, v), wanted, atol=1e-4)
    assert torch.allclose(layer.cross_weights(a, v), literal.cross_audio, atol=1e-6)


def test_only_the_cross_attention_sees_the_other_modality():
    a, v, w = (torch.randn(1, 5, 8) for _ in range(3))
    for kind, sees in (("none", False), ("GRU", False), ("Transformer", False), ("HAN", True)):
        torch.manual_seed(0)
        net = TemporalNet(kind, 8).eval()
        one, other = net(a, v), net(a, w)
        assert torch.equal(one[0], other[0]) is not sees, kind
        assert not torch.equal(one[1], other[1])


@pytest.mark.parametrize("kind", ["GRU", "Transformer", "HAN"])
def test_shared_or_not(kind):
    a, v = torch.randn(2, 1, 5, 8)
    shared, own = TemporalNet(kind, 8).eval(), TemporalNet(kind, 8, shared=False).eval()
    assert torch.equal(shared(a, v)[0], shared(v, a)[1])
    assert not torch.allclose(own(a, v)[0], own(v, a)[1])
    assert count_parameters(own) == 2 * count_parameters(shared)


def test_no_temporal_network_changes_nothing():
    a, v = torch.randn(2, 1, 5, 8)
    assert all(torch.equal(x, y) for x, y in zip(TemporalNet("none", 8)(a, v), (a, v)))


def test_temporal_errors():
    with pytest.raises(UnknownName, match="none, GRU, Transformer, HAN"):
        TemporalNet("LSTM", 8)
    with pytest.raises(EccvkitError, match="use HAN"):
        TemporalNet("GRU", 8).cross_weights(torch.zeros(1, 5, 8), torch.zeros(1, 5, 8))
    with pytest.raises(EccvkitError, match="cross=True"):
        HANLayer(8, cross=False).cross_weights(torch.zeros(1, 5, 8), torch.zeros(1, 5, 8))


# --- pooling ----------------------------------------------------------------------------------


def test_attentive_pooling_against_loops():
    p, f_tp, f_av = random_instances()
    pooled = attentive_pooling(p, f_tp, f_av)
    for b in range(2):
        for c in range(3):
            video, by_modality = 0.0, [0.0, 0.0]
            for t in range(5):
                for m in range(2):
                    w_tp = math.exp(f_tp[b, t, m, c]) / sum(
                        math.exp(f_tp[b, s, m, c]) for s in range(5)
                    )
                    w_av = math.exp(f_av[b, t, m, c]) / sum(
                        math.exp(f_av[b, t, n, c]) for n in range(2)
                    )
                    video += w_tp * w_av * p[b, t, m, c]
                    by_modality[m] += w_tp * p[b, t, m, c]
            assert pooled.video[b, c].item() == pytest.approx(float(video))
            assert pooled.audio[b, c].item() == pytest.approx(float(by_modality[0]))
            assert pooled.visual[b, c].item() == pytest.approx(float(by_modality[1]))


def test_softmax_axes():
    _, f_tp, f_av = random_instances()
    w_tp, w_av = attention_tensors(f_tp, f_av)
    assert torch.allclose(w_tp.sum(dim=1), torch.ones(2, 2, 3).double())
    assert torch.allclose(w_av.sum(dim=2), torch.ones(2, 5, 3).double())
    # Classes do not compete: a larger logit of one leaves the others alone.
    f_tp[..., 0] += torch.arange(5.0)[:, None]
    f_av[..., 0, 0] += 3
    again = attention_tensors(f_tp, f_av)
    assert torch.equal(again[0][..., 1:], w_tp[..., 1:])
    assert torch.equal(again[1][..., 1:], w_av[..., 1:])


def test_weights_of_a_bag_do_not_sum_to_one():
    # Audio looks at second 0, vision at second 1, and each is preferred just there.
    f_tp = torch.full((1, 2, 2, 1), -30.0).double()
    f_tp[0, 0, 0], f_tp[0, 1, 1] = 30.0, 30.0
    f_av = f_tp.clone()
    p = torch.ones(1, 2, 2, 1).double()
    assert attentive_pooling(p, f_tp, f_av).video.item() == pytest.approx(2.0)
    # And preferred where it does not look, nothing is left.
    assert attentive_pooling(p, f_tp, -f_av).video.item() == pytest.approx(0.0, abs=1e-9)
    assert attentive_pooling(p, f_tp, f_av).audio.item() == pytest.approx(1.0)


def test_equal_logits_are_the_mean():
    p, f_tp, f_av = random_instances()
    attentive = attentive_pooling(p, 0 * f_tp, 0 * f_av)
    for ours, mean in zip(attentive, mean_pooling(p, f_tp, f_av)):
        assert torch.allclose(ours, mean)


def test_max_and_mean_by_hand():
    p = torch.tensor([[0.1, 0.6], [0.3, 0.2]]).reshape(1, 2, 2, 1)  # (time, modality)
    assert [x.item() for x in max_pooling(p, p, p)] == pytest.approx([0.6, 0.3, 0.6])
    assert [x.item() for x in mean_pooling(p, p, p)] == pytest.approx([0.3, 0.2, 0.4])


def test_gradient_of_the_pooling():
    tensors = [x.requires_grad_() for x in random_instances(1, 3, 2)]
    assert torch.autograd.gradcheck(lambda *x: tuple(attentive_pooling(*x)), tensors)


# --- losses -----------------------------------------------------------------------------------


def test_bag_loss_has_both_halves():
    p, y = torch.tensor([[0.8, 0.4]]), torch.tensor([[1.0, 0.0]])
    wanted = -(math.log(0.8) + math.log(0.6)) / 2
    assert bag_loss(p, y).item() == pytest.approx(wanted)
    # The printed half alone would be minimised by a constant 1.
    assert bag_loss(torch.ones(1, 2), y) > 1


def test_probabilities_above_one_are_clamped_and_counted():
    p = torch.tensor([[1.3, 0.5, 1.1, 1.0]], requires_grad=True)
    y = torch.tensor([[1.0, 1.0, 0.0, 1.0]])
    assert share_above_one(p).item() == 0.5
    loss = bag_loss(p, y)
    assert torch.isfinite(loss)
    loss.backward()
    # Where it bites there is no gradient, right or wrong.
    assert p.grad[0, 0] == 0 and p.grad[0, 2] == 0 and p.grad[0, 1] < 0


def test_guided_loss_uses_the_time_attention_alone():
    p, f_tp, f_av = (x.requires_grad_() for x in random_instances())
    y = torch.ones(2, 3).double()
    guided_loss(attentive_pooling(p, f_tp, f_av), y, y).backward()
    assert f_av.grad is None or f_av.grad.abs().max() == 0
    assert f_tp.grad.abs().max() > 0


def test_guided_loss_takes_each_modalitys_own_labels():
    pooled = Pooled(torch.tensor([[0.9]]), torch.tensor([[0.2]]), torch.tensor([[0.7]]))
    one, zero = torch.ones(1, 1), torch.zeros(1, 1)
    wanted = -math.log(0.2) - math.log(1 - 0.7)
    assert guided_loss(pooled, one, zero).item() == pytest.approx(wanted)


def test_label_smoothing():
    y = torch.tensor([1.0, 0.0])
    assert smooth_labels(y, 0.1).tolist() == pytest.approx([0.95, 0.05])
    assert smooth_labels(y, 0.2, k=4).tolist() == pytest.approx([0.85, 0.05])
    assert torch.equal(smooth_labels(y, 0.0), y)
    for bad in ((1.0, 2), (-0.1, 2), (0.1, 1)):
        with pytest.raises(EccvkitError, match="epsilon"):
            smooth_labels(y, *bad)


def test_bootstrap_follows_the_decision_without_a_gradient():
    y = torch.tensor([1.0, 1.0, 0.0, 0.0])
    p = torch.tensor([0.2, 0.5, 0.4, 1.4], requires_grad=True)
    updated = bootstrap_labels(y, p, 0.8)
    assert updated.tolist() == pytest.approx([0.8, 1.0, 0.0, 0.2])
    assert not updated.requires_grad


def test_bootstrap_is_more_than_a_weight_on_the_loss():
    # A target beta y + (1 - beta) p with p as a constant would scale every gradient by beta.
    y = torch.tensor([1.0, 1.0, 0.0, 0.0])
    p = torch.tensor([0.2, 0.9, 0.1, 0.7], requires_grad=True)
    plain, bootstrapped = (
        torch.autograd.grad(bag_loss(p, labels), p)[0]
        for labels in (y, bootstrap_labels(y, p, 0.8))
    )
    # (p - target) / (p - y): 0.6 / 0.8 where a true class is not found, 0.5 / 0.7 for a false one.
    assert (bootstrapped / plain).tolist() == pytest.approx([0.75, 1.0, 1.0, 5 / 7])


# --- network ----------------------------------------------------------------------------------


def test_parameters_at_full_size():
    net = AVVPNet(PAPER)
    inputs = count_parameters(net.audio_input) + count_parameters(net.visual_input)
    heads = sum(count_parameters(m) for m in (net.classify, net.attend_time, net.attend_modality))
    assert inputs == 1_902_592
    assert count_parameters(net.temporal.layers[0].self_attention) == 1_050_624
    assert count_parameters(net.temporal) == 2_628_608
    assert heads == 38_475
    assert count_parameters(net) == 4_569_675
    assert count_parameters(AVVPNet(replace(PAPER, shared=False))) == 7_198_283


def test_one_classifier_for_both_modalities():
    net = AVVPNet(Config()).eval()
    net.visual_input.load_state_dict(net.audio_input.state_dict())
    x = torch.randn(2, 10, 24)
    out = net(x, x)
    for tensor in out:
        assert torch.equal(tensor[:, :, 0], tensor[:, :, 1])
    assert out.p.min() > 0 and out.p.max() < 1


def test_averaging_frames_before_the_projection_is_the_same():
    torch.manual_seed(0)
    project = Projection((6, 4), 5)
    frames, clip = torch.randn(1, 3, 8, 6), torch.randn(1, 3, 4)
    late = torch.cat([project.parts[0](frames).mean(dim=2), project.parts[1](clip)], dim=-1)
    early = project(torch.cat([frames.mean(dim=2), clip], dim=-1))
    assert torch.allclose(project.fuse(late), early, atol=1e-5)


def test_features_of_another_length():
    with pytest.raises(EccvkitError, match="visual_dims"):
        AVVPNet(Config())(torch.zeros(1, 10, 24), torch.zeros(1, 10, 23))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 0}, "width"),
        ({"temporal": "LSTM"}, "unknown temporal"),
        ({"pooling": "median"}, "unknown pooling"),
        ({"losses": "wsl+"}, "unknown losses"),
        ({"data": "ave"}, "unknown data"),
        ({"epsilon_visual": 1.0}, "epsilon_visual"),
        ({"threshold": 1.0}, "threshold"),
        ({"bootstrap": 0.0}, "bootstrap"),
        ({"lr": 0.0}, "lr"),
        ({"drop_every": -1}, "drop_every"),
    ],
)
def test_impossible_configurations(change, words):
    with pytest.raises(EccvkitError, match=words):
        replace(Config(), **change)


def test_han_can_copy_what_is_heard_into_what_is_seen():
    # The risk of cross-attention: with constant visual features it still reports by audio.
    torch.manual_seed(0)
    net = AVVPNet(Config(temporal="HAN")).eval()
    visual = torch.zeros(1, 10, 24)
    quiet, loud = net(torch.zeros(1, 10, 24), visual), net(torch.randn(1, 10, 24), visual)
    assert not np.allclose(quiet.p[:, :, 1].detach(), loud.p[:, :, 1].detach())
