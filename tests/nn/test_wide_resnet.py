import pytest
import torch
from torch import nn

from eccvkit.errors import EccvkitError
from eccvkit.nn import WideResNet, count_parameters
from eccvkit.nn.wide_resnet import WideBlock


@pytest.mark.parametrize(
    ("depth", "width", "num_classes", "expected"),
    [(40, 4, 10, 8_949_210), (28, 10, 10, 36_479_194), (28, 10, 100, 36_536_884)],
)
def test_published_parameter_counts(depth, width, num_classes, expected):
    with torch.device("meta"):
        net = WideResNet(depth, width, num_classes)
    assert count_parameters(net) == expected


def test_depth_counts_every_convolution_and_the_head():
    # 6n + 4: stem, 6n in the blocks, three shortcuts; the linear head is not counted.
    net = WideResNet(16, 2)
    assert sum(isinstance(m, nn.Conv2d) for m in net.modules()) == 16


def test_without_head_forward_gives_the_features():
    torch.manual_seed(0)
    net = WideResNet(10, 1, num_classes=None, in_channels=1).eval()
    x = torch.randn(2, 1, 16, 16)
    assert net.out_features == 64
    assert net(x).shape == (2, 64)
    torch.testing.assert_close(net(x), net.features(x))
    assert net(x).min() >= 0


def test_logits_are_the_head_of_the_features():
    torch.manual_seed(0)
    net = WideResNet(10, 2, num_classes=7).eval()
    x = torch.randn(3, 3, 32, 32)
    assert net.features(x).shape == (3, 128)
    torch.testing.assert_close(net(x), net.features(x) @ net.head.weight.T + net.head.bias)


def test_resolution_is_quartered_before_pooling():
    net = WideResNet(10, 1).eval()
    assert net.stages(net.stem(torch.zeros(1, 3, 32, 32))).shape == (1, 64, 8, 8)


def test_identity_block_adds_its_residual_to_the_raw_input():
    block = WideBlock(4, 4).eval()
    nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 5, 5)
    assert block.shortcut is None
    torch.testing.assert_close(block(x), x)


def test_projection_shortcut_sees_the_activated_input():
    block = WideBlock(4, 8, stride=2).eval()
    nn.init.zeros_(block.conv2.weight)
    # Fresh BN statistics are the identity, so a negative input is silenced by the ReLU.
    assert block(-torch.rand(2, 4, 6, 6)).abs().max() == 0
    assert block(torch.rand(2, 4, 6, 6)).shape == (2, 8, 3, 3)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    net = WideResNet(10, 1, dropout=0.5)
    x = torch.randn(4, 3, 8, 8)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


def test_every_parameter_gets_a_gradient():
    net = WideResNet(10, 1)
    net(torch.randn(4, 3, 16, 16)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("depth", [4, 39, 41, 0, -2])
def test_depth_that_is_not_6n_plus_4(depth):
    with pytest.raises(EccvkitError, match=rf"depth {depth} .*6n \+ 4") as error:
        WideResNet(depth)
    assert "\n" not in str(error.value)
