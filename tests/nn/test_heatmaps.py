"""Gaussian targets, decoding, soft-argmax, the head."""

import pytest
import torch
from torch import nn

from eccvkit.errors import EccvkitError
from eccvkit.nn.heatmaps import HeatmapHead, decode_heatmaps, gaussian_targets, soft_argmax


def test_gaussian_against_a_loop():
    points = torch.tensor([[[2.3, 1.6], [0.0, 4.0]]], dtype=torch.float64)
    maps = gaussian_targets(points, (5, 7), 1.3)
    assert maps.shape == (1, 2, 5, 7)
    for j in range(2):
        for y in range(5):
            for x in range(7):
                square = (x - points[0, j, 0]) ** 2 + (y - points[0, j, 1]) ** 2
                assert maps[0, j, y, x].item() == pytest.approx(
                    torch.exp(-square / (2 * 1.3**2)).item()
                )


def test_missing_points_leave_empty_maps():
    points = torch.tensor([[1.0, 1.0], [float("nan"), 0.0], [1.0, 1.0], [90.0, 0.0]])
    maps = gaussian_targets(points, (4, 4), 1.0, torch.tensor([True, True, False, True]))
    assert maps[0].max() == 1 and maps[1:].abs().max() < 1e-30
    assert torch.isfinite(maps).all()
    with pytest.raises(EccvkitError, match="sigma is 0"):
        gaussian_targets(points, (4, 4), 0.0)


@pytest.mark.parametrize("sigma", [0.8, 1.0, 2.0])
def test_decoding_undoes_a_gaussian_to_a_fraction_of_a_pixel(sigma):
    g = torch.Generator().manual_seed(0)
    points = 2 + torch.rand(50, 2, generator=g, dtype=torch.float64) * 8
    found, peaks = decode_heatmaps(0.7 * gaussian_targets(points, (13, 13), sigma))
    assert (found - points).abs().max() < 1e-6
    assert (peaks <= 0.7).all() and (peaks > 0.4).all()


def test_decoding_at_the_border_and_on_flat_maps_is_the_pixel():
    corner = torch.zeros(4, 6)
    corner[3, 5] = 2
    found, peak = decode_heatmaps(corner)
    assert found.tolist() == [5, 3] and peak == 2
    flat = torch.ones(4, 6)
    assert decode_heatmaps(flat)[0].tolist() == [0, 0]
    negative = -torch.ones(3, 3)
    negative[1, 1] = -0.5
    found, peak = decode_heatmaps(negative)
    assert found.tolist() == [1, 1] and peak == -0.5


def test_decoding_takes_the_higher_of_two_peaks():
    both = gaussian_targets(torch.tensor([[2.0, 3.0], [9.0, 8.0]]), (12, 12), 1.0)
    found, _ = decode_heatmaps(both[0] + 0.5 * both[1])
    assert torch.allclose(found, torch.tensor([2.0, 3.0]), atol=0.01)


def test_soft_argmax_by_hand_and_its_gradient():
    maps = torch.log(torch.tensor([[1.0, 1.0, 2.0], [0.0, 0.0, 0.0]]) + 1e-30)
    assert torch.allclose(soft_argmax(maps), torch.tensor([1.25, 0.0]))
    cold = soft_argmax(gaussian_targets(torch.tensor([3.0, 2.0]), (6, 6), 1.0), 1e-3)
    assert torch.allclose(cold, torch.tensor([3.0, 2.0]), atol=1e-4)
    some = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(soft_argmax, (some,))
    with pytest.raises(EccvkitError, match="temperature"):
        soft_argmax(maps, 0.0)


def test_head_doubles_and_ends_in_one_map_per_joint():
    head = HeatmapHead(8, (6, 4), 23)
    assert head(torch.zeros(2, 8, 4, 3)).shape == (2, 23, 16, 12)
    assert isinstance(head.last[-1], nn.Conv2d) and head.last[-1].bias is not None
    assert HeatmapHead(8, (), 5)(torch.zeros(1, 8, 4, 3)).shape == (1, 5, 4, 3)


def test_head_adds_skips_of_its_own_size():
    head = HeatmapHead(8, (6, 4), 5, skips=(3, 2)).eval()
    low, skips = torch.randn(2, 8, 4, 3), [torch.randn(2, 3, 8, 6), torch.randn(2, 2, 16, 12)]
    maps = head(low, skips)
    assert maps.shape == (2, 5, 16, 12)
    assert not torch.allclose(maps, head(low, [skips[0], skips[1].flip(0)]))
    with pytest.raises(EccvkitError, match="1 skips for 2 doublings"):
        HeatmapHead(8, (6, 4), 5, skips=(3,))
    with pytest.raises(EccvkitError, match="0 skips; it expects 2"):
        head(low)
