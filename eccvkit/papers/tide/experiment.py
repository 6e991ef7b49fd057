"""The experiment of paper 33: a small detector, trained once per seed and analysed in many ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor

from eccvkit.data.detections import Dataset, Detections, GroundTruth
from eccvkit.data.shapes_det import CLASSES, Scenes, encode_masks, sample_layout, shapes_det
from eccvkit.errors import unknown
from eccvkit.metrics.detection import COCO_THRESHOLDS, overlaps
from eccvkit.nn.boxes import corner_and_size, corners, nms, roi_align
from eccvkit.nn.fcos import STRIDE, Candidates, candidates
from eccvkit.papers.tide.analysis import Analysis, analyse
from eccvkit.papers.tide.bins import TYPES
from eccvkit.papers.tide.config import Config
from eccvkit.papers.tide.detector import MASK_STRIDE, Detector
from eccvkit.papers.tide.simulator import Rates, simulate_detector
from eccvkit.papers.tide.weights import (
    by_position,
    isolated,
    progressive,
    restricted,
    size_groups,
    special,
)
from eccvkit.runtime import seed_everything
from eccvkit.training import History, fit

#: Orders of Fig. 2 in our types: COCO's own, and with background and class swapped.
COCO_ORDER = ("Loc", "Cls", "Both", "Dupe", "Bkg", "Miss")
SWAPPED_ORDER = ("Loc", "Bkg", "Both", "Dupe", "Cls", "Miss")
#: Size bins that our scenes fill.
FILLED_SIZES = ("XS", "S", "M")
#: Bins of at least this weight, in points, enter the comparison of first and last place: low enough
#: that the same bins enter with every seed (Miss weighs about 1 point on pilot seeds).
POPULATED = 0.5
#: Images per batch of :func:`find`: few, because the crops of all their detections are large.
_BATCH = 4


# --------------------------------------------------------------------------------------
# Training and detection
# --------------------------------------------------------------------------------------


def training_scenes(config: Config, seed: int, few_small: bool, device="cpu") -> Scenes:
    """Scenes to train on; with ``few_small`` most of them hold no small objects (claim C5)."""
    if not few_small:
        return shapes_det(config.images, seed, "train", device=device)
    ordinary = max(1, round(config.small_share * config.images))
    sizes = (config.small_from, 40.0)
    parts = (
        shapes_det(ordinary, seed, "train", device=device),
        shapes_det(config.images - ordinary, seed, "test", device=device, size_range=sizes),
    )
    tensors = ("images", "instance", "boxes", "labels")
    return Scenes(*(torch.cat([getattr(p, t) for p in parts]) for t in tensors), parts[0].classes)


def train(
    config: Config, seed: int, few_small: bool = False, device: torch.device | str = "cpu"
) -> tuple[Detector, History]:
    """Train a detector; the seed fixes scenes, initial weights and the order of the batches."""
    scenes = training_scenes(config, seed, few_small, device)
    seed_everything(seed)
    detector = Detector(len(CLASSES), config.width, config.prototypes)
    # Convolutions of small maps are faster when the channels of a pixel stand side by side.
    detector = detector.to(device, memory_format=torch.channels_last)
    images = scenes.images.contiguous(memory_format=torch.channels_last)
    history = fit(
        detector,
        detector.loss,
        (images, scenes.instance, corners(scenes.boxes), scenes.labels),
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        schedule="cosine",
        clip=config.clip,
        amp=config.amp,
        seed=seed,
        label="few small objects" if few_small else "detector",
    )
    return detector, history


@dataclass(frozen=True)
class Found:
    """What a detector found, before and after non-maximum suppression.

    Attributes
    ----------
    candidates : Candidates
        Of all images, on the CPU, before suppression.
    det : Detections
        After suppression, with masks.
    predicted_iou : (n,) float array
        The mask-IoU head's opinion on each row of ``det``.
    """

    candidates: Candidates
    det: Detections
    predicted_iou: np.ndarray


@torch.no_grad()
def find(detector: Detector, images: Tensor, config: Config) -> Found:
    """Detect objects and their masks on images (N, 3, H, W)."""
    detector.eval()
    size = images.shape[-2], images.shape[-1]
    pools, parts = [], []
    for start in range(0, len(images), _BATCH):
        output, prototypes, coefficients = detector(images[start : start + _BATCH])
        pool = candidates(output, size)
        pools.append(pool)
        image, slot, table = _kept(pool.suppress(config.nms), config.least_score)
        own = coefficients[image, pool.cells[image, slot]]
        boxes = pool.boxes[image, slot]
        masks = detector.predict_masks(output, prototypes, own, boxes, image)
        soft = F.interpolate(masks.soft.unsqueeze(1), scale_factor=MASK_STRIDE, mode="bilinear")
        codes = encode_masks((soft.squeeze(1) > 0.5).cpu().numpy())
        parts.append((table[0] + start, *table[1:], codes, masks.iou.cpu().numpy()))
    whole = Candidates(*(torch.cat(column).cpu() for column in zip(*pools)))
    image, label, box, score = (np.concatenate(column) for column in list(zip(*parts))[:4])
    codes = [code for part in parts for code in part[4]]
    iou = np.concatenate([part[5] for part in parts])
    return Found(whole, Detections(image, label, box, score, codes), iou)


def _kept(pool: Candidates, least_score: float) -> tuple[Tensor, Tensor, tuple]:
    """Image and slot of the candidates that stay, and their columns as arrays."""
    image, slot = (pool.scores >= least_score).nonzero(as_tuple=True)
    columns = (image, pool.labels[image, slot], corner_and_size(pool.boxes[image, slot]))
    score = pool.scores[image, slot]
    return (
        image,
        slot,
        tuple(
            c.cpu().double().numpy() if c.is_floating_point() else c.cpu().numpy()
            for c in (*columns, score)
        ),
    )


def suppressed(found: Found, threshold: float, least_score: float) -> Detections:
    """The boxes that non-maximum suppression at another threshold leaves."""
    _, _, columns = _kept(found.candidates.suppress(threshold), least_score)
    return Detections(*columns)


def thinned(det: Detections, threshold: float) -> np.ndarray:
    """Which rows non-maximum suppression keeps of detections that went through a milder one, (n,).

    Parameters
    ----------
    det : Detections
        Sorted by image.
    threshold : float
    """
    count = np.bincount(det.image)
    place = np.arange(len(det)) - np.searchsorted(det.image, det.image)
    shape = (len(count), count.max())
    boxes, scores = torch.zeros(*shape, 4), torch.zeros(shape)
    labels = torch.zeros(shape, dtype=torch.long)
    boxes[det.image, place] = corners(torch.as_tensor(det.box, dtype=torch.float32))
    scores[det.image, place] = torch.as_tensor(det.score, dtype=torch.float32)
    labels[det.image, place] = torch.as_tensor(det.category)
    return nms(boxes, scores, labels, threshold).numpy()[det.image, place]


@torch.no_grad()
def roi_features(detector: Detector, images: Tensor, det: Detections, size: int = 4) -> np.ndarray:
    """The trunk's features inside the boxes of detections, (n, W size size), for latent plots."""
    detector.eval()
    features = np.empty((len(det), detector.boxes.classify.in_channels * size**2), np.float32)
    boxes = corners(torch.as_tensor(det.box, dtype=torch.float32, device=images.device))
    for image in np.unique(det.image):
        mine = np.flatnonzero(det.image == image)
        output, _, _ = detector(images[image : image + 1])
        own = torch.zeros(len(mine), dtype=torch.long, device=images.device)
        crops = roi_align(output.features, boxes[mine], own, size, STRIDE)
        features[mine] = crops.flatten(1).cpu().numpy()
    return features


# --------------------------------------------------------------------------------------
# Variants
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One arm: what differs from the detector as it is.

    Attributes
    ----------
    few_small : bool
        Trained on scenes with few small objects.
    rescore : str
        "": by class and centreness; "predicted": times the mask-IoU head's opinion; "true": times
        the IoU with the best object, which only an oracle knows.
    nms : float or None
        Another threshold of non-maximum suppression.
    drop : float
        Share of the evaluation's annotations that is deleted.
    """

    few_small: bool = False
    rescore: str = ""
    nms: float | None = None
    drop: float = 0.0


NMS_AXIS = {f"NMS {t:.1f}": t for t in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)}
#: The arms on the trained detector.
VARIANTS: dict[str, Variant] = {
    "detector": Variant(),
    "mask rescoring": Variant(rescore="predicted"),
    "oracle rescoring": Variant(rescore="true"),
    **{name: Variant(nms=threshold) for name, threshold in NMS_AXIS.items()},
    "15 % unannotated": Variant(drop=0.15),
    "30 % unannotated": Variant(drop=0.3),
    "few small objects": Variant(few_small=True),
}


@lru_cache(maxsize=2)
def _prepared(
    config: Config, seed: int, few_small: bool, device: str
) -> tuple[Detector, History, Scenes, Found]:
    """A trained detector and what it finds; the arms of one seed share it."""
    detector, history = train(config, seed, few_small, device)
    scenes = shapes_det(config.eval_images, seed, "val", device=device)
    return detector, history, scenes, find(detector, scenes.images, config)


def run(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
) -> dict[str, float]:
    """Analyse one variant with one seed: one row of the table.

    The detector is trained once per seed; variants that only look at it differently share it.

    Parameters
    ----------
    config : Config
    variant : str
        A name in :data:`VARIANTS`.
    seed : int
    keep : dict, optional
        Filled with "detector", "history", "scenes", "found" and the analyses "box" and "mask".

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    arm = VARIANTS[variant]
    detector, history, scenes, found = _prepared(config, seed, arm.few_small, str(device))
    gt = scenes.table(masks=True)
    if arm.drop:
        gt = gt.take(np.random.default_rng(seed).random(len(gt)) >= arm.drop)
    det = found.det if arm.nms is None else suppressed(found, arm.nms, config.least_score)
    dataset = Dataset(gt, det, scenes.classes, len(scenes))
    metrics = {"seconds": history.seconds}
    if arm.rescore:
        true = best_overlap(dataset)
        factor = found.predicted_iou if arm.rescore == "predicted" else true
        dataset = replace(dataset, det=replace(det, score=det.score * factor))
        on_object = true > 0.1
        metrics["judge rank correlation"] = float(
            stats.spearmanr(found.predicted_iou[on_object], true[on_object]).statistic
        )
    box = analyse(dataset)
    metrics |= measures(box)
    mask = None
    if arm.nms is None:
        mask = analyse(dataset, mode="mask")
        metrics |= {f"mask {name}": value for name, value in measures(mask).items()}
        strict = [mask.at(threshold).ap() for threshold in COCO_THRESHOLDS]
        metrics["mask mAP, IoU 0.5 to 0.95"] = float(np.mean(strict))
    if keep is not None:
        keep.update(detector=detector, history=history, scenes=scenes, found=found)
        keep.update(box=box, mask=mask)
    return metrics


def best_overlap(dataset: Dataset) -> np.ndarray:
    """IoU of each detection's mask with the best object of any class, 0 on background (n,)."""
    pairs = overlaps(dataset, "mask", max_dets=max(1, len(dataset.det)))
    best = np.zeros(len(dataset.det))
    np.maximum.at(best, pairs.rows[pairs.det], pairs.iou)
    return best


def measures(analysis: Analysis) -> dict[str, float]:
    """Everything the claims look at, computed without knowing the variant.

    Returns
    -------
    dict of float
        "mAP", a weight per oracle; "Cls + Bkg"; "FP share" = FP / (FP + FN); "last over first", the
        smallest ratio over the populated bins of the mean progressive weight in the last place to
        that in the first; "Bkg late - early", how much heavier background looks in COCO's order
        than when it is repaired before class errors; "Loc + Miss, XS" and other size bins.
    """
    weights = isolated(analysis)
    split = special(analysis)
    both = sum(split.values())
    places = by_position(analysis)
    populated = [name for name in TYPES if weights[name] >= POPULATED]
    ratios = [places.loc[name, len(TYPES)] / places.loc[name, 1] for name in populated]
    late, early = (progressive(analysis, order)["Bkg"] for order in (COCO_ORDER, SWAPPED_ORDER))
    groups = {name: g for name, g in size_groups(analysis).items() if name in FILLED_SIZES}
    sizes = restricted(analysis, groups, ["Loc", "Miss"]).sum()
    return {
        "mAP": analysis.ap(),
        **weights,
        **split,
        "Cls + Bkg": weights["Cls"] + weights["Bkg"],
        "FP share": split["FP"] / both if both > 0 else 0.0,
        "last over first": min(ratios, default=1.0),
        "Bkg late - early": late - early,
        **{f"Loc + Miss, {name}": float(value) for name, value in sizes.items()},
        "Loc + Miss, XS - M": float(sizes["XS"] - sizes["M"]),
    }


# --------------------------------------------------------------------------------------
# The simulated detector
# --------------------------------------------------------------------------------------

#: The arms on the simulated detector: rates, share of annotations deleted, rescoring by true IoU.
SIMULATED_VARIANTS: dict[str, Mapping[str, Any]] = {
    "detector": {},
    "IoU rescoring": {"rescore": True},
    "15 % unannotated": {"drop": 0.15},
    "30 % unannotated": {"drop": 0.3},
    "30 % duplicates": {"duplicate": 0.3},
    "50 % duplicates": {"duplicate": 0.5},
}


def run_simulated(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
) -> dict[str, float]:
    """Analyse one variant of the simulated detector; ``device`` is not used.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in SIMULATED_VARIANTS:
        raise unknown("variant", variant, SIMULATED_VARIANTS)
    arm = dict(SIMULATED_VARIANTS[variant])
    drop, rescore = arm.pop("drop", 0.0), arm.pop("rescore", False)
    n = config.simulated_images
    gt: GroundTruth = sample_layout(n, seed, "val").table()
    sim = simulate_detector(gt, CLASSES, n, seed, Rates(**arm))
    dataset = sim.rescored() if rescore else sim.dataset
    if drop:
        kept = np.random.default_rng(seed).random(len(gt)) >= drop
        dataset = replace(dataset, gt=gt.take(kept))
    analysis = analyse(dataset)
    if keep is not None:
        keep.update(box=analysis, simulated=sim)
    return measures(analysis)
