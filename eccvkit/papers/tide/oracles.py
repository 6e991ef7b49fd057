"""The oracles of Sect. 2.2: what average precision sees once some kinds of errors are repaired."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from eccvkit.data.detections import Dataset
from eccvkit.errors import unknown
from eccvkit.metrics.detection import Overlaps, objects_per_category
from eccvkit.papers.tide.bins import TYPES, Errors

#: The alternative split of all errors into two kinds.
SPECIAL = ("FP", "FN")
ORACLES = (*TYPES, *SPECIAL)


@dataclass(frozen=True)
class Outcome:
    """All that average precision depends on, besides the order of the scores.

    Attributes
    ----------
    category : (D,) int array
        Category that each judged detection counts for.
    correct : (D,) bool array
        Whether it is a true positive.
    counted : (D,) bool array
        Whether it counts at all.
    n_gt : (C,) int array
        Objects per category.
    """

    category: np.ndarray
    correct: np.ndarray
    counted: np.ndarray
    n_gt: np.ndarray


@dataclass(frozen=True)
class Selection:
    """The errors an oracle may repair: those whose detection **or** object is selected (Sect. 3.2).

    Attributes
    ----------
    det : (D,) bool array
        Judged detections.
    gt : (G,) bool array
        Rows of the ground truth.
    """

    det: np.ndarray
    gt: np.ndarray


def unrepaired(dataset: Dataset, pairs: Overlaps, found: np.ndarray, t_f: float) -> Outcome:
    """The detector as it is.

    Detections that found nothing do not count if more than ``t_f`` of their area lies inside an
    ignore region of their category.
    """
    correct = found >= 0
    return Outcome(
        category=dataset.det.category[pairs.rows],
        correct=correct,
        counted=correct | (pairs.ignorable <= t_f),
        n_gt=objects_per_category(dataset),
    )


def repair(
    dataset: Dataset,
    errors: Errors,
    before: Outcome,
    oracles: Iterable[str],
    selection: Selection | None = None,
) -> Outcome:
    """Apply oracles to unmodified detections.

    ========  ==================================================================================
    Cls, Loc  the detection becomes a true positive of its object's class, keeping its score; if
              its object is already found, or a more confident Cls or Loc error is about the same
              object, the detection is suppressed
    Both      the detection is suppressed; so for Dupe and Bkg
    Miss      the number of objects falls by the missed ones: no detection is invented, because
              no score would be neutral
    FP        every false positive is suppressed
    FN        the number of objects falls to the number of true positives
    ========  ==================================================================================

    Parameters
    ----------
    dataset : Dataset
    errors : Errors
    before : Outcome
        Of the unmodified detections.
    oracles : iterable of str
        Names in :data:`ORACLES`.
    selection : Selection, optional
        Repair these errors only.

    Raises
    ------
    UnknownName
        No such oracle.
    """
    gt = dataset.gt
    category, correct = before.category.copy(), before.correct.copy()
    counted, n_gt = before.counted.copy(), before.n_gt.copy()
    oracles = set(oracles)
    for name in oracles - set(ORACLES):
        raise unknown("oracle", name, ORACLES)
    for name in oracles & {"Cls", "Loc", "Both", "Dupe", "Bkg"}:
        mine = _selected(errors, errors.of(name), selection)
        repaired = mine[errors.repairable[mine]]
        counted[mine] = False
        counted[repaired] = correct[repaired] = True
        category[repaired] = gt.category[errors.object[repaired]]
    if "Miss" in oracles:
        missed = errors.missed if selection is None else errors.missed & selection.gt
        n_gt -= np.bincount(gt.category[missed], minlength=len(n_gt))
    if "FP" in oracles:
        counted &= correct
    if "FN" in oracles:
        n_gt = np.bincount(category[correct], minlength=len(n_gt))
    return Outcome(category, correct, counted, n_gt)


def _selected(errors: Errors, positions: np.ndarray, selection: Selection | None) -> np.ndarray:
    if selection is None:
        return positions
    object_ = errors.object[positions]
    of_object = np.zeros(len(positions), bool)
    of_object[object_ >= 0] = selection.gt[object_[object_ >= 0]]
    return positions[selection.det[positions] | of_object]
