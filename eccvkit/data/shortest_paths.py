"""Shortest paths in batches of small dense graphs: distances, next hops, numbers of hops.

scipy and networkx solve one graph per call. A study of planners needs the paths of thousands of
graphs of ten or twenty nodes, and there one min-plus update of a whole batch per node
(Floyd-Warshall) takes no longer than a few calls. The tests compare the results with scipy.

Conventions: ``costs[..., i, j]`` is the cost of the edge from i to j, ``inf`` where there is none;
the diagonal is ignored. ``next_hop[..., i, t]`` is the node that follows i on the way **to** t: t
itself one hop before the end and at the end, and :data:`NOWHERE` if t cannot be reached.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from eccvkit.errors import DataError

#: Next hop where there is no way.
NOWHERE = -1


def shortest_distances(costs: ArrayLike) -> np.ndarray:
    """Lengths of the shortest paths between all pairs, for a batch of graphs.

    Parameters
    ----------
    costs : (..., N, N) array
        Costs of at least 0; ``inf`` means no edge. Edges may be directed.

    Returns
    -------
    ndarray
        (..., N, N) float64; ``inf`` where there is no way, 0 on the diagonal.

    Raises
    ------
    DataError
        Not square, NaN, or a negative cost (a walk to and fro would cost less and less).

    Examples
    --------
    >>> shortest_distances([[0, 1, 5], [1, 0, 2], [5, 2, 0]])[0]
    array([0., 1., 3.])
    """
    distances = _checked(costs)
    for k in range(distances.shape[-1]):
        through_k = distances[..., :, k, None] + distances[..., None, k, :]
        np.minimum(distances, through_k, out=distances)
    return distances


def next_hops(costs: ArrayLike, distances: np.ndarray | None = None) -> np.ndarray:
    """The node after i on the shortest path from i to t, for all pairs.

    Parameters
    ----------
    costs : (..., N, N) array
        See :func:`shortest_distances`. Costs should be positive: along edges of cost 0 two nodes
        may name each other.
    distances : (..., N, N) array, optional
        The result of :func:`shortest_distances`, if it is at hand.

    Returns
    -------
    ndarray
        (..., i, t) int64; t at i = t, :data:`NOWHERE` where there is no way.
    """
    costs = _checked(costs)
    distances = shortest_distances(costs) if distances is None else distances
    n = costs.shape[-1]
    others = np.where(np.eye(n, dtype=bool), np.inf, costs)
    # [..., i, j, t]: to the neighbour j, and on from there to t.
    ways = others[..., :, :, None] + distances[..., None, :, :]
    hops = ways.argmin(axis=-2)
    hops[~np.isfinite(ways.min(axis=-2))] = NOWHERE
    own = np.arange(n)
    hops[..., own, own] = own
    return hops


def hop_counts(hops: np.ndarray) -> np.ndarray:
    """Number of edges on the way from i to t that next hops (..., i, t) describe.

    Returns
    -------
    ndarray
        (..., i, t) int64; 0 on the diagonal, :data:`NOWHERE` where the way never arrives.
    """
    n = hops.shape[-1]
    target = np.broadcast_to(np.arange(n), hops.shape)
    here = np.broadcast_to(np.arange(n)[:, None], hops.shape)
    counts = np.full(hops.shape, NOWHERE)
    for step in range(n):
        counts[(here == target) & (counts == NOWHERE)] = step
        there = np.take_along_axis(hops, here.clip(min=0), axis=-2)
        here = np.where(here == NOWHERE, NOWHERE, there)
    return counts


def connected(visible: ArrayLike) -> np.ndarray:
    """Which graphs (..., N, N) of a batch have a way between all pairs of nodes.

    Examples
    --------
    >>> connected([[[0, 1], [1, 0]], [[0, 0], [0, 0]]]).tolist()
    [True, False]
    """
    costs = np.where(np.asarray(visible, dtype=bool), 1.0, np.inf)
    return np.isfinite(shortest_distances(costs)).all(axis=(-2, -1))


def _checked(costs: ArrayLike) -> np.ndarray:
    """A float64 copy with 0 on the diagonal, or a DataError."""
    costs = np.array(costs, dtype=np.float64)
    if costs.ndim < 2 or costs.shape[-1] != costs.shape[-2]:
        raise DataError(f"edge costs have shape {costs.shape}; needed is (..., N, N)")
    n = costs.shape[-1]
    costs[..., np.arange(n), np.arange(n)] = 0.0
    if np.isnan(costs).any():
        raise DataError("an edge cost is NaN: use inf where there is no edge")
    if (costs < 0).any():
        raise DataError(
            f"an edge cost is {costs.min():g}: shortest paths need costs of at least 0; "
            "add a constant or use a smaller weight of the reward"
        )
    return costs
