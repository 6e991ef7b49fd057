"""The baseline of paper 37: metric learning on hypercolumns, with the hardest negative (D2-Net).

Descriptors are the concatenated levels at a pixel, of length 1. The triplet of a correspondence is
its two descriptors and the most similar wrong one; the search for it covers every pixel, so that
the baseline sees as many negatives as the cross-entropy does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def unit_hypercolumn(dense: Tensor) -> Tensor:
    """Hypercolumns (B, D, H, W) with descriptors of length 1."""
    return F.normalize(dense, dim=1)


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


def hardest_negative(maps: Tensor, targets: Tensor, radius: float) -> Tensor:
    """Largest cosine (B, N) of maps (B, N, H, W) more than ``radius`` pixels from the target."""
    height, width = maps.shape[-2:]
    x, y = torch.arange(width, device=maps.device), torch.arange(height, device=maps.device)
    far_x = (x - targets[..., :1]).square()[..., None, :]
    far_y = (y - targets[..., 1:]).square()[..., :, None]
    near = far_y + far_x <= radius**2
    return maps.masked_fill(near, -1.0).flatten(2).amax(dim=-1)


def triplet_loss(
    dense_a: Tensor,
    dense_b: Tensor,
    keypoints: Tensor,
    targets: Tensor,
    valid: Tensor | None = None,
    *,
    margin: float = 1.0,
    radius: float = 4.0,
) -> Tensor:
    r"""Hardest-negative triplet loss, :math:`\max(0, \mu + \|a - p\|^2 - \|a - n\|^2)`, averaged.

    The negative is the harder one of the two directions: the most similar wrong pixel of B for the
    keypoint, and of A for its match.

    Parameters
    ----------
    dense_a, dense_b : Tensor
        (B, D, H, W) hypercolumns; made unit here.
    keypoints, targets : Tensor
        (B, N, 2) in A and true points in B.
    valid : Tensor of bool, optional
        (B, N), which correspondences count.
    margin : float
        The paper's :math:`\mu` on squared distances, which lie in [0, 4].
    radius : float
        Pixels around the true match that are no negatives.
    """
    a, b = unit_hypercolumn(dense_a), unit_hypercolumn(dense_b)
    positive = (at_pixels(a, keypoints) * at_pixels(b, targets)).sum(dim=-1)
    negative = torch.maximum(
        hardest_negative(cosine_map(a, b, keypoints), targets, radius),
        hardest_negative(cosine_map(b, a, targets), keypoints, radius),
    )
    # Squared distances of unit vectors: 2 - 2 cos.
    losses = F.relu(margin + 2 * (negative - positive))
    return losses.mean() if valid is None else losses[valid].mean()
