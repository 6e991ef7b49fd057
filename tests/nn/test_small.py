import pytest
import torch
from torch import nn

from eccvkit.errors import EccvkitError
from eccvkit.nn import ConvNet, count_parameters, mlp


def test_mlp_layers_in_order():
    net = mlp([4, 8, 8, 2], activation=nn.Tanh, dropout=0.1)
    kinds = [type(m) for m in net]
    hidden = [nn.Linear, nn.Tanh, nn.Dropout]
    assert kinds == [*hidden, *hidden, nn.Linear]


def test_mlp_by_hand():
    net = mlp([1, 2, 1])
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0], [-1.0]]))
        net[2].weight.copy_(torch.tensor([[2.0, 3.0]]))
        net[0].bias.zero_()
        net[2].bias.fill_(0.5)
    # relu(x), relu(-x) weighted 2 and 3, plus 0.5; no activation at the end.
    torch.testing.assert_close(
        net(torch.tensor([[1.0], [-1.0]])).detach(), torch.tensor([[2.5], [3.5]])
    )


def test_mlp_of_two_sizes_is_linear():
    assert [type(m) for m in mlp([3, 2])] == [nn.Linear]


def test_mlp_works_on_the_last_axis():
    assert mlp([3, 5, 2])(torch.zeros(4, 7, 3)).shape == (4, 7, 2)


@pytest.mark.parametrize("sizes", [[], [3]])
def test_mlp_needs_two_sizes(sizes):
    with pytest.raises(EccvkitError, match="input and the output size"):
        mlp(sizes)


@pytest.mark.parametrize("size", [8, 16, 28, 32])
def test_convnet_shapes(size):
    net = ConvNet().eval()
    assert net(torch.zeros(2, 1, size, size)).shape == (2, net.out_features) == (2, 128)


def test_convnet_projection_and_channels():
    net = ConvNet(in_channels=3, channels=(4, 8), dim=5).eval()
    assert net.out_features == 5
    assert net(torch.zeros(2, 3, 16, 16)).shape == (2, 5)
    # conv 3x3 weights, BN scale and shift, projection with bias
    assert count_parameters(net) == 3 * 4 * 9 + 2 * 4 + 4 * 8 * 9 + 2 * 8 + 8 * 5 + 5


def test_convnet_ignores_whole_pooling_steps():
    # Three poolings of 2: a circular shift by 8 pixels moves whole cells, which the average hides
    # (the image is padded with zeros on all sides so that the border does not matter).
    torch.manual_seed(0)
    net = ConvNet().eval()
    x = torch.zeros(1, 1, 32, 32)
    x[..., 8:16, 8:16] = torch.rand(8, 8)
    torch.testing.assert_close(net(x), net(x.roll((8, 8), dims=(2, 3))))


def test_count_parameters():
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    assert count_parameters(net) == 8 + 4
    net[0].requires_grad_(False)
    assert count_parameters(net) == 4
    assert count_parameters(net, trainable=False) == 12


def test_count_parameters_counts_shared_weights_once():
    layer = nn.Linear(3, 2)
    assert count_parameters(nn.Sequential(layer, layer)) == 8
