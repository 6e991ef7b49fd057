"""Pieces of mobile networks: conv-BN-activation, depthwise and pointwise convolutions, widths.

A *depthwise separable* convolution splits a k x k convolution in two: a depthwise one filters each
channel in space on its own, a pointwise (1x1) one mixes channels. Every piece here is a convolution
without bias, batch normalisation, and an activation or none ("linear").
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from eccvkit.errors import EccvkitError


class ConvBN(nn.Sequential):
    """Convolution without bias, batch normalisation, optional activation.

    The modules are called ``conv``, ``bn`` and ``act``. Padding keeps the side for stride 1 and
    divides it by the stride, rounded up, otherwise.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel : int
        Odd side of the kernel.
    stride, groups : int
    activation : callable or None
        Makes the last module; None leaves the output linear.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        activation: Callable[[], nn.Module] | None = nn.ReLU6,
    ) -> None:
        super().__init__()
        conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.add_module("conv", conv)
        self.add_module("bn", nn.BatchNorm2d(out_channels))
        if activation is not None:
            self.add_module("act", activation())


def depthwise(
    channels: int,
    stride: int = 1,
    activation: Callable[[], nn.Module] | None = nn.ReLU6,
    kernel: int = 3,
) -> ConvBN:
    """A spatial filter for each channel: (B, C, H, W) to (B, C, H / stride, W / stride)."""
    return ConvBN(channels, channels, kernel, stride, groups=channels, activation=activation)


def pointwise(
    in_channels: int,
    out_channels: int,
    activation: Callable[[], nn.Module] | None = nn.ReLU6,
) -> ConvBN:
    """A linear map of the channels of each pixel: (B, C, H, W) to (B, out_channels, H, W)."""
    return ConvBN(in_channels, out_channels, kernel=1, activation=activation)


def depthwise_separable(
    in_channels: int,
    out_channels: int,
    stride: int = 1,
    activation: Callable[[], nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Depthwise 3x3 then pointwise, both with the activation (MobileNet, Howard et al. 2017)."""
    return nn.Sequential(
        depthwise(in_channels, stride, activation), pointwise(in_channels, out_channels, activation)
    )


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round to the nearest multiple of ``divisor``, but never to less than 90 % of ``value``.

    The rule of the MobileNet family; the result is at least ``divisor``.

    Examples
    --------
    >>> [make_divisible(c) for c in (33.6, 11.2, 12.0)]
    [32, 16, 16]
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def scale_channels(channels: int, width: float, divisor: int = 8) -> int:
    """Channels of a layer under a width multiplier, by :func:`make_divisible`.

    Raises
    ------
    EccvkitError
        ``width`` is not a positive number, or so small that the layer would round to no channels
        at all (lifting it to ``divisor`` would give networks whose width is not what was asked).

    Examples
    --------
    >>> scale_channels(96, 0.75)
    72
    """
    if not (math.isfinite(width) and width > 0):
        raise EccvkitError(f"width multiplier is {width}: use a number above 0, for example 0.5")
    if channels * width < divisor / 2:
        raise EccvkitError(
            f"width multiplier {width:g} rounds {channels} channels to 0 (multiples of {divisor}): "
            f"use a width of at least {divisor / 2 / channels:.3g}"
        )
    return make_divisible(channels * width, divisor)
