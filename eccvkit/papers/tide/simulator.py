"""A detector made of known mistakes: claims about the analysis need not hang on training luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eccvkit.data.detections import Dataset, Detections, GroundTruth
from eccvkit.errors import EccvkitError
from eccvkit.metrics.detection import box_iou_pairs


@dataclass(frozen=True)
class Rates:
    """How often a simulated detector errs.

    Attributes
    ----------
    miss : float
        Chance that an object is not found.
    swap : float
        Chance that a found object gets another class.
    shift : float
        Mean length of the shift of a box, in box sides; exponential, in any direction.
    duplicate : float
        Chance that a found object is found again, with another shift and a lower score.
    background : float
        Mean number per image of detections where there is no object (Poisson).
    object_scores, background_scores : (float, float)
        Parameters of the Beta distributions of scores. Scores say nothing about the shift: a
        detector whose confidence ignores localisation.
    """

    miss: float = 0.12
    swap: float = 0.12
    shift: float = 0.12
    duplicate: float = 0.15
    background: float = 1.0
    object_scores: tuple[float, float] = (4.0, 2.0)
    background_scores: tuple[float, float] = (2.0, 3.0)


@dataclass(frozen=True)
class Simulated:
    """Simulated detections, and the object each of them is about.

    Attributes
    ----------
    dataset : Dataset
    source : (n,) int array
        Row of the ground truth, -1 for background.
    """

    dataset: Dataset
    source: np.ndarray

    def rescored(self) -> Dataset:
        """Multiply the score of each detection of an object by its true IoU.

        What mask rescoring (Table 2) would do if it predicted the IoU without error. Background
        keeps its score.
        """
        det, gt = self.dataset.det, self.dataset.gt
        about = self.source >= 0
        factor = np.ones(len(det))
        factor[about] = box_iou_pairs(det.box[about], gt.box[self.source[about]])
        return replace(self.dataset, det=replace(det, score=det.score * factor))


def simulate_detector(
    gt: GroundTruth,
    categories: Sequence[str],
    n_images: int,
    seed: int,
    rates: Rates = Rates(),
    *,
    side: float = 96,
    size_range: tuple[float, float] = (8, 40),
) -> Simulated:
    """Detect the objects with known error rates.

    Every kind of mistake has a random stream of its own, so that two calls with the same seed and
    one other rate differ in that kind of mistake alone.

    Parameters
    ----------
    gt : GroundTruth
        All objects, annotated or not; none to ignore.
    categories : sequence of str
        At least two if ``rates.swap`` is above 0.
    n_images : int
    seed : int
    rates : Rates
    side, size_range : float, (float, float)
        Side of the images, and sides of background boxes, in pixels.
    """
    if rates.swap > 0 and len(categories) < 2:
        raise EccvkitError("simulate_detector: one category cannot be swapped; use swap=0")
    missing, swapping, shifting, doubling, empty, scoring = (
        np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(6)
    )
    n = len(gt)
    hit = missing.random(n) >= rates.miss
    swapped = swapping.random(n) < rates.swap
    step = swapping.integers(1, max(len(categories), 2), n)
    label = np.where(swapped, (gt.category + step) % len(categories), gt.category)
    score = scoring.beta(*rates.object_scores, n)
    again = hit & (doubling.random(n) < rates.duplicate)
    lower = score * doubling.uniform(0.3, 1.0, n)
    first, second = (_shifted(shifting, gt.box, rates.shift) for _ in range(2))

    n_empty = empty.poisson(rates.background, n_images)
    where = np.repeat(np.arange(n_images), n_empty)
    size = np.exp(empty.uniform(*np.log(size_range), (len(where), 2)))
    box = np.c_[empty.random((len(where), 2)) * (side - size), size]
    guess = empty.integers(0, len(categories), len(where))
    doubt = empty.beta(*rates.background_scores, len(where))

    det = Detections(
        image=np.r_[gt.image[hit], gt.image[again], where],
        category=np.r_[label[hit], label[again], guess],
        box=np.r_[first[hit], second[again], box],
        score=np.r_[score[hit], lower[again], doubt],
    )
    source = np.r_[np.flatnonzero(hit), np.flatnonzero(again), np.full(len(where), -1)]
    return Simulated(Dataset(gt, det, tuple(categories), n_images), source)


def _shifted(rng: np.random.Generator, box: np.ndarray, scale: float) -> np.ndarray:
    length, angle = rng.exponential(scale, len(box)), rng.uniform(0, 2 * np.pi, len(box))
    step = length[:, None] * np.c_[np.cos(angle), np.sin(angle)]
    return np.c_[box[:, :2] + step * box[:, 2:], box[:, 2:]]
