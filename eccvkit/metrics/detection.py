"""Average precision of detectors: overlap, matching in score order, precision at 101 recalls.

Follows COCO's evaluation, in whole-data-set array operations: every pair of a detection and an
object that overlap is listed once (:func:`overlaps`), matched for as many thresholds as wanted
(:func:`match`), and summed up per category (:func:`precision_bars`, :func:`average_precision`).

Ties in score are broken by the order of the images, then by the order of the detections, everywhere
in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eccvkit.data.detections import MODES, Dataset, need_masks
from eccvkit.errors import DataError, EccvkitError, unknown

#: The thresholds over which COCO averages: 0.50, 0.55, ..., 0.95.
COCO_THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
#: The recalls at which precision is read. Not ``linspace``, whose 0.7 is above 7 / 10: with exact
#: quotients a recall of 7 / 10 reaches the bar at 0.70.
RECALLS = np.arange(101) / 100
#: Pairs whose overlap is computed at once: their arrays fit into the processor's cache.
_CHUNK = 1 << 17

Progress = Callable[[Iterable], Iterable]


@dataclass(frozen=True)
class Overlaps:
    """All pairs of a detection and an object of one image that overlap at all.

    Detections are the ``max_dets`` most confident ones of each image, sorted by image, then by
    falling score. Pairs are sorted by detection, then by falling overlap, then by object.

    Attributes
    ----------
    rows : (D,) int array
        Rows of the data set's detections that are judged.
    det : (P,) int array
        Position in ``rows``.
    gt : (P,) int array
        Row of the data set's ground truth; never one to ignore.
    iou : (P,) float array
        Intersection over union, above 0.
    same_class : (P,) bool array
    ignorable : (D,) float array
        Largest share of the detection's area inside one ignore region of its category.
    by_score : (D,) int array
        Positions in ``rows`` by falling score, over all images.
    """

    rows: np.ndarray
    det: np.ndarray
    gt: np.ndarray
    iou: np.ndarray
    same_class: np.ndarray
    ignorable: np.ndarray
    by_score: np.ndarray


def overlaps(
    dataset: Dataset,
    mode: str = "box",
    max_dets: int = 100,
    progress: Progress = iter,
) -> Overlaps:
    """List the pairs that overlap.

    Parameters
    ----------
    dataset : Dataset
    mode : {"box", "mask"}
        Overlap of boxes, or of masks.
    max_dets : int
        Detections per image that are judged, the most confident ones; applied before matching.
    progress : callable
        Wraps the list of work packages, for example in a progress bar.

    Raises
    ------
    UnknownName
        No such mode.
    DataError
        Mode "mask" without masks.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    if max_dets < 1:
        raise EccvkitError(f"max_dets is {max_dets}: use a whole number above 0")
    gt, det = dataset.gt, dataset.det
    rows = _most_confident(det.image, det.score, max_dets)
    if mode == "mask":
        need_masks(gt), need_masks(det)
    by_image = np.argsort(gt.image, kind="stable")
    gt_count = np.bincount(gt.image, minlength=dataset.n_images)
    gt_first = np.cumsum(gt_count) - gt_count
    # How many objects each detection meets in its image, and where they stand in by_image.
    meets, starts = gt_count[det.image[rows]], gt_first[det.image[rows]]

    measure = _box_overlap if mode == "box" else _mask_overlap
    ignorable = np.zeros(len(rows))
    parts = []
    for start, stop in progress(_packages(det.image[rows], meets)):
        index, position = _ranges(starts[start:stop], meets[start:stop])
        index, object_ = index + start, by_image[position]
        same = det.category[rows[index]] == gt.category[object_]
        regions = gt.ignore[object_]
        # Only ignore regions of the detection's own category matter.
        asked = ~regions | same
        index, object_, same, regions = (a[asked] for a in (index, object_, same, regions))
        share = measure(dataset, rows[index], object_, regions)
        np.maximum.at(ignorable, index[regions], share[regions])
        kept = ~regions & (share > 0)
        index, object_, same, share = (a[kept] for a in (index, object_, same, share))
        best_first = np.lexsort((object_, -share, index))
        parts.append([a[best_first] for a in (index, object_, share, same)])
    empty = [np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros(0, bool)]
    columns = [np.concatenate(column) for column in zip(empty, *parts)]
    by_score = np.argsort(-det.score[rows], kind="stable")
    return Overlaps(rows, *columns, ignorable=ignorable, by_score=by_score)


def match(dataset: Dataset, pairs: Overlaps, threshold: float) -> np.ndarray:
    """Give each detection, by falling score, its best object that is still free.

    An object of the same category with an overlap of at least ``threshold`` qualifies; of two
    equally good ones the first is taken. Detections of different images or categories never
    compete, so the k-th candidates of all of them choose at the same time.

    Returns
    -------
    (D,) int array
        Row of the ground truth that each of ``pairs.rows`` found, -1 for none.
    """
    found = np.full(len(pairs.rows), -1)
    taken = np.zeros(len(dataset.gt), bool)
    able = pairs.same_class & (pairs.iou >= threshold)
    det, gt = pairs.det[able], pairs.gt[able]
    turn = _turns(dataset, pairs.rows, det)
    in_turn = np.argsort(turn, kind="stable")
    det, gt, turn = det[in_turn], gt[in_turn], turn[in_turn]
    edges = np.searchsorted(turn, np.arange(turn[-1] + 2)) if len(turn) else []
    for start, stop in pairwise(edges):
        free = ~taken[gt[start:stop]]
        d, g = det[start:stop][free], gt[start:stop][free]
        best = np.r_[True, d[1:] != d[:-1]][: len(d)]
        found[d[best]] = g[best]
        taken[g[best]] = True
    return found


def precision_bars(category: np.ndarray, correct: np.ndarray, n_gt: np.ndarray) -> np.ndarray:
    """Interpolated precision at the 101 recalls, per category.

    Parameters
    ----------
    category : (n,) int array
        Category of each counted detection, **in order of falling score**.
    correct : (n,) bool array
        Whether it is a true positive.
    n_gt : (C,) int array
        Objects per category.

    Returns
    -------
    (C, 101) float array
        NaN for an empty category, which has neither detections nor objects; 0 where a category has
        only one of them, and at recalls that are never reached.

    Examples
    --------
    One of two objects is found, after one false alarm: precision 1/2 up to recall 1/2.

    >>> bars = precision_bars(np.array([0, 0]), np.array([False, True]), np.array([2]))
    >>> bars[0, 50].item(), bars[0, 51].item()
    (0.5, 0.0)
    """
    n_gt = np.asarray(n_gt)
    grouped = np.argsort(category, kind="stable")
    n_det = np.bincount(category, minlength=len(n_gt))
    stops = np.cumsum(n_det)
    bars = np.zeros((len(n_gt), len(RECALLS)))
    bars[(n_det == 0) & (n_gt == 0)] = np.nan
    hits_of_all = correct[grouped]
    for c in np.flatnonzero((n_det > 0) & (n_gt > 0)):
        hits = np.cumsum(hits_of_all[stops[c] - n_det[c] : stops[c]])
        precision = hits / np.arange(1, n_det[c] + 1)
        falling = np.maximum.accumulate(precision[::-1])[::-1]
        reached_at = np.searchsorted(hits / n_gt[c], RECALLS, side="left")
        reached = reached_at < n_det[c]
        bars[c, reached] = falling[reached_at[reached]]
    return bars


def average_precision(category: np.ndarray, correct: np.ndarray, n_gt: np.ndarray) -> np.ndarray:
    """Average precision per category in percent, (C,); arguments as in :func:`precision_bars`."""
    return 100 * precision_bars(category, correct, n_gt).mean(axis=1)


def ap_table(
    dataset: Dataset,
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    mode: str = "box",
    max_dets: int = 100,
) -> np.ndarray:
    """Average precision in percent per threshold and category, (T, C); NaN for empty categories.

    The mean over the categories that are not empty (``np.nanmean``) is mAP at a threshold; the mean
    over :data:`COCO_THRESHOLDS` as well is COCO's mAP.

    Raises
    ------
    DataError
        The data set has neither objects nor detections.
    """
    pairs = overlaps(dataset, mode, max_dets)
    if not len(pairs.rows) and dataset.gt.ignore.all():
        raise DataError("average precision of nothing: neither objects nor detections")
    n_gt = objects_per_category(dataset)
    table = []
    for threshold in thresholds:
        found = match(dataset, pairs, threshold)
        counted = (found >= 0) | (pairs.ignorable <= threshold)
        judged = pairs.by_score[counted[pairs.by_score]]
        category = dataset.det.category[pairs.rows[judged]]
        table.append(average_precision(category, found[judged] >= 0, n_gt))
    return np.array(table)


def objects_per_category(dataset: Dataset) -> np.ndarray:
    """How many objects that are not to be ignored each category has, (C,) int."""
    gt = dataset.gt
    return np.bincount(gt.category[~gt.ignore], minlength=len(dataset.categories))


def box_iou_pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes row by row.

    Parameters
    ----------
    a, b : (n, 4) float array
        x, y, width, height.

    Returns
    -------
    (n,) float array
        0 where both boxes have no area.

    Examples
    --------
    >>> box_iou_pairs(np.array([[0, 0, 10, 10]]), np.array([[5, 0, 10, 10]])).round(3)
    array([0.333])
    """
    both = _intersection(a, b)
    return _ratio(both, a[:, 2] * a[:, 3] + b[:, 2] * b[:, 3] - both)


def _intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low = np.maximum(a[:, :2], b[:, :2])
    high = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    side = np.maximum(high - low, 0)
    return side[:, 0] * side[:, 1]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _box_overlap(
    dataset: Dataset, det: np.ndarray, gt: np.ndarray, region: np.ndarray
) -> np.ndarray:
    """Overlap of detection rows with ground-truth rows; share of the detection for regions."""
    a, b = dataset.det.box[det], dataset.gt.box[gt]
    both, area = _intersection(a, b), a[:, 2] * a[:, 3]
    return _ratio(both, np.where(region, area, area + b[:, 2] * b[:, 3] - both))


def _mask_overlap(
    dataset: Dataset, det: np.ndarray, gt: np.ndarray, region: np.ndarray
) -> np.ndarray:
    """The same on masks, image by image."""
    from pycocotools import mask as coco_mask

    share = np.zeros(len(det))
    image = dataset.det.image[det]
    edges = np.flatnonzero(np.r_[True, image[1:] != image[:-1], True]) if len(image) else []
    for start, stop in pairwise(edges):
        part = slice(start, stop)
        dets, d = np.unique(det[part], return_inverse=True)
        gts, first, g = np.unique(gt[part], return_index=True, return_inverse=True)
        matrix = coco_mask.iou(
            [dataset.det.mask[i] for i in dets],
            [dataset.gt.mask[i] for i in gts],
            region[part][first].tolist(),
        )
        share[part] = np.nan_to_num(matrix[d, g])
    return share


def _most_confident(image: np.ndarray, score: np.ndarray, most: int) -> np.ndarray:
    """Rows sorted by image and falling score, at most ``most`` of each image."""
    rows = np.lexsort((np.arange(len(image)), -score, image))
    sorted_image = image[rows]
    place = np.arange(len(rows)) - np.searchsorted(sorted_image, sorted_image)
    return rows[place < most]


def _packages(image: np.ndarray, meets: np.ndarray) -> list[tuple[int, int]]:
    """Cut the detections into runs of whole images with about ``_CHUNK`` pairs each."""
    if not len(image):
        return []
    starts = np.flatnonzero(np.r_[True, image[1:] != image[:-1]])
    package = (np.cumsum(meets) - meets)[starts] // _CHUNK
    firsts = starts[np.r_[True, package[1:] != package[:-1]]]
    return list(zip(firsts.tolist(), [*firsts[1:].tolist(), len(image)]))


def _ranges(first: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each i the numbers first[i], ..., first[i] + count[i] - 1: (i of each, the numbers)."""
    index = np.repeat(np.arange(len(count)), count)
    shift = first - (np.cumsum(count) - count)
    return index, np.arange(len(index)) + np.repeat(shift, count)


def _turns(dataset: Dataset, rows: np.ndarray, det: np.ndarray) -> np.ndarray:
    """How many rivals choose before the detection of each pair, (n,).

    Rivals are the candidates of the same image and category with a higher score. ``det`` is sorted.
    """
    candidates, of_pair = np.unique(det, return_inverse=True)
    own = rows[candidates]
    group = dataset.det.image[own] * len(dataset.categories) + dataset.det.category[own]
    grouped = np.argsort(group, kind="stable")
    ordered = group[grouped]
    turn = np.empty(len(candidates), int)
    turn[grouped] = np.arange(len(grouped)) - np.searchsorted(ordered, ordered)
    return turn[of_pair]
