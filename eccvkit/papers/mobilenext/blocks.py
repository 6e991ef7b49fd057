"""The building blocks of paper 40: sandglass, inverted residual, and the blocks of the ablations.

All of them map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride). They add their
input to the output where the shapes agree, and nothing otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from eccvkit.errors import EccvkitError
from eccvkit.nn.separable import depthwise, pointwise


class SandglassBlock(nn.Module):
    r"""The contribution: space is filtered and identities are kept where the tensor is wide.

    A depthwise convolution, two pointwise ones that squeeze to ``bottleneck`` channels and expand
    again, another depthwise one (Eqs. 2 and 3, Table 1):

    .. math::

        \hat G = \phi_{1,p}\,\phi_{1,d}(F), \qquad G = \phi_{2,d}\,\phi_{2,p}(\hat G) + F.

    ReLU6 follows the first depthwise and the last pointwise convolution; the other two are linear.

    Parameters
    ----------
    in_channels, out_channels : int
        M and N.
    bottleneck : int
        Channels of the middle, M / t.
    stride : int
        Of the last depthwise convolution.
    alpha : float
        Identity tensor multiplier of Eq. 4: the part of the channels that keeps its identity.
    first_depthwise, last_depthwise : bool
        Whether the two spatial convolutions are there; the networks leave some out.
    relu_end : bool
        Ablation of Sect. 4.4: ReLU6 also after the last convolution of the residual path.

    Attributes
    ----------
    squeeze, expand : nn.Sequential
        The two halves of the residual path, Eqs. 2 and 3.
    identity_channels : int
        How many channels of the input are added to the output, alpha M; 0 without a shortcut.

    Raises
    ------
    EccvkitError
        A bottleneck without channels, ``alpha`` outside [0, 1], or a stride without the
        convolution that would make it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        bottleneck: int,
        stride: int = 1,
        *,
        alpha: float = 1.0,
        first_depthwise: bool = True,
        last_depthwise: bool = True,
        relu_end: bool = False,
    ) -> None:
        super().__init__()
        _check_bottleneck(in_channels, bottleneck)
        if not 0 <= alpha <= 1:
            raise EccvkitError(f"alpha is {alpha}: the identity tensor multiplier is in [0, 1]")
        if stride != 1 and not last_depthwise:
            raise EccvkitError(f"stride {stride} needs the last depthwise convolution: keep it")
        end = nn.ReLU6 if relu_end else None
        self.squeeze = nn.Sequential()
        if first_depthwise:
            self.squeeze.append(depthwise(in_channels))
        self.squeeze.append(pointwise(in_channels, bottleneck, activation=None))
        self.expand = nn.Sequential(pointwise(bottleneck, out_channels))
        if last_depthwise:
            self.expand.append(depthwise(out_channels, stride, activation=end))
        same = stride == 1 and in_channels == out_channels
        self.stride = stride
        self.identity_channels = round(alpha * in_channels) if same else 0

    def forward(self, x: Tensor) -> Tensor:
        """Eq. 4: the first ``identity_channels`` keep their input, the others are replaced."""
        return add_identity(self.expand(self.squeeze(x)), x, self.identity_channels)


def add_identity(residual: Tensor, x: Tensor, channels: int) -> Tensor:
    """Eq. 4: add the first ``channels`` channels of ``x`` to those of ``residual``.

    Both are (B, C, H, W), except that with ``channels`` 0 the shapes need not agree.
    """
    if channels == 0:
        return residual
    if channels == residual.shape[1]:
        return residual + x
    # Out of place: autograd still needs the residual path's own output.
    return torch.cat([residual[:, :channels] + x[:, :channels], residual[:, channels:]], dim=1)


class InvertedResidual(nn.Module):
    """Pointwise to ``hidden``, depthwise there, pointwise to the ends; identity between the ends.

    With ``hidden`` above the ends this is the block of MobileNetV2 (Fig. 2b). With ``hidden`` below
    them it is the classic bottleneck with depthwise convolutions (Fig. 3a), which filters space
    where there are few channels. ReLU6 follows every convolution but the last.

    Parameters
    ----------
    in_channels, out_channels : int
    hidden : int
        Channels in the middle. If equal to ``in_channels``, the first pointwise convolution is left
        out, as in MobileNetV2.
    stride : int
        Of the first depthwise convolution.
    n_depthwise : int
        Depthwise convolutions in a row: 2 is the stronger baseline of Table 5.

    Raises
    ------
    EccvkitError
        A middle without channels, or no depthwise convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden: int,
        stride: int = 1,
        *,
        n_depthwise: int = 1,
    ) -> None:
        super().__init__()
        _check_bottleneck(in_channels, hidden)
        if n_depthwise < 1:
            raise EccvkitError(f"n_depthwise is {n_depthwise}: the block needs at least one")
        self.path = nn.Sequential()
        if hidden != in_channels:
            self.path.append(pointwise(in_channels, hidden))
        for i in range(n_depthwise):
            self.path.append(depthwise(hidden, stride if i == 0 else 1))
        self.path.append(pointwise(hidden, out_channels, activation=None))
        self.stride = stride
        self.identity_channels = in_channels if stride == 1 and in_channels == out_channels else 0

    def forward(self, x: Tensor) -> Tensor:
        """Residual path plus the input where the shapes agree."""
        return add_identity(self.path(x), x, self.identity_channels)


class ThinShortcuts(nn.Module):
    """The layers of a chain of sandglass blocks, with the identities between the bottlenecks.

    The ablation of Sect. 4.4 ("use the shortcuts to connect the bottleneck representations"). The
    layers, their order and their number of parameters stay; only the places where a tensor is kept
    and added again move by half a block, from the wide ends to the thin middles.

    Parameters
    ----------
    blocks : sequence of SandglassBlock
        Their own shortcuts are not used.
    """

    def __init__(self, blocks: Sequence[SandglassBlock]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.identity_channels = [
            _bottleneck(here) if here.stride == 1 and _bottleneck(here) == _bottleneck(after) else 0
            for here, after in zip(self.blocks, self.blocks[1:])
        ]

    def forward(self, x: Tensor) -> Tensor:
        """(B, M of the first block, H, W) to the output of the last one."""
        thin = self.blocks[0].squeeze(x)
        for i, channels in enumerate(self.identity_channels):
            residual = self.blocks[i + 1].squeeze(self.blocks[i].expand(thin))
            thin = add_identity(residual, thin, channels)
        return self.blocks[-1].expand(thin)


def _bottleneck(block: SandglassBlock) -> int:
    return block.expand[0].conv.in_channels


def _check_bottleneck(in_channels: int, middle: int) -> None:
    if middle < 1:
        raise EccvkitError(
            f"block of {in_channels} channels with a middle of {middle}: widen the network or "
            "divide by a smaller reduction ratio t"
        )
