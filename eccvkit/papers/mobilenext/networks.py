"""The networks of paper 40: MobileNeXt and MobileNetV2 at every width.

A network is a convolution that looks at the pixels (stem), a chain of blocks described by a table
of rows ``(t, c, n, s)`` (ratio, output channels, blocks, stride of the first block), for
MobileNetV2 one more pointwise convolution, global average pooling and a linear classifier.
:mod:`~eccvkit.papers.mobilenext.micro` holds the small networks that are trained here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from eccvkit.errors import unknown
from eccvkit.nn.separable import ConvBN, make_divisible, pointwise, scale_channels
from eccvkit.papers.mobilenext.blocks import InvertedResidual, SandglassBlock

Rows = Sequence[tuple[int, int, int, int]]
#: Number of classes, or of values of the two factors whose pairs are the classes.
Classes = int | tuple[int, int]

#: Table 2.
MOBILENEXT_ROWS: Rows = (
    (2, 96, 1, 2),
    (6, 144, 1, 1),
    (6, 192, 3, 2),
    (6, 288, 3, 2),
    (6, 384, 4, 1),
    (6, 576, 4, 2),
    (6, 960, 3, 1),
    (6, 1280, 1, 1),
)
#: Table 2 of MobileNetV2 (reference [31]).
MOBILENET_V2_ROWS: Rows = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
#: Channels of both stems, of MobileNetV2's last convolution, and dropout before the classifier.
STEM, LAST, DROPOUT = 32, 1280, 0.2

#: "released" is the network of the code, nearest to Table 3; "paper" that of Sects. 3.2 and 3.3.
VARIANTS = ("released", "paper")


class PairClassifier(nn.Linear):
    """Linear classifier for pairs of two factors: the logit of the pair (a, b) is ``u_a + v_b``.

    Its softmax is the product of one softmax per factor, so that the cross-entropy over all pairs
    is exactly the sum of the cross-entropies of the factors. Neither has to wait for the other to
    be learned, and n m classes cost the parameters of n + m.

    Parameters
    ----------
    features : int
    factors : tuple of (int, int)
        How many values n and m the factors have.
    """

    def __init__(self, features: int, factors: tuple[int, int]) -> None:
        super().__init__(features, sum(factors))
        self.factors = factors

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, n m) of features (B, features); the pair (a, b) is class ``m a + b``."""
        u, v = super().forward(x).split(self.factors, dim=1)
        return (u[:, :, None] + v[:, None, :]).flatten(1)


class MobileNet(nn.Module):
    """Stem, blocks, optional last convolution, pooling, classifier.

    Parameters
    ----------
    stem, blocks, last : nn.Module
        ``last`` may be an identity.
    features : int
        Channels of what ``last`` gives.
    classes : int or tuple of (int, int)
        Two factors get a :class:`PairClassifier`.
    dropout : float

    Notes
    -----
    Weights start as in the paper's code: convolutions from N(0, 2 / (k^2 N_out)), batch
    normalisation at 1 and 0, the classifier from N(0, 0.01^2).
    """

    def __init__(
        self,
        stem: nn.Module,
        blocks: nn.Module,
        last: nn.Module,
        features: int,
        classes: Classes,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem, self.blocks, self.last = stem, blocks, last
        self.dropout = nn.Dropout(dropout)
        pairs = isinstance(classes, tuple)
        self.classifier = (PairClassifier if pairs else nn.Linear)(features, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def features(self, x: Tensor) -> Tensor:
        """Pooled features (B, features) of images (B, 3, H, W)."""
        return self.last(self.blocks(self.stem(x))).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W)."""
        return self.classifier(self.dropout(self.features(x)))


class SandglassSpec(NamedTuple):
    """One sandglass block of a network, as :class:`SandglassBlock` takes it."""

    in_channels: int
    out_channels: int
    bottleneck: int
    stride: int
    first_depthwise: bool
    last_depthwise: bool


def sandglass_specs(
    rows: Rows = MOBILENEXT_ROWS,
    width: float = 1.0,
    variant: str = "released",
    *,
    stem: int = STEM,
    divisor: int = 8,
) -> list[SandglassSpec]:
    """Work out the blocks of Table 2 under a width multiplier.

    Text and released code of the paper disagree; the latter is nearer to the cost of Table 3:

    ``"paper"``
        The bottleneck has M // t channels; blocks of stride 2 have no first depthwise convolution.
    ``"released"``
        The bottleneck has at least N / 6 channels, rounded to multiples of 16. Of the blocks of
        stride 2 the one with t = 2 keeps its first depthwise convolution. A block that starts a
        longer row of stride 1 has no depthwise convolution at all.

    The last row keeps its width when the multiplier is below 1.

    Parameters
    ----------
    rows : sequence of (t, c, n, s)
    width : float
    variant : {"released", "paper"}
    stem : int
        Channels that enter the first block, before the width multiplier.
    divisor : int
        Channels are multiples of it.

    Raises
    ------
    UnknownName
        No such variant.
    EccvkitError
        A width that leaves a layer without channels.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    specs = []
    channels = scale_channels(stem, width, divisor)
    for row, (ratio, c, blocks, row_stride) in enumerate(rows):
        is_last = row == len(rows) - 1
        out = scale_channels(c, max(width, 1.0) if is_last else width, divisor)
        for i in range(blocks):
            stride = row_stride if i == 0 else 1
            first, last, bottleneck = stride == 1, True, channels // ratio
            if variant == "released":
                if bottleneck < out / 6:
                    bottleneck = make_divisible(math.ceil(out / 6), 16)
                if stride == 1 and channels != out and blocks > 1:
                    first = last = False
                elif stride == 2 and ratio == 2:
                    first = True
            specs.append(SandglassSpec(channels, out, bottleneck, stride, first, last))
            channels = out
    return specs


def mobilenext(
    width: float = 1.0,
    num_classes: int = 1000,
    *,
    variant: str = "released",
    alpha: float = 1.0,
    dropout: float = DROPOUT,
) -> MobileNet:
    """MobileNeXt for images of 224 x 224 pixels (Table 2).

    Parameters
    ----------
    width : float
        Width multiplier of Table 3.
    num_classes : int
    variant : {"released", "paper"}
        See :func:`sandglass_specs`.
    alpha : float
        Identity tensor multiplier of Eq. 4, Table 7.
    dropout : float

    Raises
    ------
    UnknownName
        No such variant.
    EccvkitError
        A width that leaves a layer without channels, or ``alpha`` outside [0, 1].
    """
    specs = sandglass_specs(width=width, variant=variant)
    return MobileNet(
        stem=ConvBN(3, specs[0].in_channels, stride=2),
        blocks=nn.Sequential(*(SandglassBlock(**s._asdict(), alpha=alpha) for s in specs)),
        last=nn.Identity(),
        features=specs[-1].out_channels,
        classes=num_classes,
        dropout=dropout,
    )


class InvertedSpec(NamedTuple):
    """One inverted residual block, as :class:`InvertedResidual` takes it."""

    in_channels: int
    out_channels: int
    hidden: int
    stride: int


def inverted_specs(
    rows: Rows = MOBILENET_V2_ROWS,
    width: float = 1.0,
    *,
    stem: int = STEM,
    divisor: int = 8,
) -> list[InvertedSpec]:
    """Work out the inverted residual blocks under a width multiplier; t expands here.

    Raises
    ------
    EccvkitError
        A width that leaves a layer without channels.
    """
    specs = []
    channels = scale_channels(stem, width, divisor)
    for ratio, c, blocks, row_stride in rows:
        out = scale_channels(c, width, divisor)
        for i in range(blocks):
            stride = row_stride if i == 0 else 1
            specs.append(InvertedSpec(channels, out, channels * ratio, stride))
            channels = out
    return specs


def mobilenet_v2(
    width: float = 1.0,
    num_classes: int = 1000,
    *,
    n_depthwise: int = 1,
    dropout: float = DROPOUT,
) -> MobileNet:
    """MobileNetV2 for images of 224 x 224 pixels, the baseline of Tables 3 to 5.

    Parameters
    ----------
    width : float
    num_classes : int
    n_depthwise : int
        2 puts a second depthwise convolution into the middle of every block (Table 5).
    dropout : float

    Raises
    ------
    EccvkitError
        A width that leaves a layer without channels.
    """
    specs = inverted_specs(width=width)
    last = scale_channels(LAST, max(width, 1.0))
    blocks = (InvertedResidual(**s._asdict(), n_depthwise=n_depthwise) for s in specs)
    return MobileNet(
        stem=ConvBN(3, specs[0].in_channels, stride=2),
        blocks=nn.Sequential(*blocks),
        last=pointwise(specs[-1].out_channels, last),
        features=last,
        classes=num_classes,
        dropout=dropout,
    )
