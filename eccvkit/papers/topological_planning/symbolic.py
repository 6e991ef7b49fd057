"""Planners without learning (Sect. 5.1): Dijkstra on what is known of the graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from eccvkit.data.shortest_paths import next_hops
from eccvkit.errors import DataError

#: Thresholds theta that the paper tries, and our weights lambda in metres per nat.
THETAS = tuple(round(0.1 * k, 1) for k in range(11))
LAMBDAS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0)
#: A probability of 0 counts as this one: its logarithm must be finite.
SMALLEST = 1e-12


def true_costs(visible: ArrayLike, distances: ArrayLike) -> np.ndarray:
    """Distances where nodes are truly connected, ``inf`` elsewhere: what the labels come from."""
    return np.where(np.asarray(visible, dtype=bool), distances, np.inf)


def threshold_costs(probabilities: ArrayLike, distances: ArrayLike, theta: float) -> np.ndarray:
    """Distances where E > theta, ``inf`` elsewhere.

    Parameters
    ----------
    probabilities, distances : (..., N, N) array
        E and D.
    theta : float
        In [0, 1]. With 1 no edge is left.

    Raises
    ------
    DataError
        E or theta outside [0, 1].
    """
    probabilities = _checked(probabilities)
    if not 0 <= theta <= 1:
        raise DataError(f"theta is {theta}: a threshold on probabilities lies between 0 and 1")
    return np.where(probabilities > theta, distances, np.inf)


def custom_costs(probabilities: ArrayLike, distances: ArrayLike, lam: float) -> np.ndarray:
    r"""The paper's cost :math:`D_{ij}-\lambda\log E_{ij}` on the complete graph.

    With lambda = 0 every edge is trusted; the larger lambda, the more the most probable path wins
    over the shortest.

    Parameters
    ----------
    probabilities, distances : (..., N, N) array
        E and D.
    lam : float
        At least 0: less would reward improbable edges, until costs are negative.

    Raises
    ------
    DataError
        E outside [0, 1], or lambda negative.
    """
    probabilities = _checked(probabilities)
    if not lam >= 0:
        raise DataError(f"lambda is {lam}: use at least 0, or edge costs become negative")
    return np.asarray(distances) - lam * np.log(np.maximum(probabilities, SMALLEST))


def by_colour(probabilities: ArrayLike, vision: ArrayLike, weight: float = 3.0) -> np.ndarray:
    """Link probabilities corrected by hand with what the maker of the floor plans knows (ours).

    Two nodes that see a common colour stand in the same room: their logit rises by ``weight``. That
    of all others falls by as much.

    Parameters
    ----------
    probabilities : (..., N, N) array
        E.
    vision : (..., N, K) array
        V of :func:`eccvkit.data.floor_plans.floor_plans`.
    weight : float
    """
    seen = np.asarray(vision) > 0.5
    common = (seen[..., :, None, :] & seen[..., None, :, :]).any(axis=-1)
    clipped = np.clip(_checked(probabilities), SMALLEST, 1 - SMALLEST)
    logits = np.log(clipped / (1 - clipped)) + np.where(common, weight, -weight)
    return 1 / (1 + np.exp(-logits))


def tune(
    costs_of: Callable[[float], np.ndarray],
    values: tuple[float, ...],
    score: Callable[[np.ndarray], float],
) -> tuple[float, dict[float, float]]:
    """The value with the best score on validation maps, and the score of every value.

    Parameters
    ----------
    costs_of : callable
        Value to costs (M, N, N).
    values : tuple of float
    score : callable
        Next hops (M, N, N) to a number, higher is better. Of equal ones the first value wins.
    """
    scores = {value: score(next_hops(costs_of(value))) for value in values}
    return max(scores, key=scores.__getitem__), scores


def _checked(probabilities: ArrayLike) -> np.ndarray:
    probabilities = np.asarray(probabilities, dtype=np.float64)
    # Written so that NaN fails too.
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        low, high = probabilities.min(), probabilities.max()
        raise DataError(
            f"link probabilities go from {low:g} to {high:g}: they must lie between 0 and 1"
        )
    return probabilities
