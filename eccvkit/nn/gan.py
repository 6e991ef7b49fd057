"""Losses and devices of adversarial training: Wasserstein, hinge, gradient penalty, averages.

Losses take the critic's scores, of any shape: (B,), or (B, 1, h, w) of a patch critic. All are
minimised.

- Wasserstein with gradient penalty: Gulrajani et al., *Improved Training of Wasserstein GANs*,
  NeurIPS 2017.
- Hinge: Lim & Ye, *Geometric GAN*, 2017; Miyato et al., *Spectral Normalization for Generative
  Adversarial Networks*, ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from eccvkit.errors import DataError, EccvkitError

_WEIGHTED = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def wgan_critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Mean score of fakes minus mean score of real samples; add the gradient penalty to it.

    Its negative estimates the Wasserstein distance, up to the critic's Lipschitz constant.

    Examples
    --------
    >>> wgan_critic_loss(torch.tensor([2.0, 4.0]), torch.tensor([1.0])).item()
    -2.0
    """
    return fake_scores.mean() - real_scores.mean()


def wgan_generator_loss(fake_scores: Tensor) -> Tensor:
    """Minus the mean score of fakes."""
    return -fake_scores.mean()


def hinge_critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Mean of max(0, 1 - real) plus mean of max(0, 1 + fake): no gradient beyond the margin.

    Examples
    --------
    >>> hinge_critic_loss(torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])).item()
    0.75
    """
    return (1 - real_scores).relu().mean() + (1 + fake_scores).relu().mean()


def hinge_generator_loss(fake_scores: Tensor) -> Tensor:
    """Minus the mean score of fakes: for the generator hinge and Wasserstein agree."""
    return wgan_generator_loss(fake_scores)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    generator: torch.Generator | None = None,
    target: float = 1.0,
) -> Tensor:
    r"""Mean of :math:`(\|\nabla_{\hat x} D(\hat x)\|_2 - 1)^2` between real and fake samples.

    :math:`\hat x` lies on the line between a real and a fake sample, at a place drawn uniformly for
    every pair (Gulrajani et al., Eq. 3). The gradient is taken of each sample's score with respect
    to that sample, so the critic must not mix samples: no batch normalisation.

    Parameters
    ----------
    critic : callable
        Samples (B, ...) to scores; several scores per sample are summed.
    real, fake : Tensor
        Samples of equal shape (B, ...). No gradient flows back into them.
    generator : torch.Generator, optional
        Draws the places; it may live on another device than the samples.
    target : float
        The norm that is not punished; 0 gives the zero-centred penalty.

    Returns
    -------
    Tensor
        Scalar to be weighted (10 in the source) and added to the critic's loss.

    Raises
    ------
    DataError
        ``real`` and ``fake`` have different shapes.

    Examples
    --------
    >>> slope_three = lambda x: 3 * x.flatten(1)[:, 0]
    >>> gradient_penalty(slope_three, torch.zeros(4, 2), torch.ones(4, 2)).item()
    4.0
    """
    if real.shape != fake.shape:
        raise DataError(
            f"gradient_penalty: real {tuple(real.shape)} and fake {tuple(fake.shape)} samples are "
            "mixed one to one; give both the same shape"
        )
    drawn_on = real.device if generator is None else generator.device
    place = torch.rand(len(real), generator=generator, device=drawn_on, dtype=real.dtype)
    place = place.to(real.device).view(-1, *[1] * (real.ndim - 1))
    between = torch.lerp(real.detach(), fake.detach(), place).requires_grad_()
    (slopes,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norms = torch.linalg.vector_norm(slopes.flatten(1), dim=1)
    return (norms - target).square().mean()


def with_spectral_norm(module: nn.Module) -> nn.Module:
    """Divide the weight of every linear and convolutional layer by its largest singular value.

    The module is changed in place and returned. PyTorch's ``spectral_norm`` does the work: one
    power iteration at every forward pass in training mode, on the weight seen as a matrix with one
    row per output channel (Miyato et al.'s definition; the norm of the convolution itself can be
    larger). Layers that carry it already are left alone.

    Raises
    ------
    EccvkitError
        The module has no linear or convolutional layer.

    Examples
    --------
    >>> layer = with_spectral_norm(nn.Linear(5, 3))
    >>> for _ in range(50):
    ...     _ = layer(torch.zeros(1, 5))
    >>> round(torch.linalg.matrix_norm(layer.weight, ord=2).item(), 3)
    1.0
    """
    layers = [m for m in module.modules() if isinstance(m, _WEIGHTED)]
    if not layers:
        raise EccvkitError(
            f"with_spectral_norm: {type(module).__name__} has no linear or convolutional layer; "
            "give the critic itself"
        )
    for layer in layers:
        if not is_parametrized(layer, "weight"):
            spectral_norm(layer)
    return module


class _MovingAverage(AveragedModel):
    """Moving average that also keeps the singular vectors of spectral normalisation fresh."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        super().update_parameters(model)
        for layer in self.module.modules():
            if isinstance(layer, _WEIGHTED) and is_parametrized(layer, "weight"):
                # The mean of unit vectors is shorter than one, and the weight would come out too
                # large. Reading the weight in training mode makes a step of power iteration.
                layer.parametrizations.train()
                _ = layer.weight
                layer.parametrizations.eval()


def ema(model: nn.Module, decay: float = 0.999) -> AveragedModel:
    """Moving average of a model, to be sampled from instead of the model itself.

    Call ``average.update_parameters(model)`` after every step of the optimiser: the first call
    copies, each later one sets ``average = decay * average + (1 - decay) * model``. The average is
    a copy in evaluation mode without gradients, so a change of the model reaches it only this way.

    Buffers are averaged like weights: the running means and variances of batch normalisation then
    belong to the averaged weights. (Integer buffers are rounded down; normalisation with a fixed
    momentum does not read its step counter.) The singular vectors of spectral normalisation are
    brought up to date by one power iteration per update.

    Parameters
    ----------
    model : nn.Module
    decay : float
        Share of the old average that stays, from 0 (a copy) to below 1. About ``1 / (1 - decay)``
        steps are remembered.

    Raises
    ------
    EccvkitError
        ``decay`` outside [0, 1).

    Examples
    --------
    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = ema(model, decay=0.75)
    >>> for value in (0.0, 4.0):
    ...     _ = nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average(torch.ones(1, 1)).item()
    1.0
    """
    if not 0 <= decay < 1:
        raise EccvkitError(f"ema: decay {decay} is not in [0, 1): 0.999 is usual")
    return _MovingAverage(model, decay).eval().requires_grad_(False)
