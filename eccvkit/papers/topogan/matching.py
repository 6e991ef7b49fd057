"""Section 3.2 of paper 08: distances between diagrams (Eq. 3), and between sets of them (Eq. 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from eccvkit.errors import DataError, unknown
from eccvkit.papers.topogan.persistence import Diagram

#: What to do with diagrams of unequal size: "uniform" spreads a mass of one evenly over the births
#: of each diagram; "slice" adds to each diagram the diagonal points of the other.
CONVENTIONS = ("uniform", "slice")


def _check(match: str) -> None:
    if match not in CONVENTIONS:
        raise unknown("convention of the diagram distance", match, CONVENTIONS)


class Quantiles(NamedTuple):
    """Two step functions on a common partition of [0, 1].

    ``own`` and ``other`` say for each interval which birth it belongs to, ``mass`` how long it is.
    """

    own: np.ndarray
    other: np.ndarray
    mass: np.ndarray


def common_quantiles(n: int, m: int) -> Quantiles:
    """Partition of [0, 1] on which the quantile functions of n and of m equal masses are constant.

    In one dimension the sorted matching is optimal, so this is the optimal plan: exact, with at
    most n + m - 1 intervals.

    Examples
    --------
    >>> plan = common_quantiles(1, 2)
    >>> plan.own.tolist(), plan.other.tolist(), plan.mass.tolist()
    ([0, 0], [0, 1], [0.5, 0.5])
    """
    # In units of 1 / (n m) every end of an interval is a whole number.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    mass = np.diff(ends, prepend=0)
    return Quantiles((ends - 1) // m, (ends - 1) // n, mass / (n * m))


def _uniform_births(diagram: Diagram) -> np.ndarray:
    """Births, where a diagram without points counts as one hole: nothing in it is open."""
    return diagram.births if len(diagram) else np.zeros(1)


def birth_w1(first: Diagram, second: Diagram, match: str = "uniform") -> float:
    r"""Eq. 3: 1-Wasserstein distance between two diagrams that looks at births only.

    Parameters
    ----------
    first, second : Diagram
    match : {"uniform", "slice"}
        "uniform": both sets of births carry a mass of one, so that ten closed loops are like one.
        An empty diagram counts as one point born at 0. "slice": each diagram gets the diagonal
        point :math:`(b+d)/2` of every point of the other, and the two sets of equal size are
        matched in order; this one sees different numbers of points.

    Returns
    -------
    float
        In pixels.

    Raises
    ------
    UnknownName
        No such convention.
    """
    _check(match)
    if match == "slice":
        ours = np.concatenate([first.births, (second.births + second.deaths) / 2])
        theirs = np.concatenate([second.births, (first.births + first.deaths) / 2])
        return float(np.abs(np.sort(ours) - np.sort(theirs)).sum())
    a, b = _uniform_births(first), _uniform_births(second)
    plan = common_quantiles(len(a), len(b))
    return float(plan.mass @ np.abs(a[plan.own] - b[plan.other]))


def pairwise_w1(
    first: Sequence[Diagram], second: Sequence[Diagram], match: str = "uniform"
) -> np.ndarray:
    """Eq. 3 for all pairs at once: the cost matrix (n, m) of Eq. 5.

    Raises
    ------
    UnknownName
        No such convention.
    DataError
        One of the sets is empty.
    """
    _check(match)
    if not len(first) or not len(second):
        raise DataError(
            f"pairwise_w1: sets of {len(first)} and {len(second)} diagrams; give at least one each"
        )
    return _pairwise_slice(first, second) if match == "slice" else _pairwise_uniform(first, second)


def _by_size(many: Sequence[Diagram]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Number of points -> which diagrams, and their births as a matrix."""
    births = [_uniform_births(diagram) for diagram in many]
    sizes = np.array([len(b) for b in births])
    groups = {}
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        groups[int(size)] = rows, np.stack([births[row] for row in rows])
    return groups


def _pairwise_uniform(first: Sequence[Diagram], second: Sequence[Diagram]) -> np.ndarray:
    cost = np.empty((len(first), len(second)))
    for n, (rows, a) in _by_size(first).items():
        for m, (columns, b) in _by_size(second).items():
            plan = common_quantiles(n, m)
            quantiles = plan.mass * a[:, plan.own], plan.mass * b[:, plan.other]
            cost[np.ix_(rows, columns)] = cdist(*quantiles, metric="cityblock")
    return cost


def _pairwise_slice(first: Sequence[Diagram], second: Sequence[Diagram]) -> np.ndarray:
    """Sorted matching on a line is the area between two counting functions.

    With N the number of values up to t, the diagonal points of the *other* diagram change sides:
    ``(N_births1 + N_middles2) - (N_births2 + N_middles1)`` is the difference of one function of
    each diagram, so all pairs are an L1 distance of vectors, exact on the grid of all values.
    """
    many = (*first, *second)
    middles = [(d.births + d.deaths) / 2 for d in many]
    grid = np.unique(np.concatenate([*(d.births for d in many), *middles]))
    if len(grid) < 2:
        return np.zeros((len(first), len(second)))
    excess = np.stack(
        [
            np.searchsorted(d.births, grid[:-1], "right")
            - np.searchsorted(np.sort(middle), grid[:-1], "right")
            for d, middle in zip(many, middles)
        ]
    )
    functions = excess * np.diff(grid)
    return cdist(functions[: len(first)], functions[len(first) :], metric="cityblock")


@dataclass(frozen=True)
class SetMatching:
    """Result of :func:`match_sets`.

    Attributes
    ----------
    cost : (n, m) array
        Eq. 3 for all pairs.
    plan : (n, m) array
        Optimal transport plan of Eq. 5; rows sum to 1 / n and columns to 1 / m.
    partner : (n,) int array
        h(i): the real diagram that gets most of synthetic diagram i.
    loss : float
        Eq. 4: sum of the costs of the matched pairs.
    """

    cost: np.ndarray
    plan: np.ndarray
    partner: np.ndarray
    loss: float


def optimal_plan(cost: ArrayLike) -> np.ndarray:
    """Eq. 5: exact optimal transport between uniform marginals (POT's network simplex)."""
    import ot

    cost = np.asarray(cost, dtype=np.float64)
    return ot.emd(ot.unif(cost.shape[0]), ot.unif(cost.shape[1]), cost)


def match_sets(
    synthetic: Sequence[Diagram], real: Sequence[Diagram], match: str = "uniform"
) -> SetMatching:
    """Match every synthetic diagram with a real one (Eqs. 4 and 5)."""
    cost = pairwise_w1(synthetic, real, match)
    plan = optimal_plan(cost)
    partner = plan.argmax(axis=1)
    return SetMatching(cost, plan, partner, float(cost[np.arange(len(cost)), partner].sum()))


def birth_targets(
    synthetic: Diagram, real: Diagram, match: str = "uniform"
) -> tuple[np.ndarray, np.ndarray]:
    r"""Where the matching of Eq. 3 wants each birth, and the slope of the distance there.

    Returns
    -------
    targets : (k,) array
        Birth of the partner; with "uniform" a point may have several, and this is their mean
        weighted by mass.
    slopes : (k,) array
        :math:`\partial W_1/\partial b_x`, up to the mass of the point: the sign of
        :math:`b_x-b_{\sigma^*(x)}`, averaged in the same way. 0 where the births agree.
    """
    _check(match)
    births = synthetic.births
    if match == "slice":
        values = np.concatenate([births, (real.births + real.deaths) / 2])
        mirror = np.sort(np.concatenate([real.births, (births + synthetic.deaths) / 2]))
        rank = np.argsort(np.argsort(values, kind="stable"), kind="stable")
        targets = mirror[rank[: len(births)]]
        return targets, np.sign(births - targets)
    partners = _uniform_births(real)
    plan = common_quantiles(max(len(births), 1), len(partners))
    targets, slopes = np.zeros(len(births)), np.zeros(len(births))
    if len(births):
        share = plan.mass * len(births)
        other = partners[plan.other]
        np.add.at(targets, plan.own, share * other)
        np.add.at(slopes, plan.own, share * np.sign(births[plan.own] - other))
    return targets, slopes
