"""The six bins of Sect. 2.2: which kind of mistake is each false positive, each missed object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eccvkit.data.detections import Dataset
from eccvkit.metrics.detection import Overlaps

#: The six kinds, in the paper's order.
TYPES = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
#: What each kind is, for tables and legends.
MEANING = {
    "Cls": "right place, wrong class",
    "Loc": "right class, wrong place",
    "Both": "wrong class and wrong place",
    "Dupe": "object was already found",
    "Bkg": "background taken for an object",
    "Miss": "object not found",
}
_CLS, _LOC, _BOTH, _DUPE, _BKG, _ = range(6)
_NO_ERROR = -1


@dataclass(frozen=True)
class Errors:
    """The kind of every mistake.

    D detections are judged (``Overlaps.rows``), G rows of ground truth exist.

    Attributes
    ----------
    kind : (D,) int array
        Position in :data:`TYPES`; -1 for a true positive.
    object : (D,) int array
        The object a mistake is about, as a row of the ground truth: the one that a Cls or Loc error
        should have found, the one that a Dupe error found again; -1 for the others.
    repairable : (D,) bool array
        Cls and Loc errors that their oracle turns into a true positive. The others would be a
        second detection of their object, and are suppressed.
    missed : (G,) bool array
        Miss errors.
    """

    kind: np.ndarray
    object: np.ndarray
    repairable: np.ndarray
    missed: np.ndarray

    def of(self, name: str) -> np.ndarray:
        """Positions of the detections with an error of this kind."""
        return np.flatnonzero(self.kind == TYPES.index(name))


def find_errors(
    dataset: Dataset, pairs: Overlaps, found: np.ndarray, t_f: float = 0.5, t_b: float = 0.1
) -> Errors:
    """Put every false positive and every object that was not found into its bin (Sect. 2.2).

    Several definitions can apply at once, and the paper gives no precedence. As in the published
    code it is Loc, Cls, Dupe, Bkg, else Both, with both ends of each interval included.

    Parameters
    ----------
    dataset : Dataset
    pairs : Overlaps
    found : (D,) int array
        The object of each true positive, -1 for the others (:func:`eccvkit.metrics.detection.match`
        at ``t_f``).
    t_f, t_b : float
        Foreground and background threshold.
    """
    n = len(pairs.rows)
    right, right_object = _best(pairs, pairs.same_class, n)
    wrong, wrong_object = _best(pairs, ~pairs.same_class, n)
    false = found < 0
    kind = np.select(
        [
            ~false,
            (t_b <= right) & (right <= t_f),
            wrong >= t_f,
            # Its best object has the right class and yet it found none: somebody was first.
            right >= t_f,
            np.maximum(right, wrong) <= t_b,
        ],
        [_NO_ERROR, _LOC, _CLS, _DUPE, _BKG],
        default=_BOTH,
    )
    object_ = np.select(
        [(kind == _LOC) | (kind == _DUPE), kind == _CLS], [right_object, wrong_object], default=-1
    )
    unmatched = ~dataset.gt.ignore
    unmatched[found[~false]] = False
    displaced = np.flatnonzero((kind == _LOC) | (kind == _CLS))
    missed = unmatched.copy()
    missed[object_[displaced]] = False
    return Errors(kind, object_, _first_to_repair(n, displaced, object_, unmatched), missed)


def _best(pairs: Overlaps, wanted: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Each detection's largest overlap among the wanted pairs, and its object (0 and -1: none)."""
    iou, object_ = np.zeros(n), np.full(n, -1)
    det = pairs.det[wanted]
    first = np.r_[True, det[1:] != det[:-1]][: len(det)]  # pairs are sorted by falling overlap
    iou[det[first]] = pairs.iou[wanted][first]
    object_[det[first]] = pairs.gt[wanted][first]
    return iou, object_


def _first_to_repair(
    n: int, displaced: np.ndarray, object_: np.ndarray, unmatched: np.ndarray
) -> np.ndarray:
    """Of all Cls and Loc errors about one object that is still free, the most confident one."""
    able = displaced[unmatched[object_[displaced]]]
    # Positions rise with falling score within an image, so the first occurrence wins.
    _, first = np.unique(object_[able], return_index=True)
    repairable = np.zeros(n, bool)
    repairable[able[first]] = True
    return repairable
