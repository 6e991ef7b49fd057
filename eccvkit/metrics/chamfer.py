"""Distances between point clouds without correspondence: chamfer distance and F-score.

Papers mean different things by *the* chamfer distance, so the two choices are explicit:

- ``squared``: mean of distances to the nearest neighbour (False), or of their squares (True);
- ``reduce``: the "sum" of the two directions, or their "mean", half of it.

Averages over points are always means. Every cloud of a batch gets its own value.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from torch import Tensor

from eccvkit.errors import DataError, unknown

#: Factor of the sum of the two directions.
REDUCTIONS = {"sum": 1.0, "mean": 0.5}

_Array = TypeVar("_Array", Tensor, np.ndarray)


def nearest_distances(x: Tensor, y: Tensor, *, squared: bool = False) -> tuple[Tensor, Tensor]:
    """Distance of every point to the nearest point of the other cloud, in both directions.

    Parameters
    ----------
    x, y : Tensor
        Clouds (..., n, d) and (..., m, d) with equal leading dimensions, floating point.
    squared : bool
        Squares of the distances.

    Returns
    -------
    x_to_y, y_to_x : Tensor
        (..., n) and (..., m). A mean of the first alone is the one-sided distance (fidelity).

    Raises
    ------
    DataError
        Shapes do not fit, a cloud is empty, or a coordinate is not finite. Where a gradient is
        asked for, NaN passes through instead: the training loop then names the step.

    Notes
    -----
    Memory grows with n * m; for large clouds see :func:`chamfer_kdtree`. The gradient treats the
    choice of the neighbour as constant and is zero between points that coincide.

    Examples
    --------
    >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [5.0]])
    >>> [d.tolist() for d in nearest_distances(x, y)]
    [[0.0, 1.0], [0.0, 4.0]]
    """
    _check_shapes(x, y)
    if x.shape[:-2] != y.shape[:-2]:
        raise DataError(
            f"point clouds: batches of shapes {tuple(x.shape[:-2])} and {tuple(y.shape[:-2])}; "
            "give both as many clouds"
        )
    if not (x.requires_grad or y.requires_grad):
        _check_finite(bool(torch.isfinite(x).all() and torch.isfinite(y).all()))
    with torch.no_grad():
        # By matrix products the distances of near points would lose half of their digits.
        table = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
        near_x, near_y = table.argmin(dim=-1), table.argmin(dim=-2)
    return _lengths(x - _take(y, near_x), squared), _lengths(y - _take(x, near_y), squared)


def chamfer_distance(
    x: Tensor, y: Tensor, *, squared: bool = False, reduce: str = "mean"
) -> Tensor:
    """Mean distance to the nearest neighbour, from x to y and from y to x. Differentiable.

    Parameters
    ----------
    x, y : Tensor
        Clouds (..., n, d) and (..., m, d) with equal leading dimensions, floating point.
    squared : bool
        Average squared distances.
    reduce : {"mean", "sum"}
        What to make of the two directions.

    Returns
    -------
    Tensor
        (...,): a scalar for two single clouds.

    Raises
    ------
    UnknownName
        ``reduce`` is neither.
    DataError
        As :func:`nearest_distances`.

    Examples
    --------
    >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [5.0]])
    >>> chamfer_distance(x, y).item(), chamfer_distance(x, y, squared=True, reduce="sum").item()
    (1.25, 8.5)
    """
    factor = _factor(reduce)
    x_to_y, y_to_x = nearest_distances(x, y, squared=squared)
    return factor * (x_to_y.mean(dim=-1) + y_to_x.mean(dim=-1))


def chamfer_kdtree(
    x: ArrayLike, y: ArrayLike, *, squared: bool = False, reduce: str = "mean"
) -> float:
    """:func:`chamfer_distance` of two single large clouds by k-d trees, without gradient.

    Time grows with n log m and memory with n + m, so a million points are no trouble.

    Parameters
    ----------
    x, y : array_like
        Clouds (n, d) and (m, d).
    squared, reduce
        As for :func:`chamfer_distance`.

    Examples
    --------
    >>> chamfer_kdtree([[0.0], [1.0]], [[0.0], [5.0]])
    1.25
    """
    factor = _factor(reduce)
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    _check_shapes(x, y)
    if x.ndim != 2 or y.ndim != 2:
        raise DataError(
            f"chamfer_kdtree: clouds of shapes {x.shape} and {y.shape}; give one pair of clouds, "
            "(points, coordinates), at a time"
        )
    _check_finite(bool(np.isfinite(x).all() and np.isfinite(y).all()))
    power = 2 if squared else 1
    directions = (cKDTree(b).query(a)[0] for a, b in ((x, y), (y, x)))
    return factor * sum(float((distances**power).mean()) for distances in directions)


def f_score(x: Tensor, y: Tensor, threshold: float) -> Tensor:
    """Harmonic mean of precision and recall at a distance (Knapitsch et al., *Tanks and Temples*).

    Precision is the share of predicted points nearer than ``threshold`` to the truth, recall the
    share of true points nearer than it to the prediction.

    Parameters
    ----------
    x, y : Tensor
        Predicted clouds (..., n, d) and true ones (..., m, d), floating point.
    threshold : float
        Distance in the units of the points, above zero.

    Returns
    -------
    Tensor
        (...,), in [0, 1]; 0 where precision and recall are.

    Raises
    ------
    DataError
        As :func:`nearest_distances`, or a threshold that is not positive.

    Examples
    --------
    >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [5.0]])
    >>> round(f_score(x, y, threshold=2.0).item(), 4)
    0.6667
    """
    if not threshold > 0:
        raise DataError(f"f_score: threshold {threshold} is not positive; give a distance")
    x_to_y, y_to_x = nearest_distances(x.detach(), y.detach())
    precision = (x_to_y < threshold).to(x.dtype).mean(dim=-1)
    recall = (y_to_x < threshold).to(x.dtype).mean(dim=-1)
    both = precision + recall
    return torch.where(both > 0, 2 * precision * recall / both, torch.zeros_like(both))


def _take(points: Tensor, index: Tensor) -> Tensor:
    """Rows ``index`` (..., n) of every cloud (..., m, d): (..., n, d)."""
    return points.gather(-2, index.unsqueeze(-1).expand(*index.shape, points.shape[-1]))


def _lengths(differences: Tensor, squared: bool) -> Tensor:
    if squared:
        return differences.square().sum(dim=-1)
    return torch.linalg.vector_norm(differences, dim=-1)


def _factor(reduce: str) -> float:
    if reduce not in REDUCTIONS:
        raise unknown("reduction of the two directions", reduce, REDUCTIONS)
    return REDUCTIONS[reduce]


def _check_shapes(x: _Array, y: _Array) -> None:
    if min(x.ndim, y.ndim) < 2 or x.shape[-1] != y.shape[-1] or 0 in (*x.shape, *y.shape):
        raise DataError(
            f"point clouds of shapes {tuple(x.shape)} and {tuple(y.shape)}; needed is "
            "(..., points, coordinates) with equal coordinates and at least one point"
        )


def _check_finite(finite: bool) -> None:
    if not finite:
        raise DataError(
            "point clouds: a coordinate is NaN or infinite; check the model's output or the file"
        )
