"""The experiments of paper 32 on matching: precision of the correspondences, and their cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from eccvkit.data.cameras import Camera, camera_ring, fundamental, invert_homography
from eccvkit.data.crowd import Crowd, Noise, ViewDetections, detect, draw_crowd
from eccvkit.data.people import ANKLES, BODY
from eccvkit.errors import unknown
from eccvkit.papers.crowded_mvpose.config import Config
from eccvkit.papers.crowded_mvpose.epipolar import (
    epipolar_cost,
    epipolar_distances,
    ransac_cost,
)
from eccvkit.papers.crowded_mvpose.matching import (
    PairCosts,
    assign,
    feet_cost,
    feet_of,
    match_views,
    pair_scores,
    rectify,
)
from eccvkit.papers.crowded_mvpose.work import count_relaxations, joint_costs

#: Separate streams of random numbers of one seed; those of the poses are 0 and 1.
_MATCH, _COST = 2, 3


def feet_on_ground(detections: ViewDetections, camera: Camera) -> np.ndarray:
    """Left and right foot (n, 2, 2) of every detection, rectified to the ground in metres."""
    back = invert_homography(camera.ground, f"ground of camera {camera.name!r}")
    return rectify(feet_of(detections.joints), back)


def feet_costs(
    detections: Sequence[ViewDetections],
    cameras: Sequence[Camera],
    cost: Callable[[np.ndarray, np.ndarray], np.ndarray] = feet_cost,
) -> PairCosts:
    """Eq. 4 between every two views; ``cost`` may be a student's own."""
    feet = [feet_on_ground(found, camera) for found, camera in zip(detections, cameras)]
    return {(j, k): cost(feet[j], feet[k]) for j, k in combinations(range(len(feet)), 2)}


def epipolar_costs(
    detections: Sequence[ViewDetections],
    cameras: Sequence[Camera],
    joints: Sequence[int] | None = None,
) -> PairCosts:
    """Mean epipolar distance between every two views, over all joints or some."""
    return {
        (j, k): epipolar_cost(
            fundamental(cameras[j], cameras[k]), detections[j].joints, detections[k].joints, joints
        )
        for j, k in combinations(range(len(cameras)), 2)
    }


#: Table 7, and the ankles alone.
MATCHERS = ("RANSAC", "ankles", "epipolar", "feet")
#: Detectors of the matching study: how they err.
SETTINGS: dict[str, Noise] = {
    "8 px": Noise(8, occlusion=False),
    "16 px": Noise(16, occlusion=False),
    "8 px, feet 24 px": Noise(8, 24, occlusion=False),
    "8 px, occluded": Noise(8),
}


def pair_costs(
    matcher: str,
    detections: Sequence[ViewDetections],
    cameras: Sequence[Camera],
    rng: np.random.Generator,
    trials: int,
) -> PairCosts:
    """Costs between every two views by one of :data:`MATCHERS`.

    Raises
    ------
    UnknownName
        No such matcher.
    """
    if matcher == "feet":
        return feet_costs(detections, cameras)
    if matcher == "epipolar":
        return epipolar_costs(detections, cameras)
    if matcher == "ankles":
        return epipolar_costs(detections, cameras, ANKLES)
    if matcher == "RANSAC":
        joints = [found.joints for found in detections]
        return {
            (j, k): ransac_cost(joints[j], joints[k], rng, trials=trials)
            for j, k in combinations(range(len(cameras)), 2)
        }
    raise unknown("matcher", matcher, MATCHERS)


def matching_scores(costs: PairCosts, persons: Sequence[np.ndarray]) -> np.ndarray:
    """Counts (5,) of one scene, everybody assigned as in Eq. 3 (no gate).

    Pairs found and right between two views; then found, right and possible after merging all views.
    """
    two = np.zeros(2, dtype=int)
    for (j, k), cost in costs.items():
        pairs = assign(cost)
        two += len(pairs), int((persons[j][pairs[:, 0]] == persons[k][pairs[:, 1]]).sum())
    groups = match_views(costs, [len(p) for p in persons], np.inf)
    return np.concatenate([two, list(pair_scores(groups, persons).values())])


@lru_cache(maxsize=4)
def _match_scenes(config: Config, seed: int) -> dict[int, list[Crowd]]:
    def draw(count: int, number: int) -> Crowd:
        rng = np.random.default_rng([seed, _MATCH, count, number])
        return draw_crowd(count, config.half_side, rng, camera_ring(config.cameras, rng))

    return {n: [draw(n, k) for k in range(config.match_scenes)] for n in config.densities}


def run_matching(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
) -> dict[str, float]:
    """Match the scenes of a seed by one matcher, at every density and noise.

    Returns
    -------
    dict of float
        ``precision SETTING N=n`` of the assignments between two views; ``merged precision ...``
        and ``merged recall ...`` after all views were merged. The smallest and the largest n are
        also called ``sparse`` and ``dense``.
    """
    metrics = {}
    for count, crowds in _match_scenes(config, seed).items():
        for setting, noise in SETTINGS.items():
            total = np.zeros(5)
            for number, crowd in enumerate(crowds):
                # One stream of errors per scene, so that matchers and settings are paired.
                rng = np.random.default_rng([seed, _MATCH, count, number, 1])
                detections = detect(crowd, noise, rng)
                costs = pair_costs(variant, detections, crowd.cameras, rng, config.trials)
                total += matching_scores(costs, [found.person for found in detections])
            two_found, two_right, found, right, possible = total
            name = f"{setting} N={count}"
            metrics[f"precision {name}"] = two_right / max(two_found, 1)
            metrics[f"merged precision {name}"] = right / max(found, 1)
            metrics[f"merged recall {name}"] = right / max(possible, 1)
    return metrics | _at_the_ends(metrics, config.densities)


def _at_the_ends(metrics: dict[str, float], densities: Sequence[int]) -> dict[str, float]:
    """The metrics of the smallest and largest crowd under names that every preset has."""
    ends = {f"N={densities[0]}": "sparse", f"N={densities[-1]}": "dense"}
    return {
        name.replace(size, end): value
        for size, end in ends.items()
        for name, value in metrics.items()
        if name.endswith(f" {size}")
    }


# ---- cost of matching ------------------------------------------------------------------

#: What is assigned: pairs of feet; people by the mean distance of their joints from epipolar lines;
#: joints, one small problem for each of the 17 kinds; all joints in one problem, as in the paper.
NODES = ("feet", "people by lines", "joints by kind", "all joints")


def assignment_problems(nodes: str, crowd: Crowd, detections: Sequence[ViewDetections]) -> list:
    """Cost matrices of the assignments that match two views with one of :data:`NODES`.

    Raises
    ------
    UnknownName
        No such nodes.
    """
    if nodes == "feet":
        return [feet_costs(detections, crowd.cameras)[0, 1]]
    bodies = [found.joints[:, :BODY] for found in detections]
    matrix = fundamental(*crowd.cameras)
    if nodes == "people by lines":
        return [epipolar_cost(matrix, *bodies)]
    if nodes == "joints by kind":
        return list(np.moveaxis(epipolar_distances(matrix, *bodies), -1, 0))
    if nodes == "all joints":
        return [joint_costs(matrix, *bodies)]
    raise unknown("variant", nodes, NODES)


def run_cost(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
) -> dict[str, float]:
    """Work and time to assign two views, for one of :data:`NODES`.

    Returns
    -------
    dict of float
        ``relaxations N=n`` and microseconds ``us N=n`` over scenes, and ``exponent``, the slope of
        the relaxations over N on logarithmic axes.

    Raises
    ------
    UnknownName
        No such variant.
    """
    metrics = {}
    for count in config.densities:
        steps, seconds = [], []
        for number in range(config.match_scenes):
            rng = np.random.default_rng([seed, _COST, count, number])
            crowd = draw_crowd(count, config.half_side, rng, camera_ring(2, rng))
            detections = detect(crowd, Noise(8, miss=0, occlusion=False), rng)
            problems = assignment_problems(variant, crowd, detections)
            steps.append(sum(count_relaxations(cost)[1] for cost in problems))
            seconds.append(sum(_solver_seconds(cost) for cost in problems))
        metrics[f"relaxations N={count}"] = float(np.mean(steps))
        metrics[f"us N={count}"] = 1e6 * float(np.median(seconds))
    work = [metrics[f"relaxations N={count}"] for count in config.densities]
    if len(work) > 1:
        metrics["exponent"] = float(np.polyfit(np.log(config.densities), np.log(work), 1)[0])
    return metrics | _at_the_ends(metrics, config.densities)


def _solver_seconds(cost: np.ndarray, rounds: int = 5) -> float:
    """Best time of SciPy's solver; barred pairs cost more than everything else."""
    finite = np.isfinite(cost)
    square = np.where(finite, cost, 1 + cost[finite].sum())
    best = np.inf
    for _ in range(rounds):
        started = time.perf_counter()
        linear_sum_assignment(square)
        best = min(best, time.perf_counter() - started)
    return best
