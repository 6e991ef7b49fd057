r"""How good a planner is: next-hop accuracy, and success weighted by path length (SPL).

A planner answers with next hops (..., i, t), see :mod:`eccvkit.data.shortest_paths`. Accuracy
compares them with those of the true shortest paths. SPL (Anderson et al., *On Evaluation of
Embodied Navigation Agents*, 2018) follows them:

.. math:: \mathrm{SPL} = \frac1n\sum_i s_i\,\frac{l_i}{\max(p_i, l_i)}

with success s, length p of the way taken and l of the shortest one. On the graph itself Beeching et
al. (ECCV 2020) call it H-SPL.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from eccvkit.data.shortest_paths import hop_counts
from eccvkit.errors import DataError


class Walks(NamedTuple):
    """What happens if next hops are followed, for every pair of nodes.

    Attributes
    ----------
    success : ndarray
        (..., i, t) bool: t is reached from i.
    lengths : ndarray
        (..., i, t) float64 length of the way taken; up to the failure where there is one.
    """

    success: np.ndarray
    lengths: np.ndarray


def distant_pairs(true_hops: np.ndarray, least: int = 2) -> np.ndarray:
    """Pairs (..., i, t) whose shortest path has at least ``least`` edges.

    Next to the target every planner is right: counting such pairs would flatter all of them.
    """
    return hop_counts(true_hops) >= least


def next_hop_accuracy(hops: np.ndarray, true_hops: np.ndarray, pairs: np.ndarray) -> float:
    """Share of the ``pairs`` (..., i, t) for which the planner names the true next hop.

    Raises
    ------
    DataError
        Shapes differ, or no pair is chosen.
    """
    _check(hops, true_hops, pairs)
    return float((hops == true_hops)[pairs].mean())


def follow(hops: np.ndarray, visible: ArrayLike, distances: ArrayLike) -> Walks:
    """Follow next hops over the true edges until the target, a failure, or N steps.

    A walk fails when a step goes along an edge that does not exist, when it stays where it is, when
    there is no next hop, or after N steps: then it goes round in circles.

    Parameters
    ----------
    hops : (..., i, t) int array
    visible : (..., N, N) bool array
        True edges.
    distances : (..., N, N) array
        Their lengths.

    Raises
    ------
    DataError
        Shapes differ, or a next hop is no node.
    """
    visible, distances = np.asarray(visible, dtype=bool), np.asarray(distances, dtype=np.float64)
    _check(hops, visible, distances)
    n = hops.shape[-1]
    if hops.min() < -1 or hops.max() >= n:
        raise DataError(f"next hops from {hops.min()} to {hops.max()} in graphs of {n} nodes")
    target = np.broadcast_to(np.arange(n), hops.shape)
    here = np.broadcast_to(np.arange(n)[:, None], hops.shape)
    walking, lengths = here != target, np.zeros(hops.shape)
    usable = visible & ~np.eye(n, dtype=bool)
    for _ in range(n):
        step = np.take_along_axis(hops, here, axis=-2)
        there = step.clip(min=0)
        walking = walking & (step >= 0) & _pick(usable, here, there)
        lengths += np.where(walking, _pick(distances, here, there), 0.0)
        here = np.where(walking, there, here)
        walking = walking & (here != target)
    return Walks(here == target, lengths)


def _pick(table: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """``table[..., rows, columns]``, map by map."""
    n = table.shape[-1]
    flat = table.reshape(*table.shape[:-2], n * n)
    index = (rows * n + columns).reshape(flat.shape)
    return np.take_along_axis(flat, index, axis=-1).reshape(rows.shape)


def spl(success: ArrayLike, lengths: ArrayLike, shortest: ArrayLike) -> float:
    """Success weighted by path length, a mean over episodes.

    Parameters
    ----------
    success, lengths, shortest : array_like
        Of equal shape: whether an episode succeeded, the length of its way, and of the shortest.

    Raises
    ------
    DataError
        Shapes differ, there are no episodes, or a shortest way is not positive and finite.

    Examples
    --------
    >>> spl([True, True, False], [4.0, 8.0, 3.0], [4.0, 4.0, 4.0])
    0.5
    """
    success = np.asarray(success, dtype=np.float64)
    lengths, shortest = (np.asarray(a, dtype=np.float64) for a in (lengths, shortest))
    _check(success, lengths, shortest)
    if not (np.isfinite(shortest).all() and (shortest > 0).all()):
        raise DataError("SPL: a shortest way is 0 or infinite; leave such pairs out")
    return float((success * shortest / np.maximum(lengths, shortest)).mean())


def h_spl(
    hops: np.ndarray,
    visible: ArrayLike,
    distances: ArrayLike,
    shortest: np.ndarray,
    pairs: np.ndarray,
) -> float:
    """SPL on the graph over the chosen ``pairs``, see :func:`follow`.

    Parameters
    ----------
    hops : (..., i, t) int array
    visible, distances : (..., N, N) array
    shortest : (..., i, t) array
        Lengths of the true shortest paths.
    pairs : (..., i, t) bool array
    """
    walks = follow(hops, visible, distances)
    return spl(walks.success[pairs], walks.lengths[pairs], shortest[pairs])


def _check(*arrays: np.ndarray) -> None:
    shapes = [np.shape(a) for a in arrays]
    if len(set(shapes)) > 1:
        raise DataError(f"planning: arrays of shapes {shapes}; all need the same one")
    if 0 in shapes[0] or (arrays[-1].dtype == bool and not arrays[-1].any()):
        raise DataError("planning: there is no pair of nodes to look at")
