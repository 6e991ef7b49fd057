"""DCGAN: a generator of transposed convolutions and the critic that mirrors it.

Radford, Metz & Chintala (*Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks*, ICLR 2016). The noise vector becomes a map of 4x4 pixels (3x3 where the side
of the image asks for it), and every further layer doubles the side and halves the channels.

The critic has no normalisation, as a Wasserstein critic with gradient penalty needs: the penalty
is about single samples, and batch normalisation would mix them (Gulrajani et al., NeurIPS 2017).
With :func:`eccvkit.nn.gan.with_spectral_norm` it serves spectrally normalised GANs as well.

At 64x64 pixels, one channel, width 64 and 128 noise numbers, the sizes are those of TopoGAN
(ECCV 2020, chapter 8 of the volume): generator 128-512-256-128-64-1 with 3,804,032 parameters,
critic 1-64-128-256-512-1 with 2,761,728.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from eccvkit.errors import DataError, EccvkitError


class DCGANGenerator(nn.Module):
    """Noise (B, latent) to images (B, out_channels, size, size) with values in [-1, 1].

    Transposed 4x4 convolutions without bias, each but the last followed by BN and ReLU; tanh at
    the end. Weights start as N(0, 0.02^2).

    Parameters
    ----------
    latent : int
        Numbers in a noise vector.
    width : int
        Channels before the last layer; every layer towards the noise has twice as many.
    size : int
        Side of the image: 4 or 3 times a power of two, such as 24, 32, 48, 64.
    out_channels : int

    Raises
    ------
    EccvkitError
        A ``size`` of another kind.
    DataError
        In ``forward``: noise that is not of shape (B, latent).

    Examples
    --------
    >>> import torch
    >>> DCGANGenerator(latent=16, width=8, size=24)(torch.randn(2, 16)).shape
    torch.Size([2, 1, 24, 24])
    """

    def __init__(
        self, latent: int = 128, width: int = 64, size: int = 64, out_channels: int = 1
    ) -> None:
        super().__init__()
        base, doublings = _base_and_doublings(size)
        channels = [width * 2**i for i in reversed(range(doublings))]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent, channels[0], base, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
        ]
        for c_in, c_out in pairwise(channels):
            layers += [_double(c_in, c_out), nn.BatchNorm2d(c_out), nn.ReLU()]
        layers += [_double(channels[-1], out_channels), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.latent = latent
        _normal_weights(self)

    def forward(self, z: Tensor) -> Tensor:
        """Map noise (B, latent) to images (B, out_channels, size, size)."""
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise DataError(f"noise of shape {tuple(z.shape)}: expected (batch, {self.latent})")
        return self.layers(z[:, :, None, None])


class DCGANCritic(nn.Module):
    """Images (B, in_channels, size, size) to one unbounded score each, (B,).

    4x4 convolutions without bias, each but the last followed by LeakyReLU(0.2); the last one
    covers the whole remaining map. Weights start as N(0, 0.02^2).

    Parameters
    ----------
    width : int
        Channels of the first layer; every further layer has twice as many.
    size : int
        Side of the image: 4 or 3 times a power of two, such as 24, 32, 48, 64.
    in_channels : int

    Raises
    ------
    EccvkitError
        A ``size`` of another kind.
    DataError
        In ``forward``: images of another shape.

    Examples
    --------
    >>> import torch
    >>> DCGANCritic(width=8, size=24)(torch.zeros(2, 1, 24, 24)).shape
    torch.Size([2])
    """

    def __init__(self, width: int = 64, size: int = 64, in_channels: int = 1) -> None:
        super().__init__()
        base, halvings = _base_and_doublings(size)
        channels = [in_channels, *(width * 2**i for i in range(halvings))]
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise(channels):
            layers += [nn.Conv2d(c_in, c_out, 4, 2, padding=1, bias=False), nn.LeakyReLU(0.2)]
        layers.append(nn.Conv2d(channels[-1], 1, base, bias=False))
        self.layers = nn.Sequential(*layers)
        self.image_shape = (in_channels, size, size)
        _normal_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, size, size) to scores (B,)."""
        if x.ndim != 4 or x.shape[1:] != self.image_shape:
            raise DataError(
                f"images of shape {tuple(x.shape)}: expected (batch, "
                f"{', '.join(map(str, self.image_shape))})"
            )
        return self.layers(x).flatten()


def _base_and_doublings(size: int) -> tuple[int, int]:
    """Side of the smallest map and how often it is doubled: 64 is 4 * 2^4, 24 is 3 * 2^3."""
    for base in (4, 3):
        doublings = (size // base).bit_length() - 1
        if doublings >= 1 and size == base * 2**doublings:
            return base, doublings
    raise EccvkitError(
        f"DCGAN cannot make images of {size}x{size} pixels: use 4 or 3 times a power of two "
        "(8, 12, 16, 24, 32, 48, 64, 96, 128)"
    )


def _double(c_in: int, c_out: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(c_in, c_out, 4, 2, padding=1, bias=False)


def _normal_weights(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
