"""The experiment of paper 32 on poses: arms from DLT to MAP on the same matched detections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eccvkit.data.cameras import Camera, camera_ring
from eccvkit.data.crowd import Crowd, Noise, ViewDetections, boxes_around, detect, draw_crowd
from eccvkit.data.people import BODY, LIMBS, OKS_SIGMAS, PARTS
from eccvkit.errors import DataError, EccvkitError, unknown
from eccvkit.metrics.pose import People2D, mpjpe, oks_ap, pa_mpjpe, pck, pcp
from eccvkit.papers.crowded_mvpose.config import Config
from eccvkit.papers.crowded_mvpose.correspondence import feet_costs
from eccvkit.papers.crowded_mvpose.matching import PairCosts, match_views
from eccvkit.papers.crowded_mvpose.triangulation import Problem, dlt, project, triangulate
from eccvkit.papers.crowded_mvpose.uncertainty import calibrate_on, pose_problem

#: Separate streams of random numbers of one seed.
_POSE, _VALIDATION = 0, 1
#: A person's area is about this share of the box.
AREA_OF_BOX = 0.53
#: PCK in space counts joints within this many metres.
PCK_METRES = 0.1


@dataclass(frozen=True)
class Scene:
    """A matched scene, ready for triangulation.

    Attributes
    ----------
    crowd : Crowd
    detections : list of ViewDetections
    groups : (G, V) int array
        People seen in at least two views.
    person : (G,) int array
        Who the group is: the person most of its detections belong to.
    problem : Problem
        Eq. 5.
    """

    crowd: Crowd
    detections: list[ViewDetections]
    groups: np.ndarray
    person: np.ndarray
    problem: Problem

    @property
    def truth(self) -> Tensor:
        """True joints (G, 23, 3) in metres."""
        return torch.from_numpy(self.crowd.joints[self.person])


def match_people(
    detections: Sequence[ViewDetections],
    cameras: Sequence[Camera],
    gate: float,
    costs: PairCosts | None = None,
) -> np.ndarray:
    """Everybody seen in at least two views: (G, V) positions in the detections, -1 where unseen.

    Nothing here needs the truth: ``pose_problem`` and ``triangulate`` do the rest.

    Parameters
    ----------
    detections : sequence of ViewDetections
        One per view; a view may be empty.
    cameras : sequence of Camera
    gate : float
        Largest cost of a pair; ``numpy.inf`` assigns everybody.
    costs : mapping, optional
        Between every two views; those of the feet if not given.
    """
    costs = feet_costs(detections, cameras) if costs is None else costs
    groups = match_views(costs, [len(found) for found in detections], gate)
    return groups[(groups >= 0).sum(axis=1) >= 2]


def match_scene(
    crowd: Crowd, detections: list[ViewDetections], sigma_0: float, gate: float
) -> Scene:
    """Match the detections of a crowd by feet, and set up Eq. 5 for everybody seen twice.

    Raises
    ------
    DataError
        A detection of which nobody knows who it is; :func:`match_people` needs no truth.
    """
    if any((found.person < 0).any() for found in detections):
        raise DataError(
            "match_scene: a detection has person -1, so nothing can be scored; "
            "use match_people, pose_problem and triangulate"
        )
    groups = match_people(detections, crowd.cameras, gate)
    persons = [[found.person[i] for found, i in zip(detections, row) if i >= 0] for row in groups]
    person = np.array([np.bincount(own).argmax() for own in persons], dtype=int)
    return Scene(
        crowd, detections, groups, person,
        pose_problem(groups, detections, crowd.cameras, sigma_0),
    )  # fmt: skip


@lru_cache(maxsize=2)
def load_scenes(config: Config, seed: int) -> tuple[list[Scene], float]:
    """The matched scenes of a seed, and the sigma_0 calibrated on others."""

    def draw(stream: int, number: int) -> tuple[Crowd, list[ViewDetections]]:
        rng = np.random.default_rng([seed, stream, number])
        cameras = camera_ring(config.cameras, rng)
        crowd = draw_crowd(config.people, config.half_side, rng, cameras)
        return crowd, detect(crowd, Noise(config.noise), rng)

    validation = [draw(_VALIDATION, k) for k in range(config.val_scenes)]
    sigma_0 = calibrate_on(*zip(*validation))
    drawn = [draw(_POSE, k) for k in range(config.scenes)]
    return [match_scene(c, d, sigma_0, config.gate) for c, d in drawn], sigma_0


def _vanilla_dlt(problem: Problem, stage: int) -> Tensor:
    return dlt(problem)


def _least_squares(problem: Problem, stage: int) -> Tensor:
    return triangulate(problem.unweighted().without_bones()).joints


def _bones_only(problem: Problem, stage: int) -> Tensor:
    return triangulate(problem.unweighted()).joints


def _mle(problem: Problem, stage: int) -> Tensor:
    return triangulate(problem.without_bones()).joints


def _map(problem: Problem, stage: int) -> Tensor:
    return triangulate(problem).joints


def _mle_then_map(problem: Problem, stage: int) -> Tensor:
    return triangulate(problem, _mle(problem, stage)).joints


def _map_one_stage(problem: Problem, stage: int) -> Tensor:
    return triangulate(problem, evaluations=stage).joints


def _map_two_stages(problem: Problem, stage: int) -> Tensor:
    first = triangulate(problem, evaluations=stage).joints
    return triangulate(problem, first, evaluations=stage).joints


def _map_at_once(problem: Problem, stage: int) -> Tensor:
    return triangulate(problem, evaluations=2 * stage).joints


def _mle_stage_map_stage(problem: Problem, stage: int) -> Tensor:
    first = triangulate(problem.without_bones(), evaluations=stage).joints
    return triangulate(problem, first, evaluations=stage).joints


#: ``estimator(problem, stage) -> joints (B, 23, 3)``; ``stage`` is the budget of one stage.
Estimator = Callable[[Problem, int], Tensor]
#: Estimates that run until they converge.
CONVERGED: dict[str, Estimator] = {
    "DLT": _vanilla_dlt,
    "LS": _least_squares,
    "LS + bones": _bones_only,
    "MLE": _mle,
    "MAP": _map,
    "MLE + MAP": _mle_then_map,
}
#: Estimates with few evaluations. The start of a stage is evaluated too, so that two stages of n
#: make 2 (n - 1) steps, and both budgets spent at once make one more.
BUDGETED: dict[str, Estimator] = {
    "MAP, one stage": _map_one_stage,
    "MLE, then MAP": _mle_stage_map_stage,
    "MAP, two stages": _map_two_stages,
    "MAP, both at once": _map_at_once,
}
VARIANTS: dict[str, Estimator] = CONVERGED | BUDGETED


def evaluate(scenes: Sequence[Scene], estimates: Sequence[Tensor]) -> dict[str, float]:
    """Judge estimates (G, 23, 3) of each scene against the truth, in space and in the images.

    Joints that an estimate leaves out (NaN) count as wrong in shares and are left out of means.

    Returns
    -------
    dict of float
        ``mpjpe``, ``pa_mpjpe`` and ``mpjpe PART`` in mm; ``pck`` and ``pcp`` as shares; ``px
        mean``, ``px min``, ``px max``, ``px std`` of the distances from the true pixels in all
        views; ``AP``, ``AP50``, ``AP75``, ``AR`` of the reprojected body; ``people``, the number of
        groups per person.

    Raises
    ------
    EccvkitError
        Nobody was matched in any scene.
    """
    if not any(len(estimate) for estimate in estimates):
        raise EccvkitError(
            "nobody was matched in any scene: raise the gate, or train the network for longer"
        )
    found, truth = torch.cat(list(estimates)), torch.cat([scene.truth for scene in scenes])
    known = torch.isfinite(found).all(dim=-1)
    safe = torch.where(known[..., None], found, truth)
    whole = known.all(dim=1)
    metrics = {
        "mpjpe": 1000 * float(mpjpe(safe, truth, known).nanmean()),
        "pa_mpjpe": 1000 * float(pa_mpjpe(safe[whole], truth[whole]).mean()),
        "pck": float((pck(safe, truth, PCK_METRES, known) * known.float().mean(dim=1)).nanmean()),
        "pcp": float(pcp(torch.where(known[..., None], found, torch.inf), truth, LIMBS).mean()),
        "people": len(found) / sum(len(scene.crowd) for scene in scenes),
    }
    for part, joints in PARTS.items():
        own = list(joints)
        error = mpjpe(safe[:, own], truth[:, own], known[:, own])
        metrics[f"mpjpe {part}"] = 1000 * float(error.nanmean())
    distances = torch.cat([_pixel_errors(s, e).flatten() for s, e in zip(scenes, estimates)])
    distances = distances[torch.isfinite(distances)]
    metrics |= {
        "px mean": float(distances.mean()), "px min": float(distances.min()),
        "px max": float(distances.max()), "px std": float(distances.std()),
    }  # fmt: skip
    return metrics | _reprojection_ap(scenes, estimates)


def _pixel_errors(scene: Scene, estimate: Tensor) -> Tensor:
    """Distance (G, 23, V) of the reprojection from the true pixel."""
    pixels, _ = project(scene.problem.cameras, estimate)
    true = torch.from_numpy(scene.crowd.pixels[:, scene.person]).permute(1, 2, 0, 3)
    return (pixels - true).norm(dim=-1)


def _reprojection_ap(scenes: Sequence[Scene], estimates: Sequence[Tensor]) -> dict[str, float]:
    """COCO's AP of the reprojected body joints; every view of every scene is an image."""
    truth, found = [], []
    image = 0
    for scene, estimate in zip(scenes, estimates):
        usable = torch.isfinite(estimate[:, :BODY]).all(dim=(1, 2)).numpy()
        pixels, _ = project(scene.problem.cameras, estimate)
        score = _group_scores(scene)
        for v, true in enumerate(scene.crowd.pixels):
            body = true[:, :BODY]
            area = AREA_OF_BOX * boxes_around(true)[:, 2:].prod(axis=1)
            truth.append((np.full(len(body), image), body, np.ones(len(body)), area))
            own = pixels[usable, :BODY, v].numpy()
            found.append((np.full(len(own), image), own, score[usable], np.ones(len(own))))
            image += 1
    sets = (People2D(*(np.concatenate(part) for part in zip(*rows))) for rows in (truth, found))
    return oks_ap(*sets, OKS_SIGMAS[:BODY])


def _group_scores(scene: Scene) -> np.ndarray:
    """Confidence (G,) of each group: its mean peak, times the share of views that show it."""
    total = np.zeros(len(scene.groups))
    for v, found in enumerate(scene.detections):
        has = scene.groups[:, v] >= 0
        total[has] += found.peaks[scene.groups[has, v]].mean(axis=1)
    return total / scene.groups.shape[1]


def run(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
    estimator: Estimator | None = None,
) -> dict[str, float]:
    """Estimate the poses of the scenes of a seed by one arm, and judge them: one row of the table.

    Geometry runs on the CPU in float64, whatever the device.

    Parameters
    ----------
    variant : str
        A name in :data:`VARIANTS`.
    keep : dict, optional
        Filled with "scenes", "estimates", "errors" (pixels) and "sigma_0" for the pictures.
    estimator : callable, optional
        Replaces the variant's.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    estimator = estimator or VARIANTS[variant]
    scenes, sigma_0 = load_scenes(config, seed)
    estimates = [estimator(scene.problem, config.stage) for scene in scenes]
    if keep is not None:
        errors = [_pixel_errors(s, e).flatten() for s, e in zip(scenes, estimates)]
        keep.update(
            scenes=scenes, estimates=estimates, errors=torch.cat(errors).numpy(), sigma_0=sigma_0
        )
    return evaluate(scenes, estimates)
