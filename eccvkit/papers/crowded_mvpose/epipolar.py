"""What the paper matches against: epipolar distances of joints, and RANSAC without calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eccvkit.errors import DataError

#: Pairs of people from which RANSAC fits a fundamental matrix.
SEED_PEOPLE = 3
#: Hypotheses that RANSAC scores together.
_AT_ONCE = 50


def _homogeneous(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)


def epipolar_distances(matrix: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distance in pixels of joints from each other's epipolar lines, mean of both views.

    Parameters
    ----------
    matrix : (..., 3, 3) array
        F with ``q2 @ F @ q1 == 0``.
    first, second : (n, J, 2) and (m, J, 2) arrays
        The same joints of the people of two views.

    Returns
    -------
    (..., n, m, J) array
    """
    q1, q2 = _homogeneous(first), _homogeneous(second)
    lines2 = np.einsum("...ik,njk->...nji", matrix, q1)
    lines1 = np.einsum("...ki,mjk->...mji", matrix, q2)
    product = np.abs(np.einsum("...nji,mji->...nmj", lines2, q2))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope2 = 1 / np.linalg.norm(lines2[..., :2], axis=-1)[..., :, None, :]
        slope1 = 1 / np.linalg.norm(lines1[..., :2], axis=-1)[..., None, :, :]
        return product * (slope1 + slope2) / 2


def epipolar_cost(
    matrix: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    joints: Sequence[int] | None = None,
) -> np.ndarray:
    """Mean epipolar distance (n, m) in pixels over the joints that both people have.

    Parameters
    ----------
    joints : sequence of int, optional
        Which ones to use; all if not given.

    Returns
    -------
    (n, m) array
        Infinite where two people share no joint.
    """
    if joints is not None:
        first, second = first[:, list(joints)], second[:, list(joints)]
    distances = epipolar_distances(matrix, first, second)
    seen = np.isfinite(distances)
    count = seen.sum(axis=-1)
    mean = np.where(seen, distances, 0.0).sum(axis=-1) / np.maximum(count, 1)
    return np.where(count > 0, mean, np.inf)


def fit_fundamental(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The matrix (..., 3, 3) of least algebraic error by the normalised eight-point method.

    Parameters
    ----------
    first, second : (..., n, 2) arrays
        At least 8 points each, in correspondence; leading dimensions are batches.

    Raises
    ------
    DataError
        Fewer than 8 points, or shapes that differ.
    """
    if first.shape != second.shape or first.shape[-2] < 8 or first.shape[-1] != 2:
        raise DataError(
            f"fit_fundamental: points of shapes {first.shape} and {second.shape}; give at least 8 "
            "pairs (..., n, 2)"
        )
    (q1, t1), (q2, t2) = _normalised(first), _normalised(second)
    rows = (q2[..., :, None] * q1[..., None, :]).reshape(*q1.shape[:-1], 9)
    # The smallest eigenvector of 9 x 9 instead of the singular vector of n x 9: much cheaper.
    _, vectors = np.linalg.eigh(rows.swapaxes(-1, -2) @ rows)
    matrix = vectors[..., 0].reshape(*first.shape[:-2], 3, 3)
    u, s, vt = np.linalg.svd(matrix)
    s[..., 2] = 0
    matrix = t2.swapaxes(-1, -2) @ ((u * s[..., None, :]) @ vt) @ t1
    return matrix / np.linalg.norm(matrix, axis=(-1, -2), keepdims=True)


def _normalised(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Homogeneous points with mean 0 and mean length sqrt 2, and the matrix that makes them so."""
    mean = points.mean(axis=-2, keepdims=True)
    scale = np.sqrt(2) / np.linalg.norm(points - mean, axis=-1).mean(axis=-1).clip(1e-12)
    change = np.zeros((*points.shape[:-2], 3, 3))
    change[..., 0, 0] = change[..., 1, 1] = scale
    change[..., :2, 2] = -scale[..., None] * mean[..., 0, :]
    change[..., 2, 2] = 1
    return _homogeneous((points - mean) * scale[..., None, None]), change


def ransac_cost(
    first: np.ndarray,
    second: np.ndarray,
    rng: np.random.Generator,
    *,
    trials: int = 200,
    inlier: float = 10.0,
) -> np.ndarray:
    """Epipolar costs (n, m) under the fundamental matrix that RANSAC finds, without calibration.

    A hypothesis pairs three random people of one view with three of the other one and fits F to all
    their joints. Its score is the number of people of the first view who have somebody in the
    second one within the inlier distance. The best hypothesis gives the costs.

    Parameters
    ----------
    first, second : (n, J, 2) and (m, J, 2) arrays
    rng : numpy.random.Generator
    trials : int
        Hypotheses. Of n people, one in n (n - 1) (n - 2) pairs three of them rightly.
    inlier : float
        Mean epipolar distance in pixels below which two people agree.

    Returns
    -------
    (n, m) array
        Infinite if a view has fewer than three people.
    """
    n, m = len(first), len(second)
    if min(n, m) < SEED_PEOPLE:
        return np.full((n, m), np.inf)
    seeds1 = np.argsort(rng.random((trials, n)), axis=1)[:, :SEED_PEOPLE]
    seeds2 = np.argsort(rng.random((trials, m)), axis=1)[:, :SEED_PEOPLE]
    most, best = -1, np.full((n, m), np.inf)
    # A few at a time: all hypotheses at once would need gigabytes.
    for some in np.array_split(np.arange(trials), -(-trials // _AT_ONCE)):
        points = (
            view[seeds[some]].reshape(len(some), -1, 2)
            for view, seeds in ((first, seeds1), (second, seeds2))
        )
        costs = epipolar_distances(fit_fundamental(*points), first, second).mean(axis=-1)
        agree = (costs.min(axis=2) < inlier).sum(axis=1)
        if agree.max() > most:
            most, best = agree.max(), costs[agree.argmax()]
    return best
