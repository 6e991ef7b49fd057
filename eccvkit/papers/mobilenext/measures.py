"""What the paper argues with but does not measure: information kept and gradients that agree."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eccvkit.nn.macs import layer_costs
from eccvkit.papers.mobilenext.blocks import InvertedResidual, SandglassBlock


@torch.no_grad()
def block_outputs(net: nn.Module, images: Tensor) -> list[Tensor]:
    """Outputs (B, C, H, W) of all blocks of a network, in order and in evaluation mode."""
    outputs: list[Tensor] = []
    blocks = [m for m in net.modules() if isinstance(m, SandglassBlock | InvertedResidual)]
    handles = [b.register_forward_hook(lambda _m, _in, out: outputs.append(out)) for b in blocks]
    net.eval()
    try:
        net(images)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def effective_rank(x: Tensor) -> float:
    """How many directions of channel space a tensor (B, C, H, W) uses: 1 to C.

    The exponential of the entropy of the normalised eigenvalues of the channels' covariance, taken
    over all pixels of all images (Roy and Vetterli, EUSIPCO 2007).

    Examples
    --------
    >>> x = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> round(effective_rank(torch.cat([x, x, -2 * x], dim=1)), 3)
    1.0
    """
    rows = x.detach().cpu().double().movedim(1, -1).flatten(0, -2)
    share = torch.linalg.eigvalsh(torch.cov(rows.T).reshape(x.shape[1], -1)).clamp(min=0)
    share = share / share.sum()
    return float(torch.exp(-torch.special.xlogy(share, share).sum()))


def gradient_cosines(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    batches: int = 16,
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> Tensor:
    """Cosines of the angles between the gradients of disjoint mini-batches.

    Gradient confusion (reference [32]) means that some are far below zero: a step for one batch
    undoes the step for another. Batch normalisation uses its running statistics.

    Parameters
    ----------
    net : nn.Module
    images, labels : Tensor
        (n, 3, S, S) and (n,); divided evenly into ``batches``, what is left over is not used.
    batches : int
    loss : callable

    Returns
    -------
    Tensor (batches * (batches - 1) / 2,)
    """
    net.eval()
    weights = [p for p in net.parameters() if p.requires_grad]
    size = len(images) // batches
    gradients = []
    for i in range(batches):
        part = slice(i * size, (i + 1) * size)
        own = torch.autograd.grad(loss(net(images[part]), labels[part]), weights)
        gradients.append(F.normalize(torch.cat([g.flatten() for g in own]), dim=0))
    cosines = torch.stack(gradients) @ torch.stack(gradients).T
    above = torch.triu_indices(batches, batches, offset=1)
    return cosines[above[0], above[1]].cpu()


def block_costs(block: SandglassBlock | InvertedResidual, side: int) -> dict[str, int]:
    """What one block costs on a map of ``side`` x ``side`` pixels.

    Returns
    -------
    dict of int
        ``parameters``; ``macs``; ``additions`` of the shortcut (alpha M D^2 of Eq. 4); ``traffic``,
        the numbers read and written if nothing stays in a cache: input, output and weights of each
        convolution, with normalisation and activation merged into it, and the identity once more.
    """
    channels = next(m for m in block.modules() if isinstance(m, nn.Conv2d)).in_channels
    layers = layer_costs(block, (channels, side, side))
    convs = layers[layers["kind"] == "Conv2d"]
    additions = block.identity_channels * side * side
    moved = sum(_size(row.input) + _size(row.output) + row.parameters for row in convs.itertuples())
    return {
        "parameters": int(layers["parameters"].sum()),
        "macs": int(layers["macs"].sum()),
        "additions": additions,
        "traffic": int(moved + additions),
    }


def _size(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
