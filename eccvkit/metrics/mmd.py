r"""Maximum mean discrepancy, a distance between the distributions behind two sets of samples.

Gretton et al. (*A Kernel Two-Sample Test*, JMLR 2012). With a kernel k,

.. math:: \mathrm{MMD}^2 = E\,k(x, x') + E\,k(y, y') - 2\,E\,k(x, y)

:func:`mmd2` takes kernel *matrices*, so any kernel will do, on vectors, persistence diagrams or
graphs. :func:`gaussian_kernel` and :func:`median_bandwidth` serve vectors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist, pdist

from eccvkit.errors import DataError


def mmd2(k_xx: ArrayLike, k_yy: ArrayLike, k_xy: ArrayLike, unbiased: bool = True) -> float:
    """Squared maximum mean discrepancy from three kernel matrices.

    Parameters
    ----------
    k_xx, k_yy : array_like
        Kernel within each set, (N, N) and (M, M).
    k_xy : array_like
        Kernel between the sets, (N, M).
    unbiased : bool
        True leaves out the pairs of a sample with itself (Gretton et al., Eq. 3): zero in the mean
        if the distributions are equal, so about half of such values are **negative**. False keeps
        them (Eq. 5): never negative for a positive definite kernel, and positive in the mean even
        for equal distributions.

    Raises
    ------
    DataError
        Shapes do not fit, fewer than two samples in a set, or an entry is not finite.

    Examples
    --------
    >>> same = [[1.0, 0.5], [0.5, 1.0]]
    >>> mmd2(same, same, same)
    -0.5
    >>> mmd2(same, same, same, unbiased=False)
    0.0
    """
    k_xx, k_yy, k_xy = (np.asarray(k, dtype=np.float64) for k in (k_xx, k_yy, k_xy))
    n, m = len(np.atleast_1d(k_xx)), len(np.atleast_1d(k_yy))
    if k_xx.shape != (n, n) or k_yy.shape != (m, m) or k_xy.shape != (n, m):
        raise DataError(
            f"mmd2: kernel matrices of shapes {k_xx.shape}, {k_yy.shape} and {k_xy.shape}; needed "
            "are (N, N), (M, M) and (N, M)"
        )
    if n < 2 or m < 2:
        raise DataError(f"mmd2: {n} and {m} samples; both sets need at least 2")
    if not all(np.isfinite(k).all() for k in (k_xx, k_yy, k_xy)):
        raise DataError("mmd2: a kernel value is NaN or infinite; check distances and bandwidth")
    within = _mean_of_pairs if unbiased else np.mean
    return float(within(k_xx) + within(k_yy) - 2 * k_xy.mean())


def _mean_of_pairs(k: np.ndarray) -> float:
    """Mean of the entries off the diagonal."""
    return (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))


def gaussian_kernel(x: ArrayLike, y: ArrayLike, bandwidth: float) -> np.ndarray:
    r"""Kernel matrix :math:`\exp(-\|x_i - y_j\|^2 / (2\,\text{bandwidth}^2))`, (N, M).

    Parameters
    ----------
    x, y : array_like
        Samples (N, d) and (M, d).
    bandwidth : float
        Length in the units of the samples, such as :func:`median_bandwidth`.

    Raises
    ------
    DataError
        Samples of other or unequal shapes, a value that is not finite, or ``bandwidth`` not
        positive.

    Examples
    --------
    >>> gaussian_kernel([[0.0], [2.0]], [[0.0]], bandwidth=2.0).round(4).tolist()
    [[1.0], [0.6065]]
    """
    x, y = _samples(x), _samples(y)
    if x.shape[1] != y.shape[1]:
        raise DataError(
            f"gaussian_kernel: samples of {x.shape[1]} and {y.shape[1]} numbers; give both sets "
            "the same features"
        )
    if not 0 < bandwidth < np.inf:
        raise DataError(f"gaussian_kernel: bandwidth {bandwidth} is not a positive length")
    return np.exp(-cdist(x, y, "sqeuclidean") / (2 * bandwidth**2))


def median_bandwidth(x: ArrayLike, y: ArrayLike | None = None) -> float:
    """Median distance between different samples, the usual bandwidth when nothing else is known.

    Parameters
    ----------
    x : array_like
        Samples (N, d). Take the real ones only, so that every arm is measured with one kernel.
    y : array_like, optional
        Samples (M, d) to pool with them.

    Raises
    ------
    DataError
        Fewer than two samples, a value that is not finite, or a median of zero: half of the pairs
        are equal.

    Examples
    --------
    >>> median_bandwidth([[0.0], [1.0], [5.0]])
    4.0
    """
    x = _samples(x)
    if y is not None:
        y = _samples(y)
        if x.shape[1] != y.shape[1]:
            raise DataError(
                f"median_bandwidth: samples of {x.shape[1]} and {y.shape[1]} numbers; give both "
                "sets the same features"
            )
        x = np.concatenate([x, y])
    if len(x) < 2:
        raise DataError(f"median_bandwidth: {len(x)} sample(s); at least 2 are needed")
    median = float(np.median(pdist(x)))
    if median == 0:
        raise DataError(
            "median_bandwidth: at least half of the pairs of samples are equal, so the median "
            "distance is 0; choose a bandwidth"
        )
    return median


def _samples(x: ArrayLike) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or 0 in x.shape:
        raise DataError(f"MMD: samples of shape {x.shape}; needed is (samples, features)")
    if not np.isfinite(x).all():
        raise DataError("MMD: a sample is NaN or infinite; check the model's output")
    return x
