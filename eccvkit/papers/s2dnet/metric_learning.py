"""The baseline of paper 37: metric learning on hypercolumns, with the hardest negative (D2-Net).

Descriptors are the concatenated levels at a pixel, of length 1. The triplet of a correspondence is
its two descriptors and the most similar wrong one; the search for it covers every pixel, so that
the baseline sees as many negatives as the cross-entropy does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from eccvkit.papers.s2dnet.matching import (
    Features,
    sample_descriptors,
    upsampled_hypercolumn,
)


def unit_hypercolumn(dense: Tensor) -> Tensor:
    """Hypercolumns (B, D, H, W) with descriptors of length 1."""
    # Over channels this is twice as fast as F.normalize.
    return dense * dense.square().sum(dim=1, keepdim=True).clamp(min=1e-12).rsqrt()


def cosine_map(dense_a: Tensor, dense_b: Tensor, keypoints: Tensor) -> Tensor:
    """Cosines (B, N, H, W) between the pixels of keypoints (B, N, 2) of A and all pixels of B.

    Parameters
    ----------
    dense_a, dense_b : Tensor
        (B, D, H, W) unit hypercolumns.
    """
    return torch.einsum("bnd,bdhw->bnhw", at_pixels(dense_a, keypoints), dense_b)


def at_pixels(dense: Tensor, points: Tensor) -> Tensor:
    """Descriptors (B, N, D) at the pixels that hold points (B, N, 2)."""
    pixel = (points + 0.5).floor().long()
    index = pixel[..., 1] * dense.shape[-1] + pixel[..., 0]
    return dense.flatten(2).gather(2, index[:, None].expand(-1, dense.shape[1], -1)).mT


def descriptors(features: Features, points: Tensor, strides: Sequence[int]) -> Tensor:
    """Unit hypercolumns (B, N, M d) of the pixels that hold points (B, N, 2)."""
    pixel = (points + 0.5).floor().to(features[0])
    levels = [sample_descriptors(f, pixel, s) for f, s in zip(features, strides)]
    return F.normalize(torch.cat(levels, dim=-1), dim=-1)


def hardest_negative(maps: Tensor, targets: Tensor, radius: float) -> Tensor:
    """The pixel (B, N, 2) with the largest cosine in maps (B, N, H, W), away from the target.

    Away means: more than ``radius`` pixels from targets (B, N, 2).
    """
    height, width = maps.shape[-2:]
    x, y = torch.arange(width, device=maps.device), torch.arange(height, device=maps.device)
    far_x = (x - targets[..., :1]).square()[..., None, :]
    far_y = (y - targets[..., 1:]).square()[..., :, None]
    near = far_y + far_x <= radius**2
    index = maps.masked_fill(near, -torch.inf).flatten(2).argmax(dim=-1)
    return torch.stack([index % width, index // width], dim=-1)


def triplet_loss(
    features_a: Features,
    features_b: Features,
    keypoints: Tensor,
    targets: Tensor,
    strides: Sequence[int],
    sizes: tuple[tuple[int, int], tuple[int, int]],
    valid: Tensor | None = None,
    *,
    margin: float = 1.0,
    radius: float = 4.0,
) -> Tensor:
    r"""Hardest-negative triplet loss on hypercolumns of length 1, averaged over correspondences.

    .. math:: \max\bigl(0,\ \mu + \|h_A-h_B\|^2
              - \min(\|h_A-h_B^-\|^2, \|h_B-h_A^-\|^2)\bigr)

    where :math:`h_B^-` is the most similar wrong pixel of B for the keypoint, and :math:`h_A^-`
    that of A for its match.

    Parameters
    ----------
    features_a, features_b : sequence of Tensor
        One map (B, d, H_m, W_m) per level.
    keypoints, targets : Tensor
        (B, N, 2) in A and true points in B; the pixels that hold them are compared.
    strides : sequence of int
        Of each level.
    sizes : pair of (int, int)
        Height and width of A and of B.
    valid : Tensor of bool, optional
        (B, N), which correspondences count.
    margin : float
        The :math:`\mu` above, on squared distances, which lie in [0, 4].
    radius : float
        Pixels around the true match that are no negatives.
    """
    # The search covers every pixel but needs no gradient: it only says which pixel is compared.
    with torch.no_grad():
        a, b = (
            unit_hypercolumn(upsampled_hypercolumn(f, strides, size))
            for f, size in zip((features_a, features_b), sizes)
        )
        wrong_b = hardest_negative(cosine_map(a, b, keypoints), targets, radius)
        wrong_a = hardest_negative(cosine_map(b, a, targets), keypoints, radius)
    h_a, h_b = (
        descriptors(f, p, strides) for f, p in ((features_a, keypoints), (features_b, targets))
    )
    positive = (h_a * h_b).sum(dim=-1)
    negative = torch.maximum(
        (h_a * descriptors(features_b, wrong_b, strides)).sum(dim=-1),
        (h_b * descriptors(features_a, wrong_a, strides)).sum(dim=-1),
    )
    # Squared distances of unit vectors: 2 - 2 cos.
    losses = F.relu(margin + 2 * (negative - positive))
    return losses.mean() if valid is None else losses[valid].mean()
