"""Lay one point cloud onto another: the rigid or similarity transform of least squares.

Points are given in correspondence (row i of one cloud belongs to row i of the other). Kabsch
(*A solution for the best rotation to relate two sets of vectors*, 1976) solves it by one singular
value decomposition; Umeyama (*Least-squares estimation of transformation parameters between two
point patterns*, PAMI 1991) adds the scale and the sign that keeps a rotation from being a mirror.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from eccvkit.errors import DataError


class Alignment(NamedTuple):
    """Result of :func:`procrustes`: ``aligned = scale * x @ rotation.mT + translation``.

    Attributes
    ----------
    aligned : Tensor
        The moved points, (..., n, d).
    rotation : Tensor
        Orthogonal matrices (..., d, d), acting on column vectors.
    translation : Tensor
        Vectors (..., d).
    scale : Tensor
        Factors (...,); ones unless asked for.
    """

    aligned: Tensor
    rotation: Tensor
    translation: Tensor
    scale: Tensor


def procrustes(x: Tensor, y: Tensor, *, reflection: bool = False, scale: bool = False) -> Alignment:
    r"""Move ``x`` onto ``y``: :math:`\min_{s,R,t} \sum_i \|s R x_i + t - y_i\|^2` for every cloud.

    Parameters
    ----------
    x, y : Tensor
        Points in correspondence, (..., n, d) with d >= 2 and n >= 2; the leading dimensions are
        batches, and x and y have the same shape.
    reflection : bool
        Allow mirror images. Otherwise the determinant of every rotation is +1.
    scale : bool
        Fit a common factor as well (Umeyama), as for PA-MPJPE. Otherwise it is 1.

    Raises
    ------
    DataError
        Shapes differ, fewer than two points or coordinates, or a coordinate is not finite.

    Notes
    -----
    Clouds that do not fix the rotation still have a defined result of least squares: points on a
    line or in a plane get one of the best rotations. If all points of ``x`` or all of ``y``
    coincide, the rotation is the identity; if those of ``x`` do, the scale is 1.

    Gradients flow through the decomposition; they are unbounded where singular values coincide,
    so use it under ``torch.no_grad()`` for evaluation.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> quarter_turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    >>> fit = procrustes(x, x @ quarter_turn.T + 5)
    >>> bool(torch.allclose(fit.rotation, quarter_turn, atol=1e-5))
    True
    """
    _check(x, y)
    mean_x, mean_y = x.mean(dim=-2, keepdim=True), y.mean(dim=-2, keepdim=True)
    x0, y0 = x - mean_x, y - mean_y
    u, s, vt = torch.linalg.svd(y0.mT @ x0)
    signs = torch.ones_like(s)
    if not reflection:
        # Where the best orthogonal matrix is a mirror, flip the direction that costs least.
        signs[..., -1] = torch.linalg.det(u @ vt).sign()
    no_rotation = (_is_point(x, x0) | _is_point(y, y0))[..., None, None]
    identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    rotation = torch.where(no_rotation, identity, (u * signs.unsqueeze(-2)) @ vt)
    factor = torch.ones_like(s[..., 0])
    if scale:
        flat = _is_point(x, x0)
        spread = x0.square().sum(dim=(-2, -1)).masked_fill(flat, 1)
        factor = torch.where(flat, factor, (s * signs).sum(dim=-1) / spread)
    matrix = factor[..., None, None] * rotation
    # From the centred points, so that a cloud far from the origin keeps its digits.
    aligned = x0 @ matrix.mT + mean_y
    translation = (mean_y - mean_x @ matrix.mT).squeeze(-2)
    return Alignment(aligned, rotation, translation, factor)


def _is_point(points: Tensor, centred: Tensor) -> Tensor:
    """Whether the points of each cloud coincide up to the rounding of their mean."""
    rounding = 4 * torch.finfo(points.dtype).eps * points.abs().amax(dim=(-2, -1))
    return centred.abs().amax(dim=(-2, -1)) <= rounding


def _check(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape:
        raise DataError(
            f"procrustes: clouds of shapes {tuple(x.shape)} and {tuple(y.shape)} are not in "
            "correspondence; give both the same shape (..., points, coordinates)"
        )
    if x.ndim < 2 or x.shape[-2] < 2 or x.shape[-1] < 2:
        raise DataError(
            f"procrustes: clouds of shape {tuple(x.shape)}; needed are at least 2 points with at "
            "least 2 coordinates, (..., points, coordinates)"
        )
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise DataError("procrustes: a coordinate is NaN or infinite; check the model's output")
