"""Intervals over seeds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Interval(NamedTuple):
    """A mean and its confidence interval; ``low`` and ``high`` are NaN below two values."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean and Student-t confidence interval.

    For paired arms pass the differences: same seed, same data, so the variation that both arms
    share cancels. If all values agree the interval has zero width.

    Examples
    --------
    >>> mean_interval([1.0, 2.0, 3.0]).low.round(3)
    np.float64(-0.484)
    """
    values = np.asarray(values, dtype=np.float64).ravel()
    n = len(values)
    mean = float(values.mean()) if n else float("nan")
    if n < 2:
        return Interval(mean, float("nan"), float("nan"), n)
    half = stats.t.ppf(0.5 + confidence / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)
