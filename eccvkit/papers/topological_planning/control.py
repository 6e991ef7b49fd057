"""From plans to steps (Sect. 5.2): a local controller walks, the planner plans again.

The paper trains a recurrent policy with PPO. Ours walks straight towards the node that the planner
names and slides along walls; around it, as in the paper, at most m steps follow a plan, then a new
one is made from the nearest node. An episode ends at the target or after 25 plans, which are 500
steps at most (a plan whose node is reached early counts as one of them). An agent that has not
moved under the most probable node gives up, since the same plan would come again; one that draws
its next node goes on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from eccvkit.data.floor_plans import FloorPlans, blocked
from eccvkit.errors import DataError

#: Length of a step and distance at which the target counts as reached, in metres.
STEP, REACHED = 0.25, 0.2
#: Steps of the local controller per plan (m), and of an episode if every plan takes all of them.
PATIENCE, BUDGET = 20, 500


class Episodes(NamedTuple):
    """Tasks: plan, start node and target node of each, three int arrays (K,)."""

    plan: np.ndarray
    start: np.ndarray
    target: np.ndarray


class Outcome(NamedTuple):
    """What became of the episodes.

    Attributes
    ----------
    success : ndarray
        (K,) bool.
    lengths : ndarray
        (K,) float64 metres walked.
    tracks : ndarray
        (T, K, 2) position after each step, the start included.
    """

    success: np.ndarray
    lengths: np.ndarray
    tracks: np.ndarray


def draw_episodes(pairs: np.ndarray, per_map: int, rng: np.random.Generator) -> Episodes:
    """Draw ``per_map`` pairs (start, target) for each map, with replacement.

    Parameters
    ----------
    pairs : (M, i, t) bool array
        Pairs to draw from; maps without any are passed over.
    per_map : int
    rng : numpy.random.Generator
    """
    m, n, _ = pairs.shape
    keys = rng.random((m, per_map, n * n)) * pairs.reshape(m, 1, n * n)
    chosen = keys.argmax(axis=-1)[pairs.any(axis=(1, 2))]
    plan = np.flatnonzero(pairs.any(axis=(1, 2))).repeat(per_map)
    return Episodes(plan, chosen.ravel() // n, chosen.ravel() % n)


def navigate(
    plans: FloorPlans,
    policy: np.ndarray,
    episodes: Episodes,
    rng: np.random.Generator | None = None,
) -> Outcome:
    """Walk the episodes under a planner.

    Parameters
    ----------
    plans : FloorPlans
    policy : (M, i, t) int array, or (M, i, t, N) float array
        Next hops, or probabilities of each node to be the next. With probabilities ``rng`` draws
        the next node afresh for every plan; without ``rng`` the most probable one is taken.
    episodes : Episodes
    rng : numpy.random.Generator, optional
        Sampling instead of the most probable node.

    Raises
    ------
    DataError
        Sampling without probabilities.
    """
    if policy.ndim == 3 and rng is not None:
        raise DataError("next hops cannot be sampled: pass probabilities (M, i, t, N)")
    if policy.ndim == 4 and rng is None:
        policy = policy.argmax(axis=-1)
    count = len(episodes.plan)
    places = plans.positions[episodes.plan]
    each = np.arange(count)
    here = places[each, episodes.start]
    goal = places[each, episodes.target]
    walked, tracks = np.zeros(count), [here]
    active = ~_arrived(here, goal)
    for _ in range(BUDGET // PATIENCE):
        k = np.flatnonzero(active)
        if not len(k):
            break
        nearest = ((places[k] - here[k, None]) ** 2).sum(axis=-1).argmin(axis=-1)
        waypoint = _next_node(policy, episodes.plan[k], nearest, episodes.target[k], rng)
        towards = np.where((waypoint >= 0)[:, None], places[k, waypoint], here[k])
        path, length = _walk(here[k], towards, goal[k], plans.walls[episodes.plan[k]])
        # Whoever did not move gets the same plan for ever, unless plans are drawn.
        stuck = (length == 0) if rng is None else np.zeros(len(k), dtype=bool)
        for moved in path:
            here = here.copy()
            here[k] = moved
            tracks.append(here)
        walked[k] += length
        active[k] = ~stuck & ~_arrived(here[k], goal[k])
    return Outcome(_arrived(here, goal), walked, np.stack(tracks))


def _next_node(policy, plan, nearest, target, rng) -> np.ndarray:
    if rng is None:
        return policy[plan, nearest, target]
    cumulative = policy[plan, nearest, target].cumsum(axis=-1)
    drawn = rng.random((len(plan), 1)) * cumulative[:, -1:]
    return (cumulative > drawn).argmax(axis=-1)


def _walk(here, towards, goal, walls) -> tuple[list[np.ndarray], np.ndarray]:
    """At most m steps: positions (K, 2) after each of them, and metres walked (K,)."""
    path, walked = [], np.zeros(len(here))
    for _ in range(PATIENCE):
        step = _free_step(here, towards, walls)
        step[_arrived(here, goal)] = 0.0
        length = np.linalg.norm(step, axis=-1)
        if not length.any():
            break
        here, walked = here + step, walked + length
        path.append(here)
    return path, walked


def _free_step(here: np.ndarray, towards: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """Step (K, 2) towards a place; along the wall where one is in the way, as bodies slide."""
    way = towards - here
    left = np.linalg.norm(way, axis=-1, keepdims=True)
    step = way * (np.minimum(STEP, left) / np.maximum(left, 1e-12))
    hit = np.flatnonzero(blocked(here[:, None], (here + step)[:, None], walls)[:, 0])
    if len(hit):
        # Walls run along the axes: what is left of a step against one is its other component.
        slides = step[hit, None] * np.eye(2)
        start = np.repeat(here[hit, None], 2, axis=1)
        slides *= ~blocked(start, start + slides, walls[hit])[..., None]
        longer = np.linalg.norm(slides, axis=-1).argmax(axis=1)
        step[hit] = slides[np.arange(len(hit)), longer]
    return step


def _arrived(here: np.ndarray, goal: np.ndarray) -> np.ndarray:
    return np.linalg.norm(here - goal, axis=-1) <= REACHED
