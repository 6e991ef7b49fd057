"""The losses of Sect. 3.1 on distance matrices: reconstruction, interpolation, disentanglement.

Every function returns one number per shape or pair, (B,). Sums over matrix entries are means here,
so that a weight means the same for any number of vertices; the diagonal, zero on both sides, is
left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eccvkit.errors import unknown


def euclidean_distances(points: Tensor) -> Tensor:
    """All pairwise Euclidean distances of (B, n, 3), the matrices D_R3 (B, n, n).

    ``cdist`` differences the points: no digits are lost between neighbours, and its gradient at
    distance zero, the diagonal, is zero instead of NaN.
    """
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")


def _off_diagonal(matrix: Tensor) -> Tensor:
    return ~torch.eye(matrix.shape[-1], dtype=torch.bool, device=matrix.device)


def relative_error(true: Tensor, found: Tensor, mask: Tensor | None = None) -> Tensor:
    """Sect. 3.1, "Relative Error": squared error over squared true distance, (B,).

    Parameters
    ----------
    true, found : Tensor
        (B, n, n)
    mask : Tensor, optional
        (B, n, n) bool, pairs of points that count; all but the diagonal if not given.
    """
    mask = _off_diagonal(true).expand_as(true) if mask is None else mask & _off_diagonal(true)
    # Where nothing counts the divisor is 1, so that no 0/0 reaches the gradient.
    squared = ((found - true) / true.masked_fill(~mask, 1.0)).square() * mask
    return squared.sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)


def absolute_error(true: Tensor, found: Tensor) -> Tensor:
    """Mean squared error over the off-diagonal entries of (B, n, n): for geodesics, (B,)."""
    squared = (found - true).square() * _off_diagonal(true)
    n = true.shape[-1]
    return squared.sum((1, 2)) / (n * (n - 1))


def mix(first: Tensor, second: Tensor, alpha: Tensor) -> Tensor:
    """Convex combination (1 - alpha) first + alpha second; alpha (B,) is one number per pair."""
    weight = alpha.to(first.dtype).reshape(-1, *[1] * (first.ndim - 1))
    return (1 - weight) * first + weight * second


def reconstruction_loss(true: Tensor, decoded: Tensor) -> Tensor:
    """Eq. 2: relative error of the Euclidean distances, (B,).

    Parameters
    ----------
    true, decoded : Tensor
        Vertices (B, n, 3). Blind to rotations, translations and mirror images.
    """
    return relative_error(euclidean_distances(true), euclidean_distances(decoded))


def local_mask(geodesics: Tensor, share: float = 0.1) -> Tensor:
    """Pairs of points closer than a share of the shape's diameter, (B, n, n) bool.

    The neighbourhood is measured on the surface: a bent shape may touch itself.
    """
    return geodesics < share * geodesics.amax((1, 2), keepdim=True)


TARGETS = ("input", "decoded")


def interpolation_target(
    inputs: tuple[Tensor, Tensor],
    decoded: tuple[Tensor, Tensor],
    alpha: Tensor,
    target: str = "input",
) -> Tensor:
    """Right-hand side of Eq. 3: the mixture of the distances of both ends.

    Parameters
    ----------
    inputs, decoded : pair of Tensor
        Distance matrices (B, n, n) of the shapes X, and of their reconstructions X'.
    alpha : Tensor
        (B,)
    target : {"input", "decoded"}
        Which of them to mix. Eq. 3 has "decoded"; "input" does not chase a moving target.

    Raises
    ------
    UnknownName
        Not a target.
    """
    if target not in TARGETS:
        raise unknown("target", target, TARGETS)
    return mix(*(inputs if target == "input" else decoded), alpha)


def interpolate_intrinsic(first: Tensor, second: Tensor, alpha: Tensor, n_ext: int) -> Tensor:
    """Code of Eq. 5: intrinsic parts mixed, extrinsic part of the first; codes (B, d)."""
    ext = first.shape[1] - n_ext
    return torch.cat([mix(first[:, :ext], second[:, :ext], alpha), first[:, ext:]], dim=1)


def interpolate_extrinsic(first: Tensor, second: Tensor, alpha: Tensor, n_ext: int) -> Tensor:
    """Code of Eq. 6: intrinsic part of the first, extrinsic parts mixed; codes (B, d)."""
    ext = first.shape[1] - n_ext
    return torch.cat([first[:, :ext], mix(first[:, ext:], second[:, ext:], alpha)], dim=1)


def kl_to_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """Divergence of N(mean, exp(logvar)) from N(0, 1), mean over the d dimensions: (B,)."""
    return (mean.square() + logvar.exp() - 1 - logvar).mean(dim=1) / 2
