import pytest
import torch
from torch import nn

from eccvkit.errors import EccvkitError
from eccvkit.nn import NealEncoder


def convolutions(net):
    return [m for m in net.modules() if isinstance(m, nn.Conv2d)]


def test_stated_facts():
    convs = convolutions(NealEncoder())
    assert len(convs) == 10
    assert sum(c.stride == (2, 2) for c in convs) == 4
    assert all(c.bias is None for c in convs)
    assert sum(c.weight.numel() for c in convs) == 1_144_512
    assert convs[-1].out_channels == 128


@pytest.mark.parametrize(("size", "expected"), [(16, 128), (32, 512), (33, 1152), (64, 2048)])
def test_out_features_is_the_length_of_the_output(size, expected):
    net = NealEncoder(in_channels=1, image_size=size).eval()
    assert net.out_features == expected
    assert net(torch.zeros(2, 1, size, size)).shape == (2, expected)


def test_projection():
    net = NealEncoder(dim=100).eval()
    assert net.out_features == 100
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 100)
    assert net.projection.weight.numel() == 51_200


def test_feature_map_is_128_channels_of_2x2():
    assert NealEncoder().eval().convs(torch.zeros(1, 3, 32, 32)).shape == (1, 128, 2, 2)


def test_features_may_be_negative():
    torch.manual_seed(0)
    assert NealEncoder().eval()(torch.randn(2, 3, 32, 32)).min() < 0


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    net = NealEncoder(dropout=0.5)
    x = torch.randn(2, 3, 32, 32)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


def test_bad_sizes_are_explained():
    with pytest.raises(EccvkitError, match="image_size 0"):
        NealEncoder(image_size=0)
    with pytest.raises(EccvkitError, match="image_size=32 but got images of 16x16"):
        NealEncoder()(torch.zeros(2, 3, 16, 16))
