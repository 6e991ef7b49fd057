"""How well a score separates known from unknown test samples.

Everywhere a **larger score means "more known"**. Inputs are one-dimensional arrays or tensors;
results are floats in [0, 1]. The curves and areas themselves come from scikit-learn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score, roc_curve

from eccvkit.errors import EccvkitError


def labelled_scores(known: ArrayLike, unknown: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Stack both score vectors; return (scores, 1 for known and 0 for unknown).

    Raises
    ------
    EccvkitError
        A group is empty, or a score is not finite.
    """
    known, unknown = (np.asarray(s, dtype=np.float64).ravel() for s in (known, unknown))
    if not len(known) or not len(unknown):
        raise EccvkitError(
            f"open-set metric: {len(known)} known and {len(unknown)} unknown scores; "
            "both groups need at least one"
        )
    scores = np.concatenate([known, unknown])
    if not np.isfinite(scores).all():
        raise EccvkitError("open-set metric: a score is NaN or infinite; check the model's output")
    return scores, np.concatenate([np.ones(len(known)), np.zeros(len(unknown))])


def auroc(known: ArrayLike, unknown: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a known sample outscores an unknown one.

    Examples
    --------
    >>> auroc([3, 2], [1, 2])
    0.875
    """
    scores, is_known = labelled_scores(known, unknown)
    return float(roc_auc_score(is_known, scores))


def aupr_known(known: ArrayLike, unknown: ArrayLike) -> float:
    """Area under precision-recall (average precision) with the known samples as positives."""
    scores, is_known = labelled_scores(known, unknown)
    return float(average_precision_score(is_known, scores))


def aupr_unknown(known: ArrayLike, unknown: ArrayLike) -> float:
    """Area under precision-recall with the unknown samples as positives and negated scores."""
    scores, is_known = labelled_scores(known, unknown)
    return float(average_precision_score(1 - is_known, -scores))


def fpr_at_tpr(known: ArrayLike, unknown: ArrayLike, tpr: float = 0.95) -> float:
    """Share of unknowns accepted at the strictest threshold that accepts ``tpr`` of the knowns."""
    scores, is_known = labelled_scores(known, unknown)
    fpr, reached, _ = roc_curve(is_known, scores, drop_intermediate=False)
    return float(fpr[np.argmax(reached >= tpr)])


def oscr(known: ArrayLike, correct: ArrayLike, unknown: ArrayLike) -> float:
    """Area under correct classification rate against false positive rate (Dhamija et al., 2018).

    A known sample counts when it is both accepted and classified correctly. Swapping the order of
    integration shows that the area is accuracy times the AUROC of the *correct* known samples.

    Parameters
    ----------
    known : (K,) array
        Scores of known test samples.
    correct : (K,) array of bool
        Whether each was assigned its own class.
    unknown : (U,) array
        Scores of unknown test samples.
    """
    known = np.asarray(known, dtype=np.float64).ravel()
    correct = np.asarray(correct, dtype=bool).ravel()
    if len(known) != len(correct):
        raise EccvkitError(f"oscr: {len(known)} scores but {len(correct)} correctness flags")
    labelled_scores(known, unknown)
    if not correct.any():
        return 0.0
    return float(correct.mean()) * auroc(known[correct], unknown)


def macro_f(
    targets: ArrayLike, predictions: ArrayLike, scores: ArrayLike, threshold: float
) -> float:
    """Macro F1 over K known classes plus "unknown" (label -1) at one operating point.

    Parameters
    ----------
    targets : (N,) int array
        Class of each test sample, -1 for unknown.
    predictions : (N,) int array
        Most likely known class.
    scores : (N,) array
        Samples with a score below ``threshold`` are rejected as unknown.
    threshold : float
    """
    decided = np.where(np.asarray(scores) < threshold, -1, np.asarray(predictions))
    return float(f1_score(np.asarray(targets), decided, average="macro"))
