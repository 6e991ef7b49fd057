"""Post-training linear quantisation to k bits (Table 4), simulated in floating point.

The paper names its method only by reference [28]; we take the plain form of it. Batch normalisation
is folded into the convolution before it. Weights get one symmetric grid per tensor. Activations get
one grid per tensor between the smallest and the largest value that calibration images produce; what
is rounded is every tensor that an integer implementation would store: the image, the output of
each convolution with its activation, the sum at each shortcut, and the pooled features. Biases and
logits stay exact, as accumulators are wide.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from eccvkit.errors import EccvkitError
from eccvkit.nn.separable import ConvBN
from eccvkit.papers.mobilenext.blocks import InvertedResidual, SandglassBlock
from eccvkit.papers.mobilenext.networks import MobileNet

#: Smallest and largest value of each stored tensor; "" is the image.
Ranges = Mapping[str, tuple[float, float]]


def fold_batchnorm(net: nn.Module) -> nn.Module:
    """Copy a network with each batch normalisation merged into the convolution before it.

    The copy is in evaluation mode and computes the same function as ``net`` does there.
    """
    folded = copy.deepcopy(net).eval()
    for piece in folded.modules():
        if isinstance(piece, ConvBN):
            piece.conv = fuse_conv_bn_eval(piece.conv, piece.bn)
            piece.bn = nn.Identity()
    return folded


@torch.no_grad()
def calibrate(folded: MobileNet, images: Tensor) -> Ranges:
    """Range of each tensor that would be stored, over one pass of the images.

    Parameters
    ----------
    folded : MobileNet
        From :func:`fold_batchnorm`.
    images : Tensor
        (B, 3, H, W) from the training set.
    """
    ranges: dict[str, tuple[float, float]] = {}

    def observe(name: str, x: Tensor) -> Tensor:
        ranges[name] = (x.min().item(), x.max().item())
        return x

    handles = _on_stored_tensors(folded, observe)
    try:
        folded(images)
    finally:
        for handle in handles:
            handle.remove()
    return ranges


@torch.no_grad()
def quantize(folded: MobileNet, ranges: Ranges, bits: int) -> MobileNet:
    """Copy a folded network whose weights and activations have ``bits`` bits.

    Parameters
    ----------
    folded : MobileNet
        From :func:`fold_batchnorm`.
    ranges : mapping
        From :func:`calibrate`.
    bits : int
        2 to 16.

    Raises
    ------
    EccvkitError
        ``bits`` out of range.
    """
    if not 2 <= bits <= 16:
        raise EccvkitError(f"quantize: {bits} bits; use 2 to 16")
    quantized = copy.deepcopy(folded)
    for layer in quantized.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.weight.copy_(round_weight(layer.weight, bits))
    _on_stored_tensors(quantized, lambda name, x: round_activation(x, *ranges[name], bits))
    return quantized


def round_weight(weight: Tensor, bits: int) -> Tensor:
    """Round to the symmetric grid of ``2^bits - 1`` values that just reaches the largest weight.

    Examples
    --------
    >>> round_weight(torch.tensor([-1.0, 0.2, 0.6]), 2)
    tensor([-1.,  0.,  1.])
    """
    largest = 2 ** (bits - 1) - 1
    step = weight.abs().max() / largest
    return weight if step == 0 else torch.round(weight / step) * step


def round_activation(x: Tensor, low: float, high: float, bits: int) -> Tensor:
    """Round to the grid of ``2^bits`` values between ``low`` and ``high``, and cut there.

    The range is widened to contain zero, and the grid is shifted to have a point there: padding and
    ReLU6 give many exact zeros.

    Examples
    --------
    >>> round_activation(torch.tensor([-1.0, 0.4, 0.6, 9.0]), 0.0, 3.0, 2)
    tensor([0., 0., 1., 3.])
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return torch.zeros_like(x)
    steps = 2**bits - 1
    step = (high - low) / steps
    return torch.fake_quantize_per_tensor_affine(x, step, round(-low / step), 0, steps)


def _on_stored_tensors(net: MobileNet, act) -> list:
    """Pass each tensor that is stored through ``act(name, tensor)``; return the hooks' handles."""
    handles = [net.register_forward_pre_hook(lambda _net, inputs: act("", inputs[0]))]
    for name, module in net.named_modules():
        adds = isinstance(module, InvertedResidual | SandglassBlock) and module.identity_channels
        if adds or isinstance(module, ConvBN) or module is net.dropout:
            handles.append(
                module.register_forward_hook(lambda _m, _in, out, name=name: act(name, out))
            )
    return handles
