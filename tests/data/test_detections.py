"""The tables refuse what cannot be judged."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from eccvkit.data.detections import Dataset, Detections, GroundTruth, areas, need_masks
from eccvkit.errors import DataError, UnknownName

BOX = [[0, 0, 4, 5], [1, 1, 2, 2]]


def test_columns_are_arrays_and_nothing_is_ignored_by_default():
    gt = GroundTruth([0, 1], [0, 0], BOX)
    assert gt.box.dtype == np.float64
    assert gt.ignore.tolist() == [False, False]
    assert len(GroundTruth([], [], [])) == 0


def test_take_rows_by_position_and_by_truth():
    codes = [coco_mask.encode(np.full((4, 4), i, np.uint8, order="F")) for i in (0, 1)]
    det = Detections([0, 1], [2, 3], BOX, [0.5, 0.6], codes)
    assert det.take(np.array([1, 0])).category.tolist() == [3, 2]
    one = det.take(np.array([False, True]))
    assert (one.image.tolist(), one.score.tolist(), one.mask) == ([1], [0.6], [codes[1]])


def test_areas_of_boxes_and_masks():
    rng = np.random.default_rng(0)
    bits = [np.zeros((4, 4), bool), np.ones((40, 50), bool), rng.random((33, 21)) < 0.4]
    codes = [coco_mask.encode(np.asfortranarray(m, np.uint8)) for m in bits]
    gt = GroundTruth([0, 1, 1], [0, 0, 0], [*BOX, [0, 0, 3, 3]], mask=codes)
    assert areas(gt).tolist() == [20, 4, 9]
    assert areas(gt, "mask").tolist() == [m.sum() for m in bits]
    assert areas(gt.take(np.zeros(3, bool)), "mask").tolist() == []
    with pytest.raises(UnknownName):
        areas(gt, "segm")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0], [0], [[0, 0, -1, 2]], [0.5]), "row 0 is .*-1"),
        (([0], [0], [[0, 0, np.nan, 2]], [0.5]), "nan"),
        (([0], [0], [[0, 0, 1]], [0.5]), "shape"),
        (([0], [0, 1], [[0, 0, 1, 2]], [0.5]), "category has 2 rows"),
        (([0.5], [0], [[0, 0, 1, 2]], [0.5]), "image holds float64"),
        (([0], [0], [[0, 0, 1, 2]], [np.inf]), "score of row 0 is inf"),
    ],
)
def test_wrong_columns(columns, message):
    with pytest.raises(DataError, match=message):
        Detections(*columns)


def test_positions_must_exist():
    gt, det = GroundTruth([0], [0], BOX[:1]), Detections([3], [0], BOX[:1], [0.5])
    with pytest.raises(DataError, match="detections: image of row 0 is 3"):
        Dataset(gt, det, ("a",), n_images=3)
    with pytest.raises(DataError, match="ground truth: category of row 0 is 0"):
        Dataset(gt, det, (), n_images=4)


def test_masks_that_are_not_there():
    with pytest.raises(DataError, match="ground truth: no masks"):
        need_masks(GroundTruth([0], [0], BOX[:1]))
