"""Heatmaps: Gaussian targets, reading joints off a map, and the head that makes maps.

Points are (x, y) in pixels of the map and whole numbers are the centres of pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

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


class HeatmapHead(nn.Sequential):
    """Transposed convolutions that double the sides, and a 1x1 convolution to one map per joint.

    Parameters
    ----------
    in_channels : int
    widths : sequence of int
        Channels of the transposed convolutions.
    joints : int
    """

    def __init__(self, in_channels: int, widths: Sequence[int], joints: int):
        layers: list[nn.Module] = []
        for width in widths:
            layers += [
                nn.ConvTranspose2d(in_channels, width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            in_channels = width
        super().__init__(*layers, nn.Conv2d(in_channels, joints, 1))
