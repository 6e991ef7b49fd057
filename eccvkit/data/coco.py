"""COCO's JSON files: annotations (``instances_*.json``) and a detector's results.

Everything is checked before anything is computed. An error names the file and the entry. Unlike the
readers of whole data sets (:mod:`eccvkit.data.readers`) this module needs NumPy only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eccvkit.data._rle import as_code, find_damaged
from eccvkit.data.detections import Dataset, Detections, GroundTruth
from eccvkit.errors import DataError

_GT_FORM = "an object with the lists 'images', 'annotations' and 'categories'"
_RESULTS_FORM = "a list of objects with 'image_id', 'category_id', 'score' and 'bbox'"


def load_coco(
    annotations: str | Path | Mapping[str, Any],
    results: str | Path | Sequence[Mapping[str, Any]],
    *,
    masks: bool = False,
) -> Dataset:
    """Read ground truth and detections.

    Parameters
    ----------
    annotations : path or mapping
        An annotation file, or its content: ``images`` (``id``; for masks ``height`` and ``width``),
        ``categories`` (``id``, ``name``), ``annotations`` (``id``, ``image_id``, ``category_id``,
        ``bbox``, for masks ``segmentation``; ``iscrowd`` or ``ignore`` mark regions that are not
        judged).
    results : path or sequence of mappings
        A results file, or its content: ``image_id``, ``category_id``, ``score``, and ``bbox`` or
        for masks ``segmentation``.
    masks : bool
        Read segmentations; boxes are then the boxes around the masks.

    Returns
    -------
    Dataset
        Images and categories in the order of the file. Images without annotations stay: whatever
        is detected there is a false positive.

    Raises
    ------
    DataError
        A file is missing or no JSON; a key is missing; an id is unknown or used twice; a box is
        negative or not finite, a score not finite; a mask is damaged or has another size than its
        image; there are no detections, or no objects that are judged. Boxes may reach out of the
        image.

    Examples
    --------
    >>> gt = {
    ...     "images": [{"id": 7}],
    ...     "categories": [{"id": 3, "name": "cat"}],
    ...     "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9]}],
    ... }
    >>> load_coco(gt, [{"image_id": 7, "category_id": 3, "bbox": [1, 0, 9, 9], "score": 0.5}])
    Dataset(1 images, 1 categories, 1 objects, 1 detections)
    """
    gt_name, gt = _content(annotations, "annotations", dict, _GT_FORM)
    name, rows = _content(results, "results", list, _RESULTS_FORM)
    for key in ("images", "annotations", "categories"):
        if not isinstance(gt.get(key), list):
            raise DataError(f"{gt_name} has no list {key!r}: an annotation file is {_GT_FORM}")
    images = _Entries(f"{gt_name}: images", gt["images"])
    categories = _Entries(f"{gt_name}: categories", gt["categories"])
    objects = _Entries(f"{gt_name}: annotations", gt["annotations"])
    detections = _Entries(name, rows)
    for entries in (images, categories, detections):
        if not entries.rows:
            raise DataError(f"{entries.where} is empty: there is nothing to judge")
    image_at, category_at = images.unique_ids(), categories.unique_ids()
    objects.unique_ids()

    def columns(entries: _Entries) -> dict[str, Any]:
        image = entries.positions("image_id", image_at)
        place = {"image": image, "category": entries.positions("category_id", category_at)}
        if not masks:
            return place | {"box": entries.boxes()}
        codes = entries.masks([images.rows[i] for i in image], images)
        return place | {"mask": codes, "box": _boxes_around(codes)}

    gt_table = GroundTruth(**columns(objects), ignore=objects.ignored())
    if gt_table.ignore.all():
        raise DataError(
            f"{objects.where} hold no object that is judged, so there is nothing to find: give an "
            "annotation file with objects whose iscrowd and ignore are 0"
        )
    return Dataset(
        gt=gt_table,
        det=Detections(**columns(detections), score=detections.scores()),
        categories=tuple(str(c.get("name", c["id"])) for c in categories.rows),
        n_images=len(images.rows),
    )


def _content(source: Any, what: str, kind: type, form: str) -> tuple[str, Any]:
    """Name and parsed content of a file, or of content that was given directly."""
    name, content = what, source
    if isinstance(source, str | Path):
        path = Path(source)
        name = str(path)
        if not path.is_file():
            raise DataError(f"there is no file {path}: correct the path")
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path} is no readable JSON file ({error}): write it again") from error
    if kind is list and isinstance(content, Sequence) and not isinstance(content, str):
        content = list(content)
    if not isinstance(content, kind):
        hint = "; are the two files swapped?" if isinstance(content, dict | list) else ""
        raise DataError(f"{name} holds no {what}: expected {form}{hint}")
    return name, content


class _Entries:
    """A list of JSON objects of one file, read column by column."""

    def __init__(self, where: str, rows: list[Any]):
        self.where, self.rows = where, rows
        for i, row in enumerate(rows):
            if not isinstance(row, dict):
                raise DataError(f"{where}[{i}] is no object but {_short(row)}")

    def error(self, i: int, problem: str) -> DataError:
        """An error about one entry."""
        own = self.rows[i].get("id")
        return DataError(f"{self.where}[{i}]{'' if own is None else f' (id {own!r})'}: {problem}")

    def column(self, key: str) -> list[Any]:
        """One value per entry."""
        try:
            return [row[key] for row in self.rows]
        except KeyError:
            i = next(i for i, row in enumerate(self.rows) if key not in row)
            raise self.error(i, f"the key {key!r} is missing") from None

    def ids(self, key: str) -> list[Any]:
        """A column of ids: whole numbers or texts."""
        values = self.column(key)
        i = _first(lambda v: not isinstance(v, int | str) or isinstance(v, bool), values)
        if i is not None:
            raise self.error(i, f"{key} is {_short(values[i])}; an id is a whole number or a text")
        return values

    def unique_ids(self) -> dict[Any, int]:
        """Position of every id."""
        ids = self.ids("id")
        at: dict[Any, int] = {}
        for i, value in enumerate(ids):
            if at.setdefault(value, i) != i:
                raise self.error(i, f"the id {value!r} is already used by entry {at[value]}")
        return at

    def positions(self, key: str, at: Mapping[Any, int]) -> np.ndarray:
        """The position that each entry's id stands for."""
        ids = self.ids(key)
        try:
            return np.array([at[value] for value in ids], np.int64)
        except KeyError:
            i = next(i for i, value in enumerate(ids) if value not in at)
            list_name = {"image_id": "images", "category_id": "categories"}[key]
            problem = f"{key} {ids[i]!r} is not in the list {list_name!r} of the annotation file"
            twin = next((known for known in at if str(known) == str(ids[i])), None)
            if twin is not None:
                problem += f", where it is written {twin!r}"
            raise self.error(i, problem) from None

    def boxes(self) -> np.ndarray:
        """The boxes (n, 4)."""
        values = self.column("bbox")
        i = _first(lambda v: not isinstance(v, list | tuple) or len(v) != 4, values)
        if i is not None:
            raise self.error(i, f"bbox is {_short(values[i])}; give [x, y, width, height]")
        box = self._numbers("bbox", values).reshape(-1, 4)
        wrong = ~np.isfinite(box).all(axis=1) | (box[:, 2:] < 0).any(axis=1)
        if wrong.any():
            i = int(wrong.argmax())
            problem = f"bbox is {_short(values[i])}; width and height must be 0 or more"
            raise self.error(i, f"{problem}, and every number finite")
        return box

    def scores(self) -> np.ndarray:
        """The scores (n,)."""
        values = self.column("score")
        score = self._numbers("score", values)
        wrong = ~np.isfinite(score)
        if wrong.any():
            i = int(wrong.argmax())
            raise self.error(i, f"score is {values[i]}; give a finite number")
        return score

    def _numbers(self, key: str, values: list[Any]) -> np.ndarray:
        """A numeric column; texts and truth values are no numbers."""

        def wrong(value: Any) -> bool:
            parts = value if isinstance(value, list | tuple) else [value]
            return any(not isinstance(v, int | float) or isinstance(v, bool) for v in parts)

        i = _first(wrong, values)
        if i is not None:
            raise self.error(i, f"{key} is {_short(values[i])}; give numbers")
        try:
            return np.array(values, np.float64)
        except OverflowError:
            i = next(i for i, value in enumerate(values) if _overflows(value))
            raise self.error(i, f"{key} is {_short(values[i])}; give smaller numbers") from None

    def ignored(self) -> np.ndarray:
        """Whether each annotation marks a region that is not judged."""
        values = [(row.get("iscrowd", 0), row.get("ignore", 0)) for row in self.rows]
        i = _first(lambda v: v[0] not in (0, 1) or v[1] not in (0, 1), values)
        if i is not None:
            raise self.error(i, f"iscrowd and ignore are {values[i]}; each is 0 or 1")
        return np.array([bool(crowd or ignore) for crowd, ignore in values], bool)

    def masks(self, images: Sequence[Mapping[str, Any]], named: _Entries) -> list[dict[str, Any]]:
        """The masks as compressed codes; ``images`` holds the image entry of each row."""
        codes = []
        for i, (image, segmentation) in enumerate(zip(images, self.column("segmentation"))):
            size = image.get("height"), image.get("width")
            if not all(isinstance(side, int) and side > 0 for side in size):
                problem = "masks need 'height' and 'width' of the image, whole numbers above 0"
                raise named.error(named.rows.index(image), problem)
            try:
                codes.append(as_code(segmentation, *size))
            except (ValueError, TypeError) as error:
                raise self.error(i, f"{error}; write the segmentation again") from None
        damaged = find_damaged(codes)
        if damaged is not None:
            h, w = codes[damaged]["size"]
            problem = f"the run-length code of the mask does not describe {h} x {w} pixels"
            raise self.error(damaged, f"{problem}; write the segmentation again")
        return codes


def _first(wrong: Callable[[Any], bool], values: list[Any]) -> int | None:
    """Position of the first value that is wrong."""
    return next((i for i, value in enumerate(values) if wrong(value)), None)


def _overflows(value: float | list[float]) -> bool:
    """Whether a whole number is too large for floating point; JSON has no limit."""
    parts = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(part, int) and abs(part) > 10**308 for part in parts)


def _boxes_around(codes: list[dict[str, Any]]) -> np.ndarray:
    from pycocotools import mask as coco_mask

    return coco_mask.toBbox(codes) if codes else np.zeros((0, 4))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
