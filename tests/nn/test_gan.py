import math

import pytest
import torch
from torch import nn

from eccvkit.errors import DataError, EccvkitError
from eccvkit.nn import mlp
from eccvkit.nn.dcgan import DCGANCritic, DCGANGenerator
from eccvkit.nn.gan import (
    ema,
    gradient_penalty,
    hinge_critic_loss,
    hinge_generator_loss,
    wgan_critic_loss,
    wgan_generator_loss,
    with_spectral_norm,
)

REAL, FAKE = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.5, 0.0])


def test_losses_by_hand():
    assert wgan_critic_loss(REAL, FAKE).item() == pytest.approx(-0.5 - 0.5)
    assert wgan_generator_loss(FAKE).item() == pytest.approx(0.5)
    assert hinge_critic_loss(REAL, FAKE).item() == pytest.approx((0 + 0.5 + 2 + 0 + 1.5 + 1) / 3)
    assert hinge_generator_loss(FAKE).item() == pytest.approx(0.5)


def test_losses_pull_scores_the_right_way():
    for critic_loss in (wgan_critic_loss, hinge_critic_loss):
        real, fake = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
        critic_loss(real, fake).backward()
        assert (real.grad < 0).all() and (fake.grad > 0).all()
    for generator_loss in (wgan_generator_loss, hinge_generator_loss):
        fake = torch.zeros(3, requires_grad=True)
        generator_loss(fake).backward()
        assert (fake.grad < 0).all()


def test_hinge_has_no_gradient_beyond_the_margin():
    real = torch.tensor([1.5, 0.0], requires_grad=True)
    fake = torch.tensor([-1.5, 0.0], requires_grad=True)
    hinge_critic_loss(real, fake).backward()
    assert real.grad.tolist() == [0.0, -0.5]
    assert fake.grad.tolist() == [0.0, 0.5]


@pytest.mark.parametrize("target", [1.0, 0.0])
def test_penalty_of_a_linear_critic(target):
    # The gradient of w.x is w everywhere, so the penalty is (|w| - target)^2.
    critic = nn.Linear(4, 1)
    real, fake = torch.randn(2, 8, 4)
    penalty = gradient_penalty(critic, real, fake, target=target)
    norm = critic.weight.norm()
    torch.testing.assert_close(penalty, (norm - target) ** 2)
    penalty.backward()
    expected = 2 * (norm - target) * critic.weight / norm
    torch.testing.assert_close(critic.weight.grad, expected.detach())


def test_penalty_of_a_quadratic_critic_sees_the_points_between():
    # The gradient of |x|^2 / 2 is x: from 0 to e the norm is the place itself, uniform in [0, 1],
    # and the mean of (t - 1)^2 is 1/3. At the ends it would be 1 and 0, for one place per batch
    # anything.
    def critic(x):
        return x.square().sum(dim=1) / 2

    n = 200_000
    real, fake = torch.zeros(n, 1), torch.ones(n, 1)
    penalty = gradient_penalty(critic, real, fake, torch.Generator().manual_seed(0))
    assert penalty.item() == pytest.approx(1 / 3, abs=5 * math.sqrt(4 / 45 / n))


def test_penalty_of_images_and_patch_scores():
    torch.manual_seed(0)
    patch = nn.Conv2d(1, 1, 2, 2, bias=False)
    real, fake = torch.randn(2, 3, 1, 6, 6)
    # Nine patches without overlap: the gradient repeats the kernel nine times.
    expected = (3 * patch.weight.norm() - 1) ** 2
    torch.testing.assert_close(gradient_penalty(patch, real, fake), expected)


def test_penalty_is_drawn_from_its_generator():
    torch.manual_seed(0)
    critic = mlp((3, 8, 1), nn.Tanh)
    real, fake = torch.randn(2, 5, 3)
    draws = [
        gradient_penalty(critic, real, fake, torch.Generator().manual_seed(s)) for s in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_penalty_trains_the_critic_only():
    critic = DCGANCritic(width=2, size=8)
    generator = DCGANGenerator(4, width=2, size=8)
    fake = generator(torch.randn(3, 4))
    gradient_penalty(critic, torch.randn(3, 1, 8, 8), fake).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in critic.parameters())
    assert all(p.grad is None for p in generator.parameters())


def test_penalty_of_a_flat_critic_is_one_with_a_finite_gradient():
    critic = nn.Linear(2, 1)
    nn.init.zeros_(critic.weight)
    penalty = gradient_penalty(critic, *torch.randn(2, 3, 2))
    penalty.backward()
    assert penalty.item() == 1
    assert torch.isfinite(critic.weight.grad).all()


def test_penalty_of_unequal_shapes_is_explained():
    with pytest.raises(DataError, match="give both the same shape"):
        gradient_penalty(nn.Linear(2, 1), torch.zeros(3, 2), torch.zeros(4, 2))


def largest_singular_value(layer):
    rows = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    return torch.linalg.matrix_norm(layer.weight.transpose(0, rows).flatten(1), ord=2).item()


def test_spectral_norm_of_every_layer():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.Sequential(nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Flatten(), nn.Linear(48, 1)),
    )
    scale = net[1].weight.clone()
    assert with_spectral_norm(net) is net
    for _ in range(100):
        net(torch.zeros(1, 2, 2, 2))
    for layer in (net[0], net[2][0], net[2][2]):
        assert largest_singular_value(layer) == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(net[1].weight, scale)


def test_spectral_norm_of_the_critic_and_twice():
    torch.manual_seed(0)
    critic = with_spectral_norm(with_spectral_norm(DCGANCritic(width=4, size=16)))
    for _ in range(100):
        critic(torch.zeros(1, 1, 16, 16))
    for layer in critic.layers[::2]:
        assert largest_singular_value(layer) == pytest.approx(1, abs=1e-2)
        assert len(layer.parametrizations.weight) == 1


def test_spectral_norm_needs_a_layer():
    with pytest.raises(EccvkitError, match="ReLU has no linear or convolutional layer"):
        with_spectral_norm(nn.ReLU())


def test_ema_by_hand():
    model = nn.Linear(1, 1)
    average = ema(model, decay=0.9)
    expected = None
    for value in (1.0, 3.0, -2.0):
        nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        expected = value if expected is None else 0.9 * expected + 0.1 * value
        assert average.module.weight.item() == pytest.approx(expected)


def test_ema_averages_running_statistics_too():
    model = nn.BatchNorm1d(1)
    average = ema(model, decay=0.5)
    for value in (2.0, 6.0):
        model.running_mean.fill_(value)
        model.running_var.fill_(10 * value)
        average.update_parameters(model)
    assert average.module.running_mean.item() == pytest.approx(4)
    assert average.module.running_var.item() == pytest.approx(40)


def test_ema_is_a_copy_in_evaluation_mode():
    torch.manual_seed(0)
    model = DCGANGenerator(4, width=2, size=8).train()
    average = ema(model)
    z = torch.randn(5, 4)
    before = average(z)
    assert not before.requires_grad and model.training and not average.training
    model(z)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1)
    torch.testing.assert_close(average(z), before)
    average.update_parameters(model)
    torch.testing.assert_close(average(z), model.eval()(z).detach())


def test_ema_of_spectral_norm_is_normalised():
    torch.manual_seed(0)
    model = with_spectral_norm(DCGANCritic(width=4, size=16))
    average = ema(model, decay=0.9)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(60):
        optimizer.zero_grad()
        model(torch.randn(8, 1, 16, 16)).mean().backward()
        optimizer.step()
        average.update_parameters(model)
    for layer in average.module.layers[::2]:
        # Averaged singular vectors alone would give up to 1.5 here.
        assert largest_singular_value(layer) == pytest.approx(1, abs=0.05)
    assert not average.training and not any(m.training for m in average.modules())


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5, float("nan")])
def test_ema_decay_is_checked(decay):
    with pytest.raises(EccvkitError, match=r"is not in \[0, 1\)"):
        ema(nn.Linear(1, 1), decay)
