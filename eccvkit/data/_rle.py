"""COCO's run-length codes and polygons, checked before the C code of pycocotools sees them.

A damaged code makes pycocotools return a wrong number or never return.

A mask is the lengths of its runs of 0 and 1, column by column, beginning with 0. A *compressed*
code writes each length, from the fourth on as the difference to the last but one, in groups of five
bits, lowest first, one character each: 48 + bits, plus 32 if another group follows; the highest bit
of the last group is the sign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

#: Any number of characters of 48 to 111, the last without a continuation bit.
_CODE = re.compile(rb"[0-o]*[0-O]")


def as_code(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """A compressed code for a segmentation in any of COCO's three forms.

    Compressed codes are passed on as they are: check them with :func:`find_damaged`.

    Parameters
    ----------
    segmentation : list or dict
        Polygons [[x1, y1, x2, y2, ...], ...], or {"size": [h, w], "counts": list or str}.
    height, width : int
        Of the image.

    Raises
    ------
    ValueError
        The segmentation is malformed; the text says how.
    """
    from pycocotools import mask as coco_mask

    if isinstance(segmentation, list):
        polygons = [_polygon(p, height, width) for p in segmentation]
        if not polygons:
            raise ValueError("the segmentation is an empty list")
        return coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise ValueError("the segmentation is neither polygons nor a run-length code")
    size, counts = segmentation["size"], segmentation["counts"]
    if list(size) != [height, width]:
        raise ValueError(f"the mask has size {list(size)}, its image [{height}, {width}]")
    if isinstance(counts, list):
        runs = np.asarray(counts)
        whole = runs.dtype.kind in "iu" and runs.ndim == 1
        if not whole or (runs < 0).any() or runs.sum() != height * width:
            raise ValueError(f"the runs of the mask do not add up to {height} x {width} pixels")
        return coco_mask.frPyObjects(segmentation, height, width)
    code = counts.encode() if isinstance(counts, str) else counts
    if not isinstance(code, bytes) or not _CODE.fullmatch(code):
        raise ValueError("the run-length code of the mask is cut off or no code at all")
    return {"size": [height, width], "counts": code}


def _polygon(points: Any, height: int, width: int) -> list[float]:
    """A polygon, as pycocotools wants it; it must stay near the image, whose outline it fills."""
    values = np.asarray(points)
    if values.dtype.kind not in "iuf" or values.ndim != 1 or len(values) < 6 or len(values) % 2:
        raise ValueError("a polygon is no list of at least three points x1, y1, x2, y2, ...")
    x, y = values[::2], values[1::2]
    if (
        not ((-width <= x) & (x <= 2 * width)).all()
        or not ((-height <= y) & (y <= 2 * height)).all()
    ):
        raise ValueError("a polygon has points that are not finite or far outside the image")
    return values.astype(float).tolist()


def find_damaged(codes: Sequence[dict[str, Any]]) -> int | None:
    """Position of the first compressed code whose runs do not fill its image exactly, or None.

    Examples
    --------
    >>> whole, short = {"size": [2, 3], "counts": b"06"}, {"size": [2, 3], "counts": b"05"}
    >>> find_damaged([whole, short])
    1
    """
    if not codes:
        return None
    runs, of_code, _ = _runs(codes)
    pixels = np.array([code["size"][0] * code["size"][1] for code in codes])
    sums = np.bincount(of_code, weights=runs, minlength=len(codes))
    damaged = sums != pixels
    damaged[of_code[runs < 0]] = True
    return int(damaged.argmax()) if damaged.any() else None


def code_areas(codes: Sequence[dict[str, Any]]) -> np.ndarray:
    """Pixels of each mask (n,), float.

    ``pycocotools.mask.area`` (2.0.11) takes no more than 255 masks at a time.

    Examples
    --------
    >>> code_areas([{"size": [20, 20], "counts": b"0`<"}])
    array([400.])
    """
    if not len(codes):
        return np.zeros(0)
    runs, of_code, place = _runs(codes)
    inside = place % 2 == 1
    return np.bincount(of_code[inside], weights=runs[inside], minlength=len(codes))


def _runs(codes: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All run lengths, the code each belongs to, and its place in it."""
    text = b"".join(code["counts"] for code in codes)
    lengths = np.array([len(code["counts"]) for code in codes])
    values, of_code = _numbers(np.frombuffer(text, np.uint8) - 48, lengths)
    place = np.arange(len(values)) - np.searchsorted(of_code, of_code)
    return _undo_differences(values, of_code, place), of_code, place


def _numbers(bits: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers that the characters of all codes write, and the code each belongs to."""
    last = (bits & 32) == 0
    ends = np.flatnonzero(last)
    starts = np.r_[0, ends[:-1] + 1]
    size = ends - starts + 1
    place = np.arange(len(bits)) - np.repeat(starts, size)
    # More groups than a run length can have: clipped, the number is wrong and gets found out.
    values = np.add.reduceat((bits & 31).astype(np.int64) << 5 * np.minimum(place, 8), starts)
    negative = (bits[ends] & 16) != 0
    values[negative] -= np.int64(1) << 5 * np.minimum(size[negative], 9)
    return values, np.repeat(np.arange(len(lengths)), lengths)[ends]


def _undo_differences(values: np.ndarray, of_code: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Run lengths: within a code every number from the fourth on adds to the last but one."""
    # Odd places form one chain of sums; even places another that begins at 2; place 0 is alone.
    chain = 3 * of_code + np.where(place == 0, 0, np.where(place % 2, 1, 2))
    grouped = np.argsort(chain, kind="stable")
    sums = np.cumsum(values[grouped])
    start = np.searchsorted(chain[grouped], chain[grouped])
    runs = np.empty_like(values)
    runs[grouped] = sums - sums[start] + values[grouped][start]
    return runs
