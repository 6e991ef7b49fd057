"""Who is who across views, by where their feet stand (Sect. 3.2, Eqs. 2 to 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.cluster.hierarchy import DisjointSet
from scipy.optimize import linear_sum_assignment

from eccvkit.data.cameras import apply_homography
from eccvkit.data.people import FEET
from eccvkit.errors import DataError

#: k1, k2, k3 of Eq. 4 on a ground plane in metres; the paper does not give them.
WEIGHTS = (1.0, 0.5, 0.1)
#: Cost above which a pair of detections is not one person, in metres; the paper is silent.
FEET_GATE = 0.8
#: Strides shorter than this have no direction, in metres (or pixels, where feet are in pixels).
_NO_STRIDE = 1e-6

#: Costs of all pairs of detections of two views: ``{(j, k): (n_j, n_k) array}``.
PairCosts = Mapping[tuple[int, int], np.ndarray]


def feet_of(joints: np.ndarray) -> np.ndarray:
    """Left and right foot (n, 2, 2): the mean of the three foot points of each.

    Parameters
    ----------
    joints : (n, 23, 2) array
        Missing points are NaN and left out; a foot without any is NaN.
    """
    feet = joints[:, np.array(FEET)]
    seen = np.isfinite(feet).all(axis=-1, keepdims=True)
    count = seen.sum(axis=2)
    total = np.where(seen, feet, 0.0).sum(axis=2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def rectify(feet: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Feet (n, 2, 2) under a homography of the ground; NaN stays, the horizon becomes NaN.

    The points are mapped, and strides are formed afterwards: a homography does not act on vectors.
    """
    mapped = apply_homography(homography, np.nan_to_num(feet))
    lost = ~(np.isfinite(feet) & np.isfinite(mapped)).all(axis=-1, keepdims=True)
    return np.where(lost, np.nan, mapped)


def feet_cost(
    first: np.ndarray, second: np.ndarray, weights: Sequence[float] = WEIGHTS
) -> np.ndarray:
    r"""Eq. 4 for all pairs of two views, with feet already rectified to a common plane.

    .. math:: c_{lm}=k_1\|p_l-p_m\|+k_2\bigl|\|v_l\|-\|v_m\|\bigr|
              +k_3\frac{|v_l\times v_m|}{\|v_l\|\|v_m\|}

    where p is the point between the feet and v the stride from the left to the right foot.

    Parameters
    ----------
    first, second : (n, 2, 2) and (m, 2, 2) arrays
        Left and right foot; see :func:`rectify`.
    weights : (k1, k2, k3)

    Returns
    -------
    (n, m) array
        Infinite where a foot is missing. A stride of length 0 has no direction and costs nothing
        in the third term.

    Raises
    ------
    DataError
        Another shape, or a negative weight.
    """
    for feet in (first, second):
        if feet.ndim != 3 or feet.shape[1:] != (2, 2):
            raise DataError(
                f"feet_cost: feet of shape {feet.shape}; give (people, left and right, x and y)"
            )
    if len(weights) != 3 or min(weights) < 0:
        raise DataError(f"feet_cost: weights are {tuple(weights)}; give three of at least 0")
    k1, k2, k3 = weights
    p_l, p_m = first.mean(axis=1)[:, None], second.mean(axis=1)[None]
    v_l, v_m = (first[:, 1] - first[:, 0])[:, None], (second[:, 1] - second[:, 0])[None]
    long_l, long_m = np.linalg.norm(v_l, axis=-1), np.linalg.norm(v_m, axis=-1)
    cross = np.abs(v_l[..., 0] * v_m[..., 1] - v_l[..., 1] * v_m[..., 0])
    lengths = long_l * long_m
    turned = np.where((long_l > _NO_STRIDE) & (long_m > _NO_STRIDE), lengths, np.inf)
    cost = (
        k1 * np.linalg.norm(p_l - p_m, axis=-1) + k2 * np.abs(long_l - long_m) + k3 * cross / turned
    )
    return np.where(np.isfinite(cost), cost, np.inf)


def assign(cost: np.ndarray, gate: float = np.inf) -> np.ndarray:
    """Eq. 3: the pairs (k, 2) of least total cost, at most one per row and per column.

    The printed equalities cannot hold for two views with different numbers of people. Here as many
    pairs as the smaller view allows are assigned, and then those above the gate are dropped.

    Parameters
    ----------
    cost : (n, m) array
        Infinite for pairs that cannot be.
    gate : float
        Largest cost of a pair that is kept.

    Examples
    --------
    >>> assign(np.array([[1.0, 0.2, 9.0], [0.1, 0.3, 9.0]]), gate=1.0).tolist()
    [[0, 1], [1, 0]]
    """
    if cost.ndim != 2 or np.isnan(cost).any():
        raise DataError(
            f"assign: costs of shape {cost.shape}; give (n, m) numbers, none of them NaN"
        )
    if not cost.size:
        return np.empty((0, 2), dtype=int)
    finite = np.isfinite(cost)
    # Dearer than any set of possible pairs, so that an impossible pair is a last resort.
    barred = 1.0 + 2 * np.abs(cost[finite]).sum()
    rows, columns = linear_sum_assignment(np.where(finite, cost, barred))
    kept = finite[rows, columns] & (cost[rows, columns] <= gate)
    return np.column_stack([rows[kept], columns[kept]])


def merge(costs: PairCosts, pairs: Mapping[tuple[int, int], np.ndarray], counts: Sequence[int]):
    """People from the pairs of all views: cheap edges first, and nobody twice in one view.

    An edge that would put two detections of one view into one person is refused, so conflicts go
    to the cheaper edge (Sect. 3.2, Solver).

    Parameters
    ----------
    costs : mapping of (view, view) to (n, m) array
    pairs : mapping of (view, view) to (k, 2) array
        What :func:`assign` found for each two views.
    counts : sequence of int
        Detections of each view.

    Returns
    -------
    (G, V) int array
        The detection of each person in each view, -1 where there is none. A detection without any
        edge is a person by itself.
    """
    nodes = [(view, i) for view, count in enumerate(counts) for i in range(count)]
    people = DisjointSet(nodes)
    edges = sorted(
        (costs[views][a, b], views, a, b) for views, found in pairs.items() for a, b in found
    )
    for _, (j, k), a, b in edges:
        views = {view for view, _ in people.subset((j, a))}
        if views.isdisjoint(view for view, _ in people.subset((k, b))):
            people.merge((j, a), (k, b))
    groups = np.full((people.n_subsets, len(counts)), -1)
    for row, members in zip(groups, people.subsets()):
        for view, i in members:
            row[view] = i
    return groups


def match_views(costs: PairCosts, counts: Sequence[int], gate: float) -> np.ndarray:
    """Assign every two views and merge: people (G, V), see :func:`merge`.

    Raises
    ------
    DataError
        The costs of two views do not have one row and one column per detection.
    """
    for (j, k), cost in costs.items():
        if cost.shape != (counts[j], counts[k]):
            raise DataError(
                f"match_views: costs of views {j} and {k} have shape {cost.shape}, but there are "
                f"{counts[j]} and {counts[k]} detections"
            )
    return merge(costs, {views: assign(c, gate) for views, c in costs.items()}, counts)


def pair_scores(groups: np.ndarray, persons: Sequence[np.ndarray]) -> dict[str, int]:
    """Pairs of detections in one group, how many of them are one person, and how many could be.

    Parameters
    ----------
    groups : (G, V) int array
    persons : sequence of (n_v,) int arrays
        The true person of every detection of every view.

    Returns
    -------
    dict of int
        ``found``, ``right`` and ``possible``; precision is right / found, recall right / possible.
    """
    found = right = possible = 0
    for j in range(len(persons)):
        for k in range(j):
            both = groups[(groups[:, j] >= 0) & (groups[:, k] >= 0)]
            found += len(both)
            right += int((persons[j][both[:, j]] == persons[k][both[:, k]]).sum())
            possible += len(np.intersect1d(persons[j], persons[k]))
    return {"found": found, "right": right, "possible": possible}
