"""Equations and network of paper 37 against loops, closed forms, and the traps of its brief."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from eccvkit.errors import EccvkitError
from eccvkit.nn.count import count_parameters
from eccvkit.papers import s2dnet
from eccvkit.papers.s2dnet.metric_learning import hardest_negative

STRIDES = (1, 2, 4)
SIZE = (8, 12)


def features(seed=0, strides=STRIDES, size=SIZE, batch=2, dim=5):
    g = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, dim, size[0] // s, size[1] // s, generator=g, dtype=torch.float64)
        for s in strides
    ]


def points(seed=0, n=4, size=SIZE, batch=2):
    g = torch.Generator().manual_seed(seed)
    sides = torch.tensor([size[1], size[0]])
    return (torch.rand(batch, n, 2, generator=g, dtype=torch.float64) * sides).floor()


def bilinear(level, x, y):
    """One value per channel of (d, H, W), clamped at the border, by hand."""
    height, width = level.shape[-2:]
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    x0, y0 = min(int(x), width - 2), min(int(y), height - 2)
    u, v = x - x0, y - y0
    top = (1 - u) * level[:, y0, x0] + u * level[:, y0, x0 + 1]
    bottom = (1 - u) * level[:, y0 + 1, x0] + u * level[:, y0 + 1, x0 + 1]
    return (1 - v) * top + v * bottom


# ---- pixel centres ---------------------------------------------------------------------


def test_descriptors_are_read_at_pixel_centres_of_every_stride():
    level = features()[2][0]  # stride 4
    kp = torch.tensor([[[5.0, 3.0], [0.0, 0.0], [11.0, 7.0]]], dtype=torch.float64)
    got = s2dnet.sample_descriptors(level[None], kp, 4)[0]
    for descriptor, (x, y) in zip(got, kp[0].tolist()):
        expected = bilinear(level, (x + 0.5) / 4 - 0.5, (y + 0.5) / 4 - 0.5)
        assert torch.allclose(descriptor, expected)


def test_at_stride_one_a_descriptor_is_a_pixel_and_x_is_the_column():
    level = features()[0]
    got = s2dnet.sample_descriptors(level, torch.tensor([[[9.0, 2.0]]] * 2).double(), 1)
    assert torch.allclose(got[:, 0], level[:, :, 2, 9])


def test_sampling_equals_reading_the_upsampled_level():
    kp = points()
    for level, stride in zip(features(), STRIDES):
        dense = s2dnet.upsample(level, stride, SIZE)
        x, y = kp.long().unbind(-1)
        read = torch.stack([dense[b, :, y[b], x[b]].T for b in range(2)])
        assert torch.allclose(s2dnet.sample_descriptors(level, kp, stride), read)


def test_integer_division_would_shift_by_up_to_half_a_stride():
    # A level of stride 4 that holds the x of its cells' centres must read x, not x - 1.5.
    centres = torch.arange(3, dtype=torch.float64) * 4 + 1.5
    level = centres.expand(1, 1, 2, 3)
    x = torch.tensor([2.0, 5.0, 9.0], dtype=torch.float64)
    kp = torch.stack([x, torch.full((3,), 3.0, dtype=torch.float64)], dim=-1)[None]
    assert torch.allclose(s2dnet.sample_descriptors(level, kp, 4)[0, :, 0], x)
    assert torch.allclose(
        s2dnet.upsample(level, 4, (8, 12))[0, 0, 0, 2:10], torch.arange(2.0, 10).double()
    )


@pytest.mark.parametrize("size", [(64, 72), (61, 67), (58, 71)])
def test_levels_stay_aligned_when_the_size_is_no_multiple_of_the_stride(size):
    # Cutting an image to an odd size must not move what its levels say about the rest.
    config = s2dnet.Config(stages=((4, 4), (4,), (4,)), taps=(0, 1, 2), dim=4, hidden=4)
    torch.manual_seed(0)
    net = s2dnet.Hypercolumn(config).eval()
    whole = torch.rand(1, 3, 80, 80)
    part = whole[:, :, : size[0], : size[1]]
    for stride, a, b in zip(config.strides, net(whole), net(part)):
        assert b.shape[-2:] == tuple(4 * -(-side // 4) // stride for side in size)
        far = 36 // stride  # beyond the receptive field of the cut
        assert torch.allclose(a[..., :far, :far], b[..., :far, :far], atol=1e-5)
        dense, cut = s2dnet.upsample(a, stride, (80, 80)), s2dnet.upsample(b, stride, size)
        assert cut.shape[-2:] == size
        assert torch.allclose(dense[..., :32, :32], cut[..., :32, :32], atol=1e-5)


# ---- Eq. 2 -----------------------------------------------------------------------------


def loop_map(features_a, features_b, kp, strides, size):
    """Eq. 2 with loops over pairs, keypoints and levels: a 1x1 convolution, then interpolate."""
    out = torch.zeros(*kp.shape[:2], *size, dtype=kp.dtype)
    for b in range(kp.shape[0]):
        for n, (x, y) in enumerate(kp[b].tolist()):
            for fa, fb, s in zip(features_a, features_b, strides):
                descriptor = bilinear(fa[b], (x + 0.5) / s - 0.5, (y + 0.5) / s - 0.5)
                score = F.conv2d(fb[b : b + 1], descriptor[None, :, None, None])
                out[b, n] += F.interpolate(score, size, mode="bilinear", align_corners=False)[0, 0]
    return out


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 5))
def test_einsum_equals_the_loop(seed, n):
    a, b, kp = features(seed), features(seed + 1), points(seed, n)
    ours = s2dnet.correspondence_map(a, b, kp, STRIDES, SIZE)
    assert torch.allclose(ours, loop_map(a, b, kp, STRIDES, SIZE))


def test_upsampling_and_dot_product_commute():
    a, b, kp = features(1), features(2), points()
    late = s2dnet.correspondence_map(a, b, kp, STRIDES, SIZE)
    early = s2dnet.upsample_then_correlate(a, b, kp, STRIDES, SIZE)
    assert torch.allclose(late, early, atol=1e-12)
    # With normalisation in between they would not: the score is no longer linear.
    unit = F.normalize(s2dnet.upsampled_hypercolumn(b, STRIDES, SIZE), dim=1)
    sampled = torch.cat([s2dnet.sample_descriptors(f, kp, s) for f, s in zip(a, STRIDES)], dim=-1)
    assert not torch.allclose(late, torch.einsum("bnd,bdhw->bnhw", sampled, unit))


def test_one_level_and_its_share_of_the_sum():
    a, b, kp = features(1), features(2), points()
    parts = [s2dnet.correspondence_map(a, b, kp, STRIDES, SIZE, levels=(m,)) for m in range(3)]
    assert torch.allclose(sum(parts), s2dnet.correspondence_map(a, b, kp, STRIDES, SIZE))
    assert torch.allclose(parts[1], s2dnet.level_map(a[1], b[1], kp, 2, SIZE))


def test_dot_products_are_raw():
    a, b, kp = features(1), features(2), points()
    once = s2dnet.correspondence_map(a, b, kp, STRIDES, SIZE)
    twice = s2dnet.correspondence_map([2 * f for f in a], b, kp, STRIDES, SIZE)
    assert torch.allclose(twice, 2 * once)


def test_gradients_reach_both_images():
    a = [f.requires_grad_() for f in features(1, (1, 2), (4, 4), 1, 2)]
    b = [f.requires_grad_() for f in features(2, (1, 2), (4, 4), 1, 2)]
    kp = torch.tensor([[[1.0, 2.0], [3.0, 0.0]]], dtype=torch.float64)

    def loss(*levels):
        maps = s2dnet.correspondence_map(levels[:2], levels[2:], kp, (1, 2), (4, 4))
        return s2dnet.classification_loss(maps, kp)

    assert torch.autograd.gradcheck(loss, (*a, *b))


# ---- Eqs. 1, 3, 4 ----------------------------------------------------------------------


def test_softmax_runs_over_the_whole_map():
    maps = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    p = s2dnet.log_probabilities(maps).exp()
    assert torch.allclose(p.sum(dim=(2, 3)), torch.ones(2, 3, dtype=torch.float64))
    z = sum(math.exp(v) for v in maps[1, 2].flatten().tolist())
    assert p[1, 2, 3, 4].item() == pytest.approx(math.exp(maps[1, 2, 3, 4]) / z)


def test_loss_is_minus_the_log_probability_of_the_true_pixel():
    maps = torch.randn(1, 2, 4, 5, dtype=torch.float64)
    targets = torch.tensor([[[3.4, 0.6], [0.0, 2.0]]])  # pixels (3, 1) and (0, 2)
    log_p = s2dnet.log_probabilities(maps)
    expected = -(log_p[0, 0, 1, 3] + log_p[0, 1, 2, 0]) / 2
    assert s2dnet.classification_loss(maps, targets).item() == pytest.approx(expected.item())
    only = s2dnet.classification_loss(maps, targets, torch.tensor([[False, True]]))
    assert only.item() == pytest.approx(-log_p[0, 1, 2, 0].item())


def test_chance_loss_of_a_crop_of_512():
    maps = torch.zeros(1, 1, 512, 512)
    loss = s2dnet.classification_loss(maps, torch.tensor([[[7.0, 300.0]]])).item()
    assert loss == pytest.approx(math.log(262_144), abs=1e-5) == pytest.approx(12.4766, abs=1e-4)


def test_every_pixel_is_a_negative_not_only_the_sampled_keypoints():
    maps = torch.zeros(1, 1, 6, 6)
    target = torch.tensor([[[2.0, 2.0]]])
    before = s2dnet.classification_loss(maps, target)
    maps[0, 0, 5, 0] = 10  # far from any keypoint
    assert s2dnet.classification_loss(maps, target) > before + 5


def test_near_and_far_misses_cost_the_same():
    target = torch.tensor([[[2.0, 2.0]]])
    near, far = torch.zeros(2, 1, 1, 9, 9)
    near[0, 0, 2, 3] = far[0, 0, 8, 8] = 5
    assert s2dnet.classification_loss(near, target) == s2dnet.classification_loss(far, target)


def test_best_pixel_is_x_y_with_its_probability():
    maps = torch.zeros(1, 1, 4, 5)
    maps[0, 0, 1, 3] = math.log(19)  # 19 against 19 ones
    found = s2dnet.best_pixel(maps)
    assert found.points.tolist() == s2dnet.best_point(maps).tolist() == [[[3.0, 1.0]]]
    assert found.confidence.item() == pytest.approx(0.5)


def test_confidence_threshold_is_strict():
    assert s2dnet.is_confident(torch.tensor([0.1, 0.2, 0.3]), 0.2).tolist() == [False, False, True]


def test_cosines_cannot_pass_the_threshold():
    # Three levels of length 1: the score lies in [-3, 3], so p stays below .09 with 4096 pixels.
    maps = torch.full((1, 1, 64, 64), -3.0)
    maps[0, 0, 5, 5] = 3.0
    assert s2dnet.best_pixel(maps).confidence.item() == pytest.approx(
        math.exp(6) / (math.exp(6) + 4095)
    )
    assert s2dnet.best_pixel(maps).confidence.item() < 0.09


def test_second_peak_must_lie_outside_the_first():
    maps = torch.full((1, 1, 9, 9), -50.0)
    maps[0, 0, 2, 2], maps[0, 0, 2, 4], maps[0, 0, 8, 2] = 3.0, 2.9, 1.0
    assert s2dnet.peak_ratio(maps, radius=4).item() == pytest.approx(math.exp(1 - 3))
    assert s2dnet.peak_ratio(maps, radius=1).item() == pytest.approx(math.exp(2.9 - 3))
    assert s2dnet.peak_ratio(maps, radius=9).item() == 0


def test_cyclic_check_wants_the_same_pixel_or_a_tolerance():
    kp = torch.tensor([[[3.0, 4.0], [3.4, 4.0], [3.0, 4.0]]])
    back = torch.tensor([[[3.0, 4.0], [3.0, 4.0], [4.0, 3.0]]])
    assert s2dnet.returns_home(kp, back).tolist() == [[True, True, False]]
    assert s2dnet.returns_home(kp, back, 1.0).all()


# ---- sparse-to-sparse ------------------------------------------------------------------


def test_mutual_neighbours_by_hand():
    scores = torch.tensor([[[5.0, 1.0, 9.0], [4.0, 2.0, 0.0], [3.0, 8.0, 0.0]]])
    yes_a, yes_b = torch.ones(1, 3, dtype=torch.bool), torch.tensor([[True, True, False]])
    index, mutual = s2dnet.mutual_neighbours(scores, yes_a, yes_b)
    assert index.tolist() == [[0, 0, 1]]  # the best of the first row is padding
    assert mutual.tolist() == [[True, False, True]]
    no_first = torch.tensor([[False, True, True]])
    assert s2dnet.mutual_neighbours(scores, no_first, yes_b)[1].tolist() == [[False, True, True]]


def test_without_detections_nothing_is_mutual():
    none = torch.zeros(1, 3, dtype=torch.bool)
    assert not s2dnet.mutual_neighbours(torch.rand(1, 3, 3), none | True, none)[1].any()


def test_scores_are_read_at_x_y():
    maps = torch.arange(2 * 3 * 4.0).reshape(1, 2, 3, 4)
    got = s2dnet.read_scores(maps, torch.tensor([[[3.0, 1.0], [0.4, 1.6]]]))
    assert got.tolist() == [[[7.0, 8.0], [19.0, 20.0]]]


# ---- the baseline ----------------------------------------------------------------------


TWO = (1, 2)


def two_levels(seed, size=(6, 8)):
    return features(seed, TWO, size, 1, 3)


def test_triplet_equals_the_loop():
    a, b = two_levels(1), two_levels(2)
    kp, target = points(3, 4, (6, 8), 1), points(4, 4, (6, 8), 1)
    sizes = ((6, 8), (6, 8))
    ours = s2dnet.triplet_loss(a, b, kp, target, TWO, sizes, margin=0.7, radius=2.0)
    unit_a, unit_b = (
        F.normalize(s2dnet.upsampled_hypercolumn(f, TWO, (6, 8))[0], dim=0) for f in (a, b)
    )
    total = 0.0
    for (xa, ya), (xb, yb) in zip(kp[0].long().tolist(), target[0].long().tolist()):
        da, db = unit_a[:, ya, xa], unit_b[:, yb, xb]
        hard = math.inf
        for y in range(6):
            for x in range(8):
                if math.hypot(x - xb, y - yb) > 2:
                    hard = min(hard, float(((da - unit_b[:, y, x]) ** 2).sum()))
                if math.hypot(x - xa, y - ya) > 2:
                    hard = min(hard, float(((db - unit_a[:, y, x]) ** 2).sum()))
        total += max(0.0, 0.7 + float(((da - db) ** 2).sum()) - hard)
    assert ours.item() == pytest.approx(total / 4)


def test_triplet_without_gradient_of_the_search_has_the_gradient_of_the_dense_loss():
    # The hardest pixel is a maximum: only its own descriptor carries a gradient.
    a, b = two_levels(1), two_levels(2)
    kp, target = points(3, 5, (6, 8), 1), points(4, 5, (6, 8), 1)
    levels = [f.requires_grad_() for f in (*a, *b)]
    ours = s2dnet.triplet_loss(a, b, kp, target, TWO, ((6, 8), (6, 8)), radius=2.0)
    dense_a, dense_b = (
        s2dnet.unit_hypercolumn(s2dnet.upsampled_hypercolumn(f, TWO, (6, 8))) for f in (a, b)
    )

    def hardest(first, second, here, there):
        y, x = torch.meshgrid(torch.arange(6), torch.arange(8), indexing="ij")
        gap = torch.stack([x, y], dim=-1) - there[:, :, None, None]
        maps = s2dnet.cosine_map(first, second, here)
        return maps.masked_fill(gap.square().sum(dim=-1) <= 4, -9.0).flatten(2).amax(dim=-1)

    positive = s2dnet.read_scores(s2dnet.cosine_map(dense_a, dense_b, kp), target)
    positive = positive.diagonal(dim1=1, dim2=2)
    negative = torch.maximum(
        hardest(dense_a, dense_b, kp, target), hardest(dense_b, dense_a, target, kp)
    )
    dense = F.relu(1 + 2 * (negative - positive)).mean()
    assert ours.item() == pytest.approx(dense.item())
    for own, other in zip(
        torch.autograd.grad(ours, levels), torch.autograd.grad(dense, levels), strict=True
    ):
        assert torch.allclose(own, other)


def test_triplet_reads_the_pixel_that_holds_a_target():
    a, b = two_levels(1), two_levels(2)
    kp = points(0, 2, (6, 8), 1)
    whole = torch.tensor([[[3.0, 2.0], [5.0, 4.0]]], dtype=torch.float64)
    near = whole + torch.tensor([[[0.4, -0.3], [-0.5, 0.2]]])
    sizes = ((6, 8), (6, 8))
    losses = [s2dnet.triplet_loss(a, b, kp, t, TWO, sizes, radius=0.5) for t in (whole, near)]
    assert losses[0] == losses[1]


def test_triplet_counts_valid_correspondences_only():
    a, b = two_levels(1), two_levels(2)
    kp = points(0, 2, (6, 8), 1)
    options = (TWO, ((6, 8), (6, 8)))
    both = s2dnet.triplet_loss(a, b, kp, kp, *options, radius=1.0)
    one = s2dnet.triplet_loss(a, b, kp, kp, *options, torch.tensor([[True, False]]), radius=1.0)
    alone = s2dnet.triplet_loss(a, b, kp[:, :1], kp[:, :1], *options, radius=1.0)
    assert one.item() == pytest.approx(alone.item()) != pytest.approx(both.item())


def test_triplet_ignores_the_length_of_descriptors():
    a, b = two_levels(1), two_levels(2)
    kp = points(0, 3, (6, 8), 1)
    loss, other = (
        s2dnet.triplet_loss([s * f for f in a], b, kp, kp, TWO, ((6, 8), (6, 8))) for s in (1, 7)
    )
    assert torch.allclose(loss, other)


def test_hardest_negative_is_the_best_pixel_outside_the_radius():
    maps = torch.zeros(1, 1, 6, 8)
    maps[0, 0, 2, 3], maps[0, 0, 2, 5], maps[0, 0, 5, 1] = 0.9, 0.8, 0.7
    target = torch.tensor([[[3.0, 2.0]]])
    found = [hardest_negative(maps, target, r).tolist() for r in (1.0, 2.0)]
    assert found == [[[[5, 2]]], [[[1, 5]]]]


def test_cosine_map_of_equal_images_is_one_at_the_keypoint():
    dense = s2dnet.unit_hypercolumn(torch.randn(1, 4, 6, 7))
    maps = s2dnet.cosine_map(dense, dense, torch.tensor([[[5.0, 2.0]]]))
    assert maps[0, 0, 2, 5].item() == pytest.approx(1.0, abs=1e-6) == maps.max().item()


# ---- full size -------------------------------------------------------------------------


def test_full_size_parameter_counts():
    net = s2dnet.Hypercolumn(s2dnet.PAPER)
    assert count_parameters(net.stages) == 14_714_688
    assert [count_parameters(a) for a in net.adaptations] == [209_344, 221_632, 238_016]
    assert count_parameters(net) == 15_383_680
    assert sum(isinstance(m, torch.nn.Conv2d) for m in net.stages.modules()) == 13


def test_full_size_maps_of_a_small_crop():
    net = s2dnet.Hypercolumn(s2dnet.PAPER).eval()
    with torch.no_grad():
        shapes = [tuple(level.shape) for level in net(torch.rand(1, 3, 32, 32))]
    # 512 -> 512, 128, 32; here a sixteenth of it.
    assert shapes == [(1, 128, 32, 32), (1, 128, 8, 8), (1, 128, 2, 2)]
    assert s2dnet.PAPER.strides == (1, 4, 16)


def test_learning_rate_of_the_last_epoch():
    # exp(-0.1) after each of 30 epochs: in the 30th, 29 factors have been applied.
    last = s2dnet.PAPER.lr * s2dnet.lr_factor(29 / 30, s2dnet.PAPER.decay)
    assert last == pytest.approx(1e-3 * math.exp(-0.1) ** 29) == pytest.approx(5.50e-5, abs=1e-7)


def test_multiply_accumulates_and_memory_of_table_4():
    size, strides = s2dnet.PAPER_SIZE, s2dnet.PAPER.strides
    late, early = (
        s2dnet.correlation_macs(order, size, 1000, 128, strides)
        for order in (s2dnet.LATE, s2dnet.EARLY)
    )
    assert (late, early) == (262_080_000_000, 737_280_000_000)
    gib = [4 * s2dnet.feature_values(o, size, 128, strides) / 2**30 for o in s2dnet.ORDERS]
    assert gib == [pytest.approx(0.976, abs=1e-3), pytest.approx(2.747, abs=1e-3)]
    assert 4 * s2dnet.feature_values(s2dnet.EARLY, size, 2048, (1,)) / 2**30 == pytest.approx(
        14.65, abs=0.01
    )


def test_table_4_adds_up():
    for row in s2dnet.PAPER_TABLE4.values():
        for images in (1, 5, 15):
            total = row["forward"] + images * 1000 * row["keypoint"]
            assert total == pytest.approx(row[f"N={images}"], abs=1e-3)


# ---- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize("point", [(12.0, 3.0), (-0.6, 0.0), (3.0, 8.0), (float("nan"), 1.0)])
def test_keypoints_outside_the_image_are_refused(point):
    kp = torch.tensor([[[1.0, 1.0], point]])
    with pytest.raises(EccvkitError, match="lies outside of image A of 8 x 12"):
        s2dnet.check_keypoints(kp, SIZE)


def test_keypoints_of_the_wrong_shape_are_refused():
    with pytest.raises(EccvkitError, match=r"\(B, N, 2\)"):
        s2dnet.check_keypoints(torch.zeros(4, 2), SIZE)


def test_images_smaller_than_the_coarsest_stride_are_refused():
    net = s2dnet.Hypercolumn(s2dnet.Config())
    with pytest.raises(EccvkitError, match="20 x 7 pixels are smaller than the coarsest stride 8"):
        net(torch.rand(1, 3, 20, 7))
    with pytest.raises(EccvkitError, match="colour images"):
        net(torch.rand(1, 1, 20, 20))


def test_a_size_that_does_not_belong_to_the_features_is_refused():
    a, b = features(1), features(2)
    with pytest.raises(EccvkitError, match="stride 1 cover 8 x 12 pixels, fewer than"):
        s2dnet.correspondence_map(a, b, points(), STRIDES, (9, 12))
