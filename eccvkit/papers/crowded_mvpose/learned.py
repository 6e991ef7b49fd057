"""The experiments of paper 32 with a network: the weight of the feet, and from pixels to poses."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch

from eccvkit.data.cameras import camera_ring
from eccvkit.data.crowd import Crowd, ViewDetections, draw_crowd
from eccvkit.data.people import BODY, OKS_SIGMAS
from eccvkit.errors import unknown
from eccvkit.metrics.pose import People2D, oks_ap
from eccvkit.papers.crowded_mvpose.config import Config
from eccvkit.papers.crowded_mvpose.correspondence import (
    epipolar_costs,
    feet_costs,
    matching_scores,
)
from eccvkit.papers.crowded_mvpose.experiment import (
    AREA_OF_BOX,
    CONVERGED,
    Scene,
    evaluate,
    match_scene,
)
from eccvkit.papers.crowded_mvpose.sppe import (
    SPPE,
    Crops,
    cut_crops,
    detect_with,
    foot_weighted_loss,
    join_crops,
    predict,
)
from eccvkit.papers.crowded_mvpose.uncertainty import calibrate_on
from eccvkit.runtime import seed_everything
from eccvkit.training import History, fit

#: lambda of Eq. 1 by name of the arm; 1 treats all joints alike.
FOOT_WEIGHTS = {"lambda = 1": 1.0, "lambda = 2": 2.0, "lambda = 4": 4.0}
#: Streams of random numbers; those of the other experiments are 0 to 3.
_TRAIN, _VAL, _TEST = 4, 5, 6
#: Shift of the training boxes relative to their height: detectors are not exact.
_JITTER = 0.03


@lru_cache(maxsize=16)
def load_crowds(config: Config, seed: int) -> dict[str, list[Crowd]]:
    """Crowds for training, validation and test."""
    counts = {
        "train": (_TRAIN, config.train_scenes),
        "val": (_VAL, config.val_scenes),
        "test": (_TEST, config.test_scenes),
    }
    return {
        part: [_draw(config, np.random.default_rng([seed, stream, k])) for k in range(count)]
        for part, (stream, count) in counts.items()
    }


def _draw(config: Config, rng: np.random.Generator) -> Crowd:
    cameras = camera_ring(config.cameras, rng)
    return draw_crowd(config.people, config.half_side, rng, cameras)


@lru_cache(maxsize=1)
def load_crops(config: Config, seed: int) -> dict[str, list[list[Crops]]]:
    """Crops of the rendered :func:`load_crowds`. They are large, so only one seed's are kept."""
    stride = 2 ** (len(config.widths) - len(config.deconv))
    streams = {"train": _TRAIN, "val": _VAL, "test": _TEST}
    parts = {}
    for part, crowds in load_crowds(config, seed).items():
        rng = np.random.default_rng([seed, streams[part]])
        jitter = _JITTER if part == "train" else 0.0
        parts[part] = cut_crops(
            crowds, config.crop, stride, rng, factor=config.factor, jitter=jitter
        )
    return parts


@lru_cache(maxsize=32)
def train(
    config: Config, weight: float, seed: int, device: torch.device | str = "cpu"
) -> tuple[SPPE, History]:
    """Train the network with a weight of the feet; the seed fixes crops, weights and batches."""
    crops = load_crops(config, seed)["train"]
    data = join_crops([view for views in crops for view in views])
    seed_everything(seed)
    # Channels last: small convolutions on a CPU take a sixth less time.
    layout = torch.channels_last
    net = SPPE(config.widths, config.deconv).to(device, memory_format=layout)
    images = data.images.to(device, memory_format=layout)

    def loss(images, own, others):
        return foot_weighted_loss(net(images), own, others, weight)

    history = fit(
        net,
        loss,
        (images, data.own.to(device), data.others.to(device)),
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        schedule="cosine",
        amp=config.amp,
        seed=seed,
        label=f"SPPE, lambda {weight:g}",
    )
    return net, history


@lru_cache(maxsize=32)
def detections_of(
    config: Config, weight: float, seed: int, device: torch.device | str = "cpu"
) -> dict[str, list[list[ViewDetections]]]:
    """What the network reports on the validation and test scenes."""
    net, _ = train(config, weight, seed, device)
    parts = load_crops(config, seed)
    found = {}
    for part in ("val", "test"):
        rng = np.random.default_rng([seed, _VAL if part == "val" else _TEST, 1])
        found[part] = [detect_with(net, views, rng, miss=0.05) for views in parts[part]]
    return found


def keypoint_ap(net: SPPE, crops: list[list[Crops]], joints: slice) -> dict[str, float]:
    """COCO's AP and AR of some joints of every person in every view, boxes given."""
    truth, found = [], []
    for image, view in enumerate(view for views in crops for view in views):
        placed, peaks = (part.numpy() for part in predict(net, view))
        where = np.full(len(view), image)
        area = AREA_OF_BOX * view.boxes[:, 2:].prod(dim=1).numpy()
        truth.append((where, view.joints[:, joints].numpy(), np.ones(len(view)), area))
        found.append((where, placed[:, joints], peaks[:, joints].mean(axis=1), area))
    sets = (People2D(*(np.concatenate(part) for part in zip(*rows))) for rows in (truth, found))
    return oks_ap(*sets, OKS_SIGMAS[joints])


def run_sppe(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
) -> dict[str, float]:
    """Train with one weight of the feet, and judge joints in the images and the matching by them.

    Returns
    -------
    dict of float
        ``foot AP``, ``foot AP75``, ``foot AR`` and ``body AP``; ``foot px`` and ``body px``, median
        errors in pixels of a box of 200; ``feet precision`` and ``epipolar precision`` of the
        matching between two views.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in FOOT_WEIGHTS:
        raise unknown("variant", variant, FOOT_WEIGHTS)
    net, history = train(config, FOOT_WEIGHTS[variant], seed, str(device))
    crops = load_crops(config, seed)["test"]
    feet = keypoint_ap(net, crops, slice(BODY, None))
    metrics = {f"foot {name}": value for name, value in feet.items()}
    metrics["body AP"] = keypoint_ap(net, crops, slice(0, BODY))["AP"]
    everyone = join_crops([view for views in crops for view in views])
    placed, peaks = predict(net, everyone)
    errors = (placed - everyone.joints).norm(dim=-1) / everyone.boxes[:, 3:] * 200
    metrics |= {
        "foot px": float(errors[:, BODY:].median()),
        "body px": float(errors[:, :BODY].median()),
    }
    detections = detections_of(config, FOOT_WEIGHTS[variant], seed, str(device))["test"]
    for name, costs in (("feet", feet_costs), ("epipolar", epipolar_costs)):
        total = sum(
            matching_scores(costs(found, crowd.cameras), [d.person for d in found])
            for crowd, found in zip(load_crowds(config, seed)["test"], detections)
        )
        metrics[f"{name} precision"] = total[1] / max(total[0], 1)
    if keep is not None:
        keep.update(net=net, history=history, crops=crops, errors=errors, peaks=peaks)
    return metrics


@lru_cache(maxsize=8)
def learned_scenes(
    config: Config, seed: int, device: torch.device | str = "cpu"
) -> tuple[list[Scene], float]:
    """Test scenes matched by the feet that the network found; sigma_0 from the validation ones."""
    crowds = load_crowds(config, seed)
    detections = detections_of(config, config.foot_weight, seed, device)
    sigma_0 = calibrate_on(crowds["val"], detections["val"])
    # Everybody is assigned, as in Eq. 3: the network's feet may be off by more than the gate.
    scenes = [
        match_scene(crowd, found, sigma_0, np.inf)
        for crowd, found in zip(crowds["test"], detections["test"])
    ]
    return scenes, sigma_0


def run_learned(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
) -> dict[str, float]:
    """From pixels to poses: network, matching by feet, and one of the converged estimates.

    Returns
    -------
    dict of float
        See :func:`eccvkit.papers.crowded_mvpose.experiment.evaluate`.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in CONVERGED:
        raise unknown("variant", variant, CONVERGED)
    scenes, sigma_0 = learned_scenes(config, seed, str(device))
    estimates = [CONVERGED[variant](scene.problem, config.stage) for scene in scenes]
    if keep is not None:
        keep.update(scenes=scenes, estimates=estimates, sigma_0=sigma_0)
    return evaluate(scenes, estimates)
