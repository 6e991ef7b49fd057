"""Section 3.4 of paper 08: how far a set of masks is from another one, seen by its topology."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from eccvkit.errors import DataError
from eccvkit.metrics.mmd import mmd2
from eccvkit.papers.topogan.matching import pairwise_w1
from eccvkit.papers.topogan.persistence import Diagram


def betti_score(first: ArrayLike, second: ArrayLike) -> float:
    r"""Chi-squared distance of the histograms of two samples of Betti numbers.

    .. math:: \sum_k \frac{(a_k-b_k)^2}{a_k+b_k}

    with :math:`a`, :math:`b` the shares of masks with :math:`k` holes; bins empty in both do not
    count. The score lies in [0, 2]; the paper prints 1.775, so it does not halve the sum.

    Parameters
    ----------
    first, second : (n,) and (m,) int array

    Raises
    ------
    DataError
        A sample is empty, or has negative numbers.

    Examples
    --------
    >>> betti_score([1, 1, 2, 2], [2, 2, 2, 2])
    0.6666666666666666
    """
    samples = [np.asarray(values) for values in (first, second)]
    if any(values.size == 0 or values.min() < 0 for values in samples):
        raise DataError("betti_score: needs two samples of Betti numbers, none empty or negative")
    top = max(int(values.max()) for values in samples) + 1
    a, b = (np.bincount(values, minlength=top) / values.size for values in samples)
    filled = a + b > 0
    return float((np.square(a - b)[filled] / (a + b)[filled]).sum())


def betti_numbers(many: Sequence[Diagram]) -> np.ndarray:
    """(n,) number of holes of each diagram."""
    return np.array([diagram.betti for diagram in many], dtype=np.int64)


class DiagramMMD(NamedTuple):
    """Result of :func:`diagram_mmd`.

    Attributes
    ----------
    squared : float
        Unbiased estimate of the squared discrepancy; may be negative.
    root : float
        Square root of its positive part.
    bandwidth : float
        The squared bandwidth of the kernel.
    """

    squared: float
    root: float
    bandwidth: float


def median_distance(real: Sequence[Diagram], match: str = "slice") -> float:
    """Median of Eq. 3 over the pairs of a real set: our choice of the squared bandwidth.

    Raises
    ------
    DataError
        Fewer than two diagrams, or more than half of the pairs are equal.
    """
    if len(real) < 2:
        raise DataError(f"median_distance: {len(real)} diagram(s); at least two are needed")
    distances = pairwise_w1(real, real, match)[np.triu_indices(len(real), k=1)]
    median = float(np.median(distances))
    if median <= 0:
        raise DataError("median_distance: most real diagrams are equal; pass a bandwidth")
    return median


def diagram_mmd(
    synthetic: Sequence[Diagram],
    real: Sequence[Diagram],
    bandwidth: float | None = None,
    match: str = "slice",
) -> DiagramMMD:
    r"""Maximum mean discrepancy with the kernel :math:`\exp(-W_1/\sigma^2)`.

    Parameters
    ----------
    synthetic, real : sequence of Diagram
        At least two each.
    bandwidth : float, optional
        :math:`\sigma^2` in pixels, which the paper does not state; :func:`median_distance` of the
        real set if not given.
    match : {"slice", "uniform"}
        Convention of the distance; "slice" sees different numbers of points.
    """
    bandwidth = median_distance(real, match) if bandwidth is None else bandwidth

    def kernel(a: Sequence[Diagram], b: Sequence[Diagram]) -> np.ndarray:
        return np.exp(-pairwise_w1(a, b, match) / bandwidth)

    squared = float(mmd2(kernel(synthetic, synthetic), kernel(real, real), kernel(synthetic, real)))
    return DiagramMMD(squared, float(np.sqrt(max(squared, 0.0))), bandwidth)
