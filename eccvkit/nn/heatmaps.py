"""Heatmaps: Gaussian targets, reading joints off a map, and the head that makes maps.

Points are (x, y) in pixels of the map and whole numbers are the centres of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from eccvkit.errors import EccvkitError


def gaussian_targets(
    points: Tensor, size: tuple[int, int], sigma: float = 1.0, valid: Tensor | None = None
) -> Tensor:
    """Maps (..., H, W) with a Gaussian of height 1 at each point.

    Parameters
    ----------
    points : Tensor
        (..., 2); a point that is NaN or far outside leaves an empty map.
    size : (int, int)
        Height and width.
    sigma : float
        In pixels of the map.
    valid : Tensor of bool, optional
        (...,); points that are not valid leave an empty map.

    Examples
    --------
    >>> gaussian_targets(torch.tensor([1.0, 0.0]), (1, 3)).round(decimals=3).tolist()
    [[0.6069999933242798, 1.0, 0.6069999933242798]]
    """
    if not sigma > 0:
        raise EccvkitError(f"gaussian_targets: sigma is {sigma}; use a number above 0")
    height, width = size
    there = torch.isfinite(points).all(dim=-1)
    if valid is not None:
        there = there & valid
    safe = torch.where(there[..., None], points, 0.0)
    x = torch.arange(width, dtype=points.dtype, device=points.device) - safe[..., :1]
    y = torch.arange(height, dtype=points.dtype, device=points.device) - safe[..., 1:]
    maps = torch.exp(-(y[..., :, None] ** 2 + x[..., None, :] ** 2) / (2 * sigma**2))
    return maps * there[..., None, None]


def decode_heatmaps(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The highest point of each map, to a fraction of a pixel, and its height.

    A parabola through the logarithm of the peak and its neighbours is exact for a Gaussian. At the
    border, and where the neighbours are not below the peak, the pixel itself is the answer.

    Parameters
    ----------
    maps : Tensor
        (..., H, W)

    Returns
    -------
    points, peaks : Tensor
        (..., 2) as (x, y), and (...,).
    """
    height, width = maps.shape[-2:]
    flat = maps.flatten(-2)
    peaks, index = flat.max(dim=-1)
    row, column = index // width, index % width
    shifts = []
    for position, length, stride in ((column, width, 1), (row, height, width)):
        inner = (position > 0) & (position < length - 1)
        before, after = (
            flat.gather(-1, torch.where(inner, index + side * stride, index)[..., None])[..., 0]
            for side in (-1, 1)
        )
        low = torch.finfo(maps.dtype).tiny
        a, b, c = (v.clamp(min=low).log() for v in (before, peaks, after))
        bend = a - 2 * b + c
        usable = inner & (bend < 0) & (before > 0) & (after > 0)
        shift = torch.where(usable, (a - c) / (2 * torch.where(usable, bend, -1.0)), 0.0)
        shifts.append(shift.clamp(-0.5, 0.5))
    points = torch.stack([column + shifts[0], row + shifts[1]], dim=-1)
    return points.to(maps.dtype), peaks


def soft_argmax(maps: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean place (..., 2) under the softmax of each map (..., H, W): differentiable.

    Parameters
    ----------
    temperature : float
        Maps are divided by it; towards 0 the mean becomes the highest pixel.

    Examples
    --------
    >>> soft_argmax(torch.tensor([[0.0, 50.0], [0.0, 50.0]])).tolist()
    [1.0, 0.5]
    """
    if not temperature > 0:
        raise EccvkitError(f"soft_argmax: temperature is {temperature}; use a number above 0")
    shares = (maps.flatten(-2) / temperature).softmax(dim=-1).view_as(maps)
    x = torch.arange(maps.shape[-1], dtype=maps.dtype, device=maps.device)
    y = torch.arange(maps.shape[-2], dtype=maps.dtype, device=maps.device)
    return torch.stack([(shares.sum(-2) * x).sum(-1), (shares.sum(-1) * y).sum(-1)], dim=-1)


class HeatmapHead(nn.Module):
    """Transposed convolutions that double the sides, and a 1x1 convolution to one map per joint.

    Parameters
    ----------
    in_channels : int
    widths : sequence of int
        Channels of the transposed convolutions.
    joints : int
    skips : sequence of int, optional
        Channels of earlier features, one entry per transposed convolution, that are added to what
        it makes: a place that was lost by halving the sides comes back that way. A 3x3 convolution
        then mixes the sum.

    Raises
    ------
    EccvkitError
        Another number of skips than of widths.
    """

    def __init__(
        self, in_channels: int, widths: Sequence[int], joints: int, skips: Sequence[int] = ()
    ):
        super().__init__()
        if skips and len(skips) != len(widths):
            raise EccvkitError(
                f"HeatmapHead: {len(skips)} skips for {len(widths)} doublings; give one each"
            )
        channels = (in_channels, *widths)
        self.ups = nn.ModuleList(
            _unit(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False))
            for a, b in pairwise(channels)
        )
        self.sides = nn.ModuleList(
            _unit(nn.Conv2d(a, b, 1, bias=False)) for a, b in zip(skips, widths)
        )
        top = channels[-1]
        mix = _unit(nn.Conv2d(top, top, 3, padding=1, bias=False)) if skips else nn.Identity()
        self.last = nn.Sequential(mix, nn.Conv2d(top, joints, 1))

    def forward(self, features: Tensor, skips: Sequence[Tensor] = ()) -> Tensor:
        """Maps of features; ``skips`` from the smallest to the largest."""
        if len(skips) != len(self.sides):
            raise EccvkitError(f"HeatmapHead: {len(skips)} skips; it expects {len(self.sides)}")
        for k, up in enumerate(self.ups):
            features = up(features)
            if self.sides:
                features = features + self.sides[k](skips[k])
        return self.last(features)


def _unit(convolution: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    normalisation = nn.BatchNorm2d(convolution.out_channels)
    return nn.Sequential(convolution, normalisation, nn.ReLU(inplace=True))
