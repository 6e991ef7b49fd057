"""The small networks that paper 40 is tried with here, and the solver that matches their cost.

All arms have the same stem, the same strides and the same classifier rule. MobileNeXt fixes the
budget; the free channels of the other arms (MobileNetV2's last convolution, the width of the thin
middles of Fig. 3a) are solved for the same number of parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import nn

from eccvkit.errors import EccvkitError, unknown
from eccvkit.nn.count import count_parameters
from eccvkit.nn.separable import ConvBN, pointwise
from eccvkit.papers.mobilenext.blocks import InvertedResidual, SandglassBlock, ThinShortcuts
from eccvkit.papers.mobilenext.networks import (
    Classes,
    MobileNet,
    Rows,
    inverted_specs,
    sandglass_specs,
)

#: Rows (t, c, n, s) of the sandglass network and of its partner, for images of 16 to 32 pixels.
SANDGLASS_ROWS: Rows = ((2, 48, 1, 2), (4, 48, 2, 1), (4, 96, 3, 2), (4, 128, 1, 2))
INVERTED_ROWS: Rows = ((1, 8, 1, 1), (6, 12, 2, 2), (6, 20, 3, 2), (6, 32, 1, 2))
#: Channels of the stem, which has stride 1; channels are multiples of the divisor.
STEM, DIVISOR = 16, 4


def micro_sandglass(
    width: float,
    classes: Classes,
    *,
    alpha: float = 1.0,
    relu_end: bool = False,
    thin_shortcuts: bool = False,
    block: type[SandglassBlock] = SandglassBlock,
) -> MobileNet:
    """Small MobileNeXt with the blocks of the text (variant "paper"), or one of its ablations.

    Parameters
    ----------
    width : float
    classes : int or tuple of (int, int)
    alpha : float
        Identity tensor multiplier (Table 7).
    relu_end : bool
        ReLU6 after the last convolution of every block (Sect. 4.4).
    thin_shortcuts : bool
        Identities between the bottlenecks (Sect. 4.4).
    block : type
        Makes the blocks; called like :class:`SandglassBlock`.

    Raises
    ------
    EccvkitError
        A width that leaves a layer without channels.
    """
    specs = sandglass_specs(SANDGLASS_ROWS, width, "paper", stem=STEM, divisor=DIVISOR)
    blocks = [block(**s._asdict(), alpha=alpha, relu_end=relu_end) for s in specs]
    chain = ThinShortcuts(blocks) if thin_shortcuts else nn.Sequential(*blocks)
    return _assemble(specs[0].in_channels, chain, specs[-1].out_channels, classes)


def micro_bottleneck(width: float, classes: Classes, *, middle: float = 1.0) -> MobileNet:
    """The sandglass network with both depthwise convolutions in the bottleneck (Fig. 3a).

    Parameters
    ----------
    width : float
    classes : int or tuple of (int, int)
    middle : float
        Factor on the channels of the bottlenecks.

    Raises
    ------
    EccvkitError
        A width that leaves a layer without channels.
    """
    specs = sandglass_specs(SANDGLASS_ROWS, width, "paper", stem=STEM, divisor=DIVISOR)
    blocks = (
        InvertedResidual(
            s.in_channels, s.out_channels, round(middle * s.bottleneck), s.stride, n_depthwise=2
        )
        for s in specs
    )
    chain = nn.Sequential(*blocks)
    return _assemble(specs[0].in_channels, chain, specs[-1].out_channels, classes)


def micro_v2(width: float, classes: Classes, *, last: int, n_depthwise: int = 1) -> MobileNet:
    """Small MobileNetV2 with ``last`` channels before the classifier.

    Raises
    ------
    EccvkitError
        A width that leaves a layer without channels.
    """
    specs = inverted_specs(INVERTED_ROWS, width, stem=STEM, divisor=DIVISOR)
    chain = nn.Sequential(
        *(InvertedResidual(**s._asdict(), n_depthwise=n_depthwise) for s in specs),
        pointwise(specs[-1].out_channels, last),
    )
    return _assemble(specs[0].in_channels, chain, last, classes)


def _assemble(stem: int, chain: nn.Module, features: int, classes: Classes) -> MobileNet:
    return MobileNet(ConvBN(3, stem), chain, nn.Identity(), features, classes)


def match_parameters(build: Callable[[int], nn.Module], target: int, low: int, high: int) -> int:
    """Find the whole number in [low, high] for which a network comes closest to ``target``.

    Parameters
    ----------
    build : callable
        Network for a number; its parameters must not fall as the number grows. Nothing is
        allocated: it is called on the ``meta`` device.
    target : int
        Parameters wanted.

    Raises
    ------
    EccvkitError
        The closest network still differs by more than 3 %.
    """

    def size(number: int) -> int:
        with torch.device("meta"):
            return count_parameters(build(number))

    first, last = low, high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) <= target else (low, middle)
    best = min((low, high), key=lambda number: abs(size(number) - target))
    if abs(size(best) - target) > 0.03 * target:
        raise EccvkitError(
            f"no number from {first} to {last} gives about {target} parameters: the closest, "
            f"{best}, gives {size(best)}; change the rows of the network"
        )
    return best


def build(
    arm: str, width: float, classes: Classes, block: type[SandglassBlock] = SandglassBlock
) -> MobileNet:
    """Build one arm of the comparison; the weights come from torch's global seed.

    Parameters
    ----------
    arm : str
        A name in :data:`ARMS`.
    width : float
    classes : int or tuple of (int, int)
    block : type
        Makes the blocks of the sandglass arms; called like :class:`SandglassBlock`.

    Raises
    ------
    UnknownName
        No such arm.
    EccvkitError
        A width that leaves a layer without channels.
    """
    if arm in SANDGLASS_ARMS:
        return micro_sandglass(width, classes, block=block, **SANDGLASS_ARMS[arm])
    if arm in OTHER_ARMS:
        return OTHER_ARMS[arm](width, classes)
    raise unknown("arm", arm, ARMS)


@cache
def matched_last(width: float, classes: Classes) -> int:
    """Channels of MobileNetV2's last convolution that give it the parameters of MobileNeXt."""
    return match_parameters(
        lambda last: micro_v2(width, classes, last=last), _budget(width, classes), 4, 512
    )


@cache
def matched_middle(width: float, classes: Classes) -> float:
    """Factor on the bottlenecks that gives Fig. 3a's network the parameters of MobileNeXt."""
    percent = match_parameters(
        lambda percent: micro_bottleneck(width, classes, middle=percent / 100),
        _budget(width, classes),
        100,
        400,
    )
    return percent / 100


def _budget(width: float, classes: Classes) -> int:
    with torch.device("meta"):
        return count_parameters(micro_sandglass(width, classes))


def _matched_v2(width: float, classes: Classes, n_depthwise: int = 1) -> MobileNet:
    """MobileNetV2 with the budget of MobileNeXt; a second depthwise convolution comes on top."""
    last = matched_last(width, classes)
    return micro_v2(width, classes, last=last, n_depthwise=n_depthwise)


def _matched_bottleneck(width: float, classes: Classes) -> MobileNet:
    return micro_bottleneck(width, classes, middle=matched_middle(width, classes))


#: Arms made of sandglass blocks, by the options of :func:`micro_sandglass`.
SANDGLASS_ARMS: dict[str, dict[str, Any]] = {
    "MobileNeXt": {},
    "thin shortcuts": {"thin_shortcuts": True},
    "ReLU6 end": {"relu_end": True},
    "alpha=1/2": {"alpha": 1 / 2},
    "alpha=1/3": {"alpha": 1 / 3},
    "alpha=1/6": {"alpha": 1 / 6},
    "alpha=0": {"alpha": 0.0},
}
#: The others: (width, classes) to network.
OTHER_ARMS: dict[str, Callable[[float, Classes], MobileNet]] = {
    "MobileNetV2": _matched_v2,
    "MobileNetV2, two depthwise": partial(_matched_v2, n_depthwise=2),
    "depthwise in bottleneck": _matched_bottleneck,
}
ARMS = (*SANDGLASS_ARMS, *OTHER_ARMS)
