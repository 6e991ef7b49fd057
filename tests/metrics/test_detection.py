"""Average precision against hand-made cases, a plain loop and pycocotools' COCOeval."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from eccvkit.data.detections import Dataset, Detections, GroundTruth
from eccvkit.errors import DataError, EccvkitError, UnknownName
from eccvkit.metrics import detection
from eccvkit.metrics.detection import (
    COCO_THRESHOLDS,
    ap_table,
    average_precision,
    box_iou_pairs,
    match,
    overlaps,
    precision_bars,
)


def random_dataset(seed, n_images=6, n_categories=3, crowd=0.1):
    rng = np.random.default_rng(seed)
    n, d = 25, 60
    image, category = np.sort(rng.integers(0, n_images, n)), rng.integers(0, n_categories, n)
    box = np.c_[rng.uniform(0, 60, (n, 2)), rng.uniform(5, 40, (n, 2))]
    source = rng.integers(0, n, d)
    near = box[source] + rng.normal(0, 4, (d, 4))
    near[:, 2:] = np.maximum(near[:, 2:], 1)
    label = np.where(rng.random(d) < 0.8, category[source], rng.integers(0, n_categories, d))
    gt = GroundTruth(image, category, box, rng.random(n) < crowd)
    det = Detections(image[source], label, near, rng.random(d))
    return Dataset(gt, det, tuple(str(c) for c in range(n_categories)), n_images)


def loop_match(dataset, threshold):
    """Greedy matching: detections by falling score, each takes its best free object."""
    det, gt = dataset.det, dataset.gt
    taken, found = set(), {}
    for d in np.argsort(-det.score, kind="stable"):
        best, best_iou = -1, threshold
        for g in range(len(gt)):
            fits = gt.image[g] == det.image[d] and gt.category[g] == det.category[d]
            if fits and g not in taken and not gt.ignore[g]:
                iou = box_iou_pairs(det.box[[d]], gt.box[[g]])[0]
                if iou >= best_iou and (best < 0 or iou > best_iou):
                    best, best_iou = g, iou
        found[d] = best
        taken.add(best)
    return found


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_match_equals_the_loop(seed, threshold):
    dataset = random_dataset(seed)
    pairs = overlaps(dataset)
    found = match(dataset, pairs, threshold)
    assert dict(zip(pairs.rows.tolist(), found.tolist())) == loop_match(dataset, threshold)


def test_chunks_do_not_change_the_pairs(monkeypatch):
    dataset = random_dataset(3)
    whole = overlaps(dataset)
    monkeypatch.setattr(detection, "_CHUNK", 7)
    calls = []

    def watch(packages):
        calls.append(len(packages))
        return packages

    parts = overlaps(dataset, progress=watch)
    assert calls[0] > 3
    for name in ("rows", "det", "gt", "iou", "same_class", "ignorable", "by_score"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


def test_ap_by_hand():
    # Found, missed, found: precision 1 up to recall 1/2 (51 bars), 2/3 up to recall 1 (50 bars).
    correct = np.array([True, False, True])
    ap = average_precision(np.zeros(3, int), correct, np.array([2]))
    assert ap[0] == pytest.approx(100 * (51 * 1 + 50 * 2 / 3) / 101)


def test_ap_reads_precision_from_the_right():
    # A dip between two recalls is filled by the better precision further right.
    bars = precision_bars(np.zeros(4, int), np.array([False, True, True, True]), np.array([3]))
    assert bars[0] == pytest.approx(np.full(101, 3 / 4))


def test_a_recall_of_seven_tenths_reaches_the_bar_at_070():
    bars = precision_bars(np.zeros(7, int), np.ones(7, bool), np.array([10]))
    assert bars[0, 70] == 1
    assert bars[0, 71] == 0


def test_empty_and_half_empty_categories():
    ap = average_precision(np.array([1]), np.array([False]), np.array([0, 0, 5]))
    assert np.isnan(ap[0])  # neither detections nor objects
    assert ap[1:].tolist() == [0, 0]  # only detections, only objects


@pytest.mark.parametrize("seed", range(6))
def test_ap_equals_cocoeval(seed, monkeypatch):
    dataset = random_dataset(seed, crowd=0.0 if seed < 3 else 0.15)
    coco = COCO()
    gt, det = dataset.gt, dataset.det
    coco.dataset = {
        "images": [{"id": i} for i in range(dataset.n_images)],
        "categories": [{"id": c} for c in range(len(dataset.categories))],
        "annotations": [
            {
                "id": k + 1,
                "image_id": int(gt.image[k]),
                "category_id": int(gt.category[k]),
                "bbox": gt.box[k].tolist(),
                "area": float(gt.box[k, 2:].prod()),
                "iscrowd": int(gt.ignore[k]),
            }
            for k in range(len(gt))
        ],
    }
    rows = np.c_[det.image, det.box, det.score, det.category]
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(rows), "bbox")
        judge.params.recThrs = np.arange(101) / 100
        judge.evaluate()
        judge.accumulate()
    theirs = judge.eval["precision"][:, :, :, 0, 2].mean(axis=1)  # threshold, category
    ours = ap_table(dataset, COCO_THRESHOLDS) / 100
    judged = theirs[0] >= 0  # COCOeval leaves out categories without objects
    assert judged.any()
    assert ours[:, judged] == pytest.approx(theirs[:, judged], abs=1e-9)


def test_most_confident_detections_are_chosen_before_matching():
    # The good box has the lower score: with one detection per image it is not judged.
    box = [[0, 0, 10, 10], [50, 50, 5, 5]]
    gt = GroundTruth([0], [0], box[:1])
    dataset = Dataset(gt, Detections([0, 0], [0, 0], box, [0.4, 0.9]), ("a",), 1)
    assert ap_table(dataset, [0.5]).item() == pytest.approx(50)
    assert ap_table(dataset, [0.5], max_dets=1).item() == 0


def test_ties_keep_the_order_of_images_and_of_detections():
    box = [[0, 0, 10, 10], [50, 50, 10, 10]]
    gt = GroundTruth([1], [0], box[:1])
    late = Dataset(gt, Detections([1, 0], [0, 0], box, [0.5, 0.5]), ("a",), 2)
    assert ap_table(late, [0.5]).item() == pytest.approx(50)  # image 0 comes first
    first = Dataset(gt, Detections([1, 1], [0, 0], box, [0.5, 0.5]), ("a",), 2)
    assert ap_table(first, [0.5]).item() == pytest.approx(100)


def test_crowds_swallow_what_lies_inside_and_take_no_match():
    crowd = GroundTruth([0, 0], [0, 0], [[0, 0, 10, 10], [40, 0, 40, 40]], [False, True])
    inside, half = [45, 5, 10, 10], [35, 0, 10, 10]
    det = Detections([0, 0], [0, 0], [inside, [0, 0, 10, 10]], [0.9, 0.8])
    assert ap_table(Dataset(crowd, det, ("a",), 1), [0.5]).item() == pytest.approx(100)
    # Half inside is not more than the threshold.
    det = Detections([0, 0], [0, 0], [half, [0, 0, 10, 10]], [0.9, 0.8])
    assert ap_table(Dataset(crowd, det, ("a",), 1), [0.5]).item() == pytest.approx(50)


def test_boxes_without_area_overlap_nothing():
    flat = np.array([[5.0, 5.0, 0.0, 10.0]])
    assert box_iou_pairs(flat, flat).tolist() == [0.0]


def test_bad_requests():
    dataset = random_dataset(0)
    with pytest.raises(UnknownName, match="mask"):
        overlaps(dataset, "boxes")
    with pytest.raises(DataError, match="no masks"):
        overlaps(dataset, "mask")
    with pytest.raises(EccvkitError, match="max_dets"):
        overlaps(dataset, max_dets=0)
    nothing = Dataset(GroundTruth([], [], []), Detections([], [], [], []), ("a",), 1)
    with pytest.raises(DataError, match="nothing"):
        ap_table(nothing)
