import pytest
import torch
from torch import nn

from eccvkit.errors import EccvkitError
from eccvkit.nn.macs import count_macs, layer_costs


@pytest.mark.parametrize(
    ("conv", "macs"),
    [
        (nn.Conv2d(6, 8, 3, padding=1, bias=False), 9 * 9 * 9 * 6 * 8),
        (nn.Conv2d(6, 8, 3, stride=2, padding=1), 5 * 5 * 9 * 6 * 8),
        (nn.Conv2d(6, 8, 3), 7 * 7 * 9 * 6 * 8),
        (nn.Conv2d(6, 8, 1), 9 * 9 * 6 * 8),
        (nn.Conv2d(6, 6, 3, padding=1, groups=6), 9 * 9 * 9 * 6),
        (nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6), 5 * 5 * 9 * 6),
        (nn.Conv2d(6, 12, 5, padding=2, groups=3), 9 * 9 * 25 * 2 * 12),
        (nn.Conv2d(6, 8, 3, padding=2, dilation=2), 9 * 9 * 9 * 6 * 8),
        (nn.ConvTranspose2d(6, 8, 2, stride=2), 9 * 9 * 4 * 6 * 8),
    ],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_convolutions_by_hand(conv, macs, channels_last):
    if channels_last:
        conv = conv.to(memory_format=torch.channels_last)
    assert count_macs(conv, (6, 9, 9)) == macs


def test_linear_counts_with_and_without_bias_and_free_layers_do_not():
    assert count_macs(nn.Linear(7, 3), (7,)) == count_macs(nn.Linear(7, 3, bias=False), (7,)) == 21
    free = nn.Sequential(nn.BatchNorm2d(4), nn.ReLU6(), nn.MaxPool2d(2), nn.Dropout())
    assert count_macs(free, (4, 8, 8)) == 0


def test_products_of_matrices_and_several_inputs():
    class Product(nn.Module):
        def forward(self, a, b):
            return a @ b

    assert count_macs(Product(), (5, 7), (7, 3)) == 5 * 7 * 3


class Twice(nn.Module):
    """A convolution that runs twice, on two sizes, and a head."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(2)
        self.head = nn.Linear(2, 5)

    def forward(self, x):
        return self.head(self.bn(self.conv(self.conv(x))).mean(dim=(2, 3)))


def test_layers_in_order_with_sums():
    net = Twice()
    table = layer_costs(net, (2, 8, 8))
    assert list(table["layer"]) == ["conv", "bn", "head"]
    assert list(table["kind"]) == ["Conv2d", "BatchNorm2d", "Linear"]
    assert list(table["macs"]) == [(16 + 4) * 9 * 4, 0, 10]
    assert list(table["parameters"]) == [36, 4, 15]
    assert table["input"][0] == (2, 4, 4) and table["output"][0] == (2, 2, 2)
    assert table["macs"].sum() == count_macs(net, (2, 8, 8))
    assert layer_costs(nn.Linear(7, 3), (7,))["macs"].tolist() == [21]


def test_module_is_left_as_it_was():
    net = Twice()
    net.bn.eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    layer_costs(net, (2, 8, 8))
    assert net.training and net.head.training and not net.bn.training
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert not net.conv._forward_hooks


def test_meta_device_costs_no_memory():
    with torch.device("meta"):
        net = nn.Conv2d(512, 512, 3, padding=1)
    assert count_macs(net, (512, 1000, 1000)) == 512 * 512 * 9 * 10**6


def test_shape_is_required():
    with pytest.raises(EccvkitError, match="shape of the input"):
        count_macs(nn.Linear(2, 2))
