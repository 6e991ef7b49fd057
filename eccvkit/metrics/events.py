"""Events in time: intervals, temporal IoU, and F-scores of snippets and of whole events.

Time is cut into T snippets of equal length (seconds, frames). Labels are boolean (N, T, C): N
videos, C classes, several of which may be active at once. A run of active snippets of one class is
an *event*, the half-open interval [onset, offset) in snippets.

Audio-visual video parsing (paper 26) is scored **per video and class**: the F-score of every class
that occurs in prediction or truth, averaged over these classes, then over videos. One F-score from
counts summed over the whole set (micro) is a different number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from eccvkit.errors import EccvkitError


class Counts(NamedTuple):
    """True positives, false positives and false negatives, arrays of one shape (..., C)."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray

    def __add__(self, other: Counts) -> Counts:
        """Pool counts, for example of two senses."""
        return Counts(*(a + b for a, b in zip(self, other)))


def intervals(active: ArrayLike) -> np.ndarray:
    """Runs of True in a boolean sequence (T,): integer rows (onset, offset), offset exclusive.

    Examples
    --------
    >>> intervals([0, 1, 1, 0, 1]).tolist()
    [[1, 3], [4, 5]]
    """
    padded = np.pad(np.asarray(active, dtype=np.int8), 1)
    step = np.diff(padded)
    return np.stack([np.flatnonzero(step == 1), np.flatnonzero(step == -1)], axis=1)


def mark_intervals(rows: ArrayLike, snippets: int) -> np.ndarray:
    """The boolean sequence (T,) that is True inside the given intervals; they may overlap.

    Raises
    ------
    EccvkitError
        An interval that is empty or leaves 0..T.
    """
    active = np.zeros(snippets, dtype=bool)
    for onset, offset in np.asarray(rows, dtype=int).reshape(-1, 2):
        if not 0 <= onset < offset <= snippets:
            raise EccvkitError(
                f"interval [{onset}, {offset}) is no part of {snippets} snippets: use "
                f"0 <= onset < offset <= {snippets}"
            )
        active[onset:offset] = True
    return active


def temporal_iou(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Intersection over union of intervals: (..., n, 2) and (..., m, 2) give (..., n, m).

    Two empty intervals have IoU 0.

    Examples
    --------
    >>> temporal_iou([[0, 4]], [[0, 2], [2, 6], [4, 5]]).round(3).tolist()
    [[0.5, 0.333, 0.0]]
    """
    first, second = np.asarray(first)[..., :, None, :], np.asarray(second)[..., None, :, :]
    low = np.maximum(first[..., 0], second[..., 0])
    high = np.minimum(first[..., 1], second[..., 1])
    both = np.clip(high - low, 0, None)
    lengths = (first[..., 1] - first[..., 0]) + (second[..., 1] - second[..., 0])
    union = lengths - both
    return np.divide(both, union, out=np.zeros(both.shape), where=union > 0)


def segment_counts(truth: ArrayLike, predicted: ArrayLike) -> Counts:
    """Count snippets: boolean (N, T, C) twice gives counts of shape (N, C)."""
    truth, predicted = _same_shape(truth, predicted)
    return Counts(
        (truth & predicted).sum(1), (~truth & predicted).sum(1), (truth & ~predicted).sum(1)
    )


def event_counts(truth: ArrayLike, predicted: ArrayLike, iou: float = 0.5) -> Counts:
    """Count events: a predicted one is right if a true one of its class has IoU >= ``iou`` with it.

    From 0.5 on no event can match two others, because the two would have to touch; so nothing has
    to be assigned.

    Parameters
    ----------
    truth, predicted : (N, T, C) bool
    iou : float
        Smallest temporal IoU of a match, in [0.5, 1].

    Returns
    -------
    Counts
        Of shape (N, C).

    Raises
    ------
    EccvkitError
        Shapes differ, or ``iou`` is outside [0.5, 1].
    """
    if not 0.5 <= iou <= 1:
        raise EccvkitError(f"iou is {iou}: from 0.5 to 1 matches are unique, below they are not")
    truth, predicted = _same_shape(truth, predicted)
    n, _, c = truth.shape
    wanted, found = (_padded_intervals(a) for a in (truth, predicted))
    # Padding has length 0 and meets nothing.
    matched = (temporal_iou(wanted, found) >= iou).any(axis=2).sum(axis=1).reshape(n, c)
    n_wanted, n_found = (
        (rows[..., 1] > rows[..., 0]).sum(axis=1).reshape(n, c) for rows in (wanted, found)
    )
    return Counts(matched, n_found - matched, n_wanted - matched)


def _padded_intervals(active: np.ndarray) -> np.ndarray:
    """Intervals of all sequences of (N, T, C), in float rows (N * C, most, 2), padded with 0, 0."""
    n, t, c = active.shape
    flat = np.pad(active.transpose(0, 2, 1).reshape(n * c, t).astype(np.int8), ((0, 0), (1, 1)))
    step = np.diff(flat, axis=1)
    row, onset = np.nonzero(step == 1)
    _, offset = np.nonzero(step == -1)
    per_row = np.bincount(row, minlength=n * c)
    position = np.arange(len(row)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
    rows = np.zeros((n * c, max(int(per_row.max(initial=0)), 1), 2))
    rows[row, position, 0], rows[row, position, 1] = onset, offset
    return rows


def f_scores(counts: Counts) -> np.ndarray:
    """F-score per class, 2 tp / (2 tp + fp + fn); NaN where a class does not occur at all."""
    tp, fp, fn = counts
    total = 2 * tp + fp + fn
    return np.divide(2 * tp, total, out=np.full(tp.shape, np.nan), where=total > 0)


def video_f(counts: Counts) -> np.ndarray:
    """F-score per video (N,): mean over the classes that occur; 1 for a video where none does.

    Examples
    --------
    One class half right, one missed, one that nobody mentions:

    >>> counts = Counts(np.array([[1, 0, 0]]), np.array([[2, 0, 0]]), np.array([[0, 3, 0]]))
    >>> video_f(counts).tolist()
    [0.25]
    """
    scores = f_scores(counts)
    occurs = ~np.isnan(scores)
    n = occurs.sum(axis=-1)
    return np.where(n > 0, np.nansum(scores, axis=-1) / np.maximum(n, 1), 1.0)


def parsing_scores(
    truth: tuple[ArrayLike, ArrayLike],
    predicted: tuple[ArrayLike, ArrayLike],
    *,
    iou: float = 0.5,
) -> dict[str, float]:
    """The ten numbers of audio-visual video parsing, as shares.

    Parameters
    ----------
    truth, predicted : pair of (N, T, C) bool
        Audio and visual labels. A class is an audio-visual event where both are active.
    iou : float
        Threshold of the event level.

    Returns
    -------
    dict of float
        "segment audio", "segment visual", "segment audio-visual", "segment type" (Type@AV, the
        mean of the three), "segment event" (Event@AV, counts of audio and visual events pooled
        per video and class), and the same for "event ...".

    Raises
    ------
    EccvkitError
        Shapes differ, or there is no video.
    """
    (a_true, v_true), (a_pred, v_pred) = (
        tuple(np.asarray(x, dtype=bool) for x in pair) for pair in (truth, predicted)
    )
    _same_shape(a_true, v_true)
    _same_shape(a_pred, v_pred)
    if len(a_true) == 0:
        raise EccvkitError("parsing_scores: no video to score; give at least one")
    levels = {
        "segment": segment_counts,
        "event": lambda wanted, found: event_counts(wanted, found, iou),
    }
    scores: dict[str, float] = {}
    for level, count in levels.items():
        audio, visual = count(a_true, a_pred), count(v_true, v_pred)
        both = count(a_true & v_true, a_pred & v_pred)
        of_type = [float(video_f(counts).mean()) for counts in (audio, visual, both)]
        scores[f"{level} audio"], scores[f"{level} visual"] = of_type[:2]
        scores[f"{level} audio-visual"] = of_type[2]
        scores[f"{level} type"] = sum(of_type) / 3
        scores[f"{level} event"] = float(video_f(audio + visual).mean())
    return scores


def _same_shape(truth: ArrayLike, predicted: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    truth, predicted = np.asarray(truth, dtype=bool), np.asarray(predicted, dtype=bool)
    if truth.ndim != 3 or truth.shape != predicted.shape:
        raise EccvkitError(
            f"event labels have shapes {truth.shape} and {predicted.shape}; give two of one shape "
            "(videos, snippets, classes)"
        )
    return truth, predicted
