"""COCO files: what is read, and that every kind of damage is named with file and entry."""

import copy
import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from eccvkit.data._rle import as_code, find_damaged
from eccvkit.data.coco import load_coco
from eccvkit.errors import DataError

SQUARE = [2, 1, 5, 1, 5, 4, 2, 4]


def code(bits):
    found = coco_mask.encode(np.asfortranarray(bits, np.uint8))
    return {"size": found["size"], "counts": found["counts"].decode()}


BITS = np.zeros((8, 10), bool)
BITS[1:4, 2:5] = True

GT = {
    "images": [{"id": 9, "height": 8, "width": 10}, {"id": 4, "height": 8, "width": 10}],
    "categories": [{"id": 17, "name": "cat"}, {"id": 3, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 4, "category_id": 17, "bbox": [2, 1, 3, 3], "segmentation": [SQUARE]},
        {
            "id": 2,
            "image_id": 4,
            "category_id": 3,
            "bbox": [0, 0, 10, 8],
            "iscrowd": 1,
            "segmentation": {"size": [8, 10], "counts": [0, 80]},
        },
    ],
}
RESULTS = [
    {
        "image_id": 9,
        "category_id": 3,
        "bbox": [-1, 0, 2.5, 2],
        "score": 0.25,
        "segmentation": code(BITS),
    }
]


def test_rows_point_into_the_lists_of_the_file():
    dataset = load_coco(GT, RESULTS)
    assert dataset.categories == ("cat", "dog")
    assert dataset.n_images == 2
    assert dataset.gt.image.tolist() == [1, 1]
    assert dataset.gt.category.tolist() == [0, 1]
    assert dataset.gt.ignore.tolist() == [False, True]
    assert dataset.det.image.tolist() == [0]  # an image without annotations
    assert dataset.det.box.tolist() == [[-1, 0, 2.5, 2]]
    assert dataset.gt.mask is None


def test_files_and_content_read_the_same(tmp_path):
    for name, content in (("gt", GT), ("det", RESULTS)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    dataset = load_coco(tmp_path / "gt.json", str(tmp_path / "det.json"), masks=True)
    assert repr(dataset) == "Dataset(2 images, 2 categories, 1 objects, 1 detections)"


def test_masks_in_all_three_forms():
    dataset = load_coco(GT, RESULTS, masks=True)
    assert np.array_equal(coco_mask.decode(dataset.gt.mask[0]), BITS)
    assert coco_mask.area(dataset.gt.mask[1]) == 80
    assert np.array_equal(coco_mask.decode(dataset.det.mask[0]), BITS)
    assert dataset.det.box.tolist() == [[2, 1, 3, 3]]  # around the mask


def test_ignore_counts_like_iscrowd():
    gt = copy.deepcopy(GT)
    gt["annotations"].append(GT["annotations"][0] | {"id": 3, "ignore": 1})
    assert load_coco(gt, RESULTS).gt.ignore.tolist() == [False, True, True]


def damage(path, value):
    """Both contents, with the entry at ``path`` replaced, or removed if ``value`` is absent."""
    contents = {"gt": copy.deepcopy(GT), "det": copy.deepcopy(RESULTS)}
    *way, last = path
    place = contents
    for step in way:
        place = place[step]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return contents["gt"], contents["det"]


ABSENT = object()
ANN, DET = ("gt", "annotations", 0), ("det", 0)
CASES = [
    (("gt", "annotations"), [], "gt.json: annotations hold no object that is judged"),
    ((*ANN, "iscrowd"), 1, "annotations hold no object that is judged"),
    (("gt", "categories"), ABSENT, "gt.json has no list 'categories'"),
    (("gt", "images"), [], "gt.json: images is empty"),
    (("det",), [], "det.json is empty"),
    (("det",), {"annotations": []}, "det.json holds no results: expected a list"),
    (("gt",), [], "gt.json holds no annotations.*swapped"),
    (("gt", "images", 1, "id"), ABSENT, r"gt.json: images\[1\]: the key 'id' is missing"),
    (("gt", "images", 1, "id"), 9, r"images\[1\] \(id 9\): the id 9 is already used by entry 0"),
    (("gt", "annotations", 1, "id"), 1, r"annotations\[1\] \(id 1\): .*already used by entry 0"),
    (("gt", "categories", 1, "id"), 17, r"categories\[1\] .*already used"),
    (("gt", "annotations", 1), 5, r"annotations\[1\] is no object but 5"),
    ((*ANN, "image_id"), 5, r"annotations\[0\] \(id 1\): image_id 5 is not in the list 'images'"),
    ((*ANN, "image_id"), [4], r"image_id is \[4\]; an id is"),
    ((*ANN, "bbox"), ABSENT, r"annotations\[0\] \(id 1\): the key 'bbox' is missing"),
    ((*ANN, "bbox"), [0, 0, -3, 2], r"annotations\[0\] \(id 1\): bbox is \[0, 0, -3, 2\]"),
    ((*ANN, "iscrowd"), 2, "iscrowd and ignore are"),
    ((*DET, "category_id"), 1, r"det.json\[0\]: category_id 1 is not in the list 'categories'"),
    ((*DET, "image_id"), "9", r"image_id '9' is not .* file, where it is written 9$"),
    ((*DET, "image_id"), 1, r"det.json\[0\]: image_id 1 is not in the list 'images'"),
    ((*DET, "bbox"), [0, 0, float("nan"), 2], r"det.json\[0\]: bbox is \[0, 0, nan, 2\]"),
    ((*DET, "bbox"), [0, 0, 2], r"bbox is \[0, 0, 2\]; give \[x, y, width, height\]"),
    ((*DET, "bbox"), [0, 0, "2", 2], r"bbox is .*; give numbers"),
    ((*DET, "score"), ABSENT, r"det.json\[0\]: the key 'score' is missing"),
    ((*DET, "score"), float("inf"), r"det.json\[0\]: score is inf"),
    ((*DET, "score"), 10**400, r"det.json\[0\]: score is 1000.*; give smaller numbers"),
    ((*DET, "bbox"), [0, 0, 2, -(10**400)], r"bbox is .*; give smaller numbers"),
    ((*DET, "score"), None, "score is None; give numbers"),
]


@pytest.mark.parametrize(("path", "value", "message"), CASES, ids=[c[2][:40] for c in CASES])
def test_damage_is_named(tmp_path, path, value, message):
    gt, det = damage(path, value)
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    (tmp_path / "det.json").write_text(json.dumps(det))
    with pytest.raises(DataError, match=message) as caught:
        load_coco(tmp_path / "gt.json", tmp_path / "det.json")
    assert "\n" not in str(caught.value)


MASK_CASES = [
    ((*DET, "segmentation"), ABSENT, r"det\w*\[0\]: the key 'segmentation' is missing"),
    ((*DET, "segmentation"), code(BITS.T), r"\[0\]: the mask has size \[10, 8\], its image"),
    ((*DET, "segmentation", "counts"), "f0!", "cut off or no code"),
    ((*DET, "segmentation", "counts"), "f037P", "cut off or no code"),
    ((*DET, "segmentation", "counts"), "f037", "does not describe 8 x 10 pixels"),
    ((*DET, "segmentation"), "f037", "neither polygons nor a run-length code"),
    ((*ANN, "segmentation"), [], r"annotations\[0\] \(id 1\): the segmentation is an empty list"),
    ((*ANN, "segmentation"), [[1, 2, 3, 4]], "at least three points"),
    ((*ANN, "segmentation"), [[0, 0, 1e9, 0, 1e9, 1e9]], "far outside the image"),
    (("gt", "annotations", 1, "segmentation", "counts"), [0, 81], "do not add up to 8 x 10"),
    (("gt", "images", 1, "height"), ABSENT, r"images\[1\] \(id 4\): masks need 'height'"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), MASK_CASES, ids=[c[2][:40] for c in MASK_CASES]
)
def test_damaged_masks_are_named(path, value, message):
    gt, det = damage(path, value)
    with pytest.raises(DataError, match=message.replace(r"det\w*", "results")):
        load_coco(gt, det, masks=True)


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        load_coco(tmp_path / "gt.json", RESULTS)
    (tmp_path / "gt.json").write_text("{")
    with pytest.raises(DataError, match=r"gt.json is no readable JSON file"):
        load_coco(tmp_path / "gt.json", RESULTS)


def test_codes_of_pycocotools_are_whole_and_changed_ones_are_not():
    rng = np.random.default_rng(0)
    codes = []
    for _ in range(200):
        h, w = rng.integers(1, 60, 2)
        bits = rng.random((h, w)) < rng.random()
        codes.append(coco_mask.encode(np.asfortranarray(bits, np.uint8)))
    assert find_damaged(codes) is None
    changed = 0
    for i, whole in enumerate(codes):
        text = bytearray(whole["counts"])
        text[rng.integers(len(text))] = 48 + rng.integers(64)
        if bytes(text) == whole["counts"]:
            continue
        try:
            damaged = as_code({"size": whole["size"], "counts": bytes(text)}, *whole["size"])
        except ValueError:
            changed += 1
            continue
        assert find_damaged([*codes[:i], damaged]) == i
        changed += 1
    assert changed > 150
