"""Annotated objects and detections of a whole data set as flat tables (structures of arrays).

A row is an object or a detection; columns are NumPy arrays. Images and categories are whole
numbers from 0, so that everything about them can be computed without a loop over images.
:func:`eccvkit.data.coco.load_coco` fills the tables from files;
:mod:`eccvkit.metrics.detection` and :mod:`eccvkit.papers.tide` judge them.

Boxes are (x, y, width, height) in pixels. Masks are COCO run-length codes: dicts with "size" and
"counts" as :mod:`pycocotools.mask` writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eccvkit.data._rle import code_areas
from eccvkit.errors import DataError, unknown

#: What overlap is measured on.
MODES = ("box", "mask")

Masks = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class GroundTruth:
    """Annotated objects, one per row.

    Attributes
    ----------
    image, category : (n,) int array
        Position in the data set's lists of images and categories.
    box : (n, 4) float array
        x, y, width, height in pixels.
    ignore : (n,) bool array
        Regions in which detections of that category are not judged (COCO's crowds, the "difficult"
        objects of Pascal VOC). They are no objects: nothing is gained by finding them.
    mask : sequence of dict, optional
        (n,) run-length codes.
    """

    image: np.ndarray
    category: np.ndarray
    box: np.ndarray
    ignore: np.ndarray | None = None
    mask: Masks | None = None

    def __post_init__(self) -> None:
        _check_table(self, "ground truth")
        n = len(self.box)
        ignore = np.zeros(n, bool) if self.ignore is None else np.asarray(self.ignore, bool)
        _check_length("ground truth", "ignore", ignore, n)
        object.__setattr__(self, "ignore", ignore)

    def __len__(self) -> int:
        return len(self.box)

    def take(self, rows: np.ndarray) -> GroundTruth:
        """The table of some rows (positions or a bool array), in that order."""
        rows = _positions(rows)
        columns = (self.image[rows], self.category[rows], self.box[rows], self.ignore[rows])
        return GroundTruth(*columns, mask=_take_masks(self.mask, rows))


@dataclass(frozen=True)
class Detections:
    """Detections, one per row.

    Attributes
    ----------
    image, category : (n,) int array
        Position in the data set's lists of images and categories.
    box : (n, 4) float array
        x, y, width, height in pixels.
    score : (n,) float array
        Larger is more confident; any finite number.
    mask : sequence of dict, optional
        (n,) run-length codes.
    """

    image: np.ndarray
    category: np.ndarray
    box: np.ndarray
    score: np.ndarray
    mask: Masks | None = None

    def __post_init__(self) -> None:
        _check_table(self, "detections")
        score = np.asarray(self.score, np.float64)
        _check_length("detections", "score", score, len(self.box))
        if not np.isfinite(score).all():
            row = int((~np.isfinite(score)).argmax())
            raise DataError(f"detections: score of row {row} is {score[row]}; give finite numbers")
        object.__setattr__(self, "score", score)

    def __len__(self) -> int:
        return len(self.box)

    def take(self, rows: np.ndarray) -> Detections:
        """The table of some rows (positions or a bool array), in that order."""
        rows = _positions(rows)
        columns = (self.image[rows], self.category[rows], self.box[rows], self.score[rows])
        return Detections(*columns, mask=_take_masks(self.mask, rows))


@dataclass(frozen=True)
class Dataset:
    """A data set's objects and one detector's detections on it.

    Attributes
    ----------
    gt : GroundTruth
    det : Detections
    categories : tuple of str
        Names; ``category`` columns point into it.
    n_images : int
        Images, with or without objects; ``image`` columns are below it. Their order decides between
        detections of equal score.

    Examples
    --------
    >>> gt = GroundTruth(image=[0], category=[0], box=[[0, 0, 10, 10]])
    >>> det = Detections(image=[0, 1], category=[0, 0], box=[[0, 0, 10, 9]] * 2, score=[0.9, 0.8])
    >>> Dataset(gt, det, categories=("cat",), n_images=2)
    Dataset(2 images, 1 categories, 1 objects, 2 detections)
    """

    gt: GroundTruth
    det: Detections
    categories: tuple[str, ...]
    n_images: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", tuple(self.categories))
        for what, table in (("ground truth", self.gt), ("detections", self.det)):
            _check_range(what, "image", table.image, self.n_images)
            _check_range(what, "category", table.category, len(self.categories))

    def __repr__(self) -> str:
        return (
            f"Dataset({self.n_images} images, {len(self.categories)} categories, "
            f"{int((~self.gt.ignore).sum())} objects, {len(self.det)} detections)"
        )


def areas(table: GroundTruth | Detections, mode: str = "box") -> np.ndarray:
    """Area of every row in square pixels, (n,) float.

    Parameters
    ----------
    table : GroundTruth or Detections
    mode : {"box", "mask"}

    Raises
    ------
    UnknownName
        No such mode.
    DataError
        The table has no masks.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    if mode == "box":
        return table.box[:, 2] * table.box[:, 3]
    return code_areas(need_masks(table))


def need_masks(table: GroundTruth | Detections) -> Masks:
    """The masks of a table.

    Raises
    ------
    DataError
        It has none.
    """
    if table.mask is None:
        name = "ground truth" if isinstance(table, GroundTruth) else "detections"
        raise DataError(f"{name}: no masks; use mode 'box', or load masks with their boxes")
    return table.mask


def _check_table(table: GroundTruth | Detections, what: str) -> None:
    """Convert the columns that both tables have, and check their shapes and values."""
    box = np.asarray(table.box, np.float64)
    box = box.reshape(0, 4) if box.size == 0 else box
    if box.ndim != 2 or box.shape[1] != 4:
        raise DataError(f"{what}: boxes have shape {box.shape}; give one (x, y, w, h) per row")
    wrong = ~np.isfinite(box).all(axis=1) | (box[:, 2:] < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{what}: box of row {row} is {box[row].tolist()}; give finite x, y and a width and "
            "height of at least 0"
        )
    object.__setattr__(table, "box", box)
    for name in ("image", "category"):
        column = np.asarray(getattr(table, name))
        if column.size and not np.issubdtype(column.dtype, np.integer):
            raise DataError(f"{what}: column {name} holds {column.dtype}; give whole numbers")
        _check_length(what, name, column, len(box))
        object.__setattr__(table, name, column.astype(np.int64))
    if table.mask is not None:
        _check_length(what, "mask", table.mask, len(box))


def _check_length(what: str, name: str, column: Sequence, n: int) -> None:
    if len(column) != n:
        raise DataError(f"{what}: column {name} has {len(column)} rows, boxes have {n}")


def _check_range(what: str, name: str, column: np.ndarray, below: int) -> None:
    wrong = (column < 0) | (column >= below)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{what}: {name} of row {row} is {column[row]}; give positions from 0 to {below - 1}"
        )


def _positions(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def _take_masks(masks: Masks | None, rows: np.ndarray) -> Masks | None:
    return None if masks is None else [masks[row] for row in rows]
