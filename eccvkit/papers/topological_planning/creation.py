"""Graph creation (Sect. 3.3): a map of bounded size that covers what the explorer has seen."""

from __future__ import annotations

import numpy as np

from eccvkit.errors import EccvkitError


def kernel(locations: np.ndarray, sigma: float) -> np.ndarray:
    r"""Eq. 5, right: :math:`K(v,v')=\exp(-\|v-v'\|^2/2\sigma^2)` between all pairs.

    Parameters
    ----------
    locations : (N, 2) array
        L, in metres.
    sigma : float
        Width in metres.

    Returns
    -------
    ndarray
        (N, N).
    """
    if not sigma > 0:
        raise EccvkitError(f"sigma is {sigma}: the width of the kernel is above 0")
    squared = ((locations[:, None] - locations[None]) ** 2).sum(axis=-1)
    return np.exp(-squared / (2 * sigma**2))


def most_redundant(locations: np.ndarray, sigma: float) -> int:
    """Eq. 5, left: the node that has the others closest to it.

    The paper prints the arg **min** of the sum over j. That is the most isolated node, which covers
    what no other does; the node to drop is the arg **max**, which we return.
    """
    return int(kernel(locations, sigma).sum(axis=1).argmax())


def explore(track: np.ndarray, capacity: int, sigma: float, pick=most_redundant) -> np.ndarray:
    """Places that are kept along a track, as indices into it.

    Parameters
    ----------
    track : (T, 2) array
        Positions of the explorer, in order.
    capacity : int
        Largest number of nodes.
    sigma : float
        Width of the kernel.
    pick : callable
        ``pick(locations, sigma)`` names the node to drop when there is one too many.

    Returns
    -------
    ndarray
        (min(T, capacity),) int64, in the order of the track.
    """
    if capacity < 1:
        raise EccvkitError(f"capacity is {capacity}: a map needs room for one node at least")
    kept: list[int] = []
    for step in range(len(track)):
        if len(kept) == capacity:
            # The new node replaces the most redundant of those stored.
            kept.pop(pick(track[kept], sigma))
        kept.append(step)
    return np.array(kept, dtype=np.int64)
