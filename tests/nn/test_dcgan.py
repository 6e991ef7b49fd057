import pytest
import torch
from torch import nn

from eccvkit.errors import DataError, EccvkitError
from eccvkit.nn import count_parameters
from eccvkit.nn.dcgan import DCGANCritic, DCGANGenerator


def convs(module):
    return [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


def test_full_size_counts_of_topogan():
    generator, critic = DCGANGenerator(), DCGANCritic()
    assert count_parameters(generator) == 3_804_032
    assert count_parameters(critic) == 2_761_728
    assert [c.out_channels for c in convs(generator)] == [512, 256, 128, 64, 1]
    assert [c.out_channels for c in convs(critic)] == [64, 128, 256, 512, 1]


@pytest.mark.parametrize("size", [6, 8, 12, 16, 24, 32, 48, 64, 96, 128])
def test_shapes(size):
    x = DCGANGenerator(5, width=2, size=size, out_channels=3)(torch.randn(2, 5))
    assert x.shape == (2, 3, size, size)
    critic = DCGANCritic(width=2, size=size, in_channels=3)
    assert critic(x).shape == (2,)
    # The last convolution covers the map: 4x4, or 3x3 for multiples of three.
    assert convs(critic)[-1].kernel_size == ((3, 3) if size % 3 == 0 else (4, 4))


def test_layers_in_order():
    block = [nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU]
    generator = DCGANGenerator(4, width=2, size=16)
    assert [type(m) for m in generator.layers] == [*block, *block, nn.ConvTranspose2d, nn.Tanh]
    critic = DCGANCritic(width=2, size=16)
    half = [nn.Conv2d, nn.LeakyReLU]
    assert [type(m) for m in critic.layers] == [*half, *half, nn.Conv2d]
    assert critic.layers[1].negative_slope == 0.2
    assert all(c.bias is None for c in convs(generator) + convs(critic))


def test_weights_start_small_and_normal():
    torch.manual_seed(0)
    for layer in convs(DCGANGenerator(64, width=16)) + convs(DCGANCritic(width=16)):
        if layer.weight.numel() > 5000:
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert abs(layer.weight.mean().item()) < 2e-3


def test_images_stay_between_minus_one_and_one():
    torch.manual_seed(0)
    x = DCGANGenerator(8, width=4, size=16)(100 * torch.randn(8, 8))
    assert x.abs().max() <= 1
    assert x.min() < 0 < x.max()


def test_critic_scores_samples_one_by_one():
    torch.manual_seed(0)
    critic = DCGANCritic(width=4, size=16).train()
    x = torch.randn(6, 1, 16, 16)
    torch.testing.assert_close(critic(x)[2:3], critic(x[2:3]))


def test_critic_without_hidden_layers_is_a_dot_product():
    # One halving, then a convolution over the 3x3 map.
    critic = DCGANCritic(width=1, size=6)
    with torch.no_grad():
        critic.layers[0].weight.fill_(1)
        critic.layers[2].weight.copy_(torch.arange(9.0).reshape(1, 1, 3, 3))
    x = torch.ones(1, 1, 6, 6)
    # 4x4 windows with a border of zeros see 3x3, 3x4 or 4x4 ones.
    seen = torch.tensor([[9.0, 12, 9], [12, 16, 12], [9, 12, 9]])
    assert critic(x).item() == (seen.flatten() * torch.arange(9.0)).sum().item()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 20, 28, 40, 63, -8])
def test_other_sizes_are_explained(size):
    for make in (DCGANGenerator, DCGANCritic):
        with pytest.raises(EccvkitError, match=rf"{size}x{size} pixels: use 4 or 3 times"):
            make(width=2, size=size)


def test_bad_input_is_explained():
    with pytest.raises(DataError, match=r"expected \(batch, 4\)"):
        DCGANGenerator(4, width=2, size=16)(torch.zeros(2, 4, 1, 1))
    with pytest.raises(DataError, match=r"expected \(batch, 1, 16, 16\)"):
        DCGANCritic(width=2, size=16)(torch.zeros(2, 1, 32, 32))
