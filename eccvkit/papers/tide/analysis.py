"""One detector on one data set: matched once, then evaluated under any set of oracles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from eccvkit.data.detections import Dataset
from eccvkit.errors import DataError, EccvkitError
from eccvkit.metrics.detection import Overlaps, Progress, match, overlaps, precision_bars
from eccvkit.papers.tide.bins import TYPES, Errors, find_errors
from eccvkit.papers.tide.oracles import Outcome, Selection, repair, unrepaired


@dataclass
class Analysis:
    """The result of :func:`analyse`.

    Attributes
    ----------
    dataset : Dataset
    mode : str
        "box" or "mask".
    t_f, t_b : float
        Foreground and background threshold.
    pairs : Overlaps
    found : (D,) int array
        The object of each judged detection, -1 for false positives.
    errors : Errors
    before : Outcome
        What average precision sees of the unmodified detections.
    """

    dataset: Dataset
    mode: str
    t_f: float
    t_b: float
    pairs: Overlaps
    found: np.ndarray
    errors: Errors
    before: Outcome
    _aps: dict[frozenset[str], float] = field(default_factory=dict, repr=False)

    def ap(self, oracles: Iterable[str] = ()) -> float:
        """MAP in percent after some oracles; every set of oracles is evaluated once."""
        key = frozenset(oracles)
        if key not in self._aps:
            self._aps[key] = mean_ap(self.ap_per_class(key))
        return self._aps[key]

    def ap_per_class(
        self, oracles: Iterable[str] = (), selection: Selection | None = None
    ) -> np.ndarray:
        """Average precision in percent of every category (C,); NaN where nothing is left."""
        return 100 * self.curves(oracles, selection).mean(axis=1)

    def curves(self, oracles: Iterable[str] = (), selection: Selection | None = None) -> np.ndarray:
        """Precision of every category at the 101 recalls (C, 101); NaN where nothing is left."""
        seen = repair(self.dataset, self.errors, self.before, oracles, selection)
        order = self.pairs.by_score
        order = order[seen.counted[order]]
        return precision_bars(seen.category[order], seen.correct[order], seen.n_gt)

    def counts(self) -> dict[str, int]:
        """How many errors of each kind there are.

        Detections that do not count because they lie in an ignore region are left out, except those
        that an oracle turns into a true positive.
        """
        counted = self.before.counted | self.errors.repairable
        kinds = np.bincount(self.errors.kind[counted & (self.errors.kind >= 0)], minlength=6)
        return dict(zip(TYPES, kinds.tolist())) | {"Miss": int(self.errors.missed.sum())}

    def at(self, t_f: float, t_b: float | None = None) -> Analysis:
        """The same detections judged at another threshold; the overlaps are kept."""
        return _judge(self.dataset, self.mode, self.pairs, t_f, self.t_b if t_b is None else t_b)


def analyse(
    dataset: Dataset,
    *,
    mode: str = "box",
    t_f: float = 0.5,
    t_b: float = 0.1,
    max_dets: int = 100,
    progress: Progress = iter,
) -> Analysis:
    """Match detections, and put every error into its bin.

    Parameters
    ----------
    dataset : Dataset
    mode : {"box", "mask"}
    t_f, t_b : float
        Foreground and background threshold, 0 < t_b < t_f <= 1.
    max_dets : int
        Detections per image that are judged, the most confident ones.
    progress : callable
        Wraps the list of work packages, for example in a progress bar.

    Raises
    ------
    DataError
        Nothing to judge: neither objects nor detections, or no masks in mode "mask".
    EccvkitError
        Thresholds out of order.

    Examples
    --------
    A cat found well, and a dog taken for a cat:

    >>> from eccvkit.data.detections import Detections, GroundTruth
    >>> boxes = [[0, 0, 10, 10], [50, 50, 10, 10]]
    >>> gt = GroundTruth(image=[0, 0], category=[0, 1], box=boxes)
    >>> det = Detections(image=[0, 0], category=[0, 0], box=boxes, score=[0.9, 0.8])
    >>> analysis = analyse(Dataset(gt, det, ("cat", "dog"), n_images=1))
    >>> analysis.ap(), analysis.ap(["Cls"])
    (50.0, 100.0)
    """
    if dataset.gt.ignore.all() and not len(dataset.det):
        raise DataError("nothing to judge: the data set has neither objects nor detections")
    return _judge(dataset, mode, overlaps(dataset, mode, max_dets, progress), t_f, t_b)


def _judge(dataset: Dataset, mode: str, pairs: Overlaps, t_f: float, t_b: float) -> Analysis:
    if not 0 < t_b < t_f <= 1:
        raise EccvkitError(f"thresholds are t_b={t_b} and t_f={t_f}: use 0 < t_b < t_f <= 1")
    found = match(dataset, pairs, t_f)
    errors = find_errors(dataset, pairs, found, t_f, t_b)
    before = unrepaired(dataset, pairs, found, t_f)
    return Analysis(dataset, mode, t_f, t_b, pairs, found, errors, before)


def mean_ap(aps: np.ndarray) -> float:
    """Mean over the categories that are not empty; 100 if an oracle has emptied all of them.

    A category with neither detections nor objects has no average precision. If there is nothing
    else, nothing is wrong: Eq. 3 asks for 100.
    """
    filled = aps[~np.isnan(aps)]
    return float(filled.mean()) if len(filled) else 100.0
