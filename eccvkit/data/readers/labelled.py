"""What every reader returns: images, labels and class names that fit each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eccvkit.errors import DataError


@dataclass(frozen=True, eq=False, repr=False)
class Labelled:
    """Images with one class label each.

    Attributes
    ----------
    images : ndarray of uint8, shape (N, H, W) or (N, H, W, C)
        Grey images have no channel axis; colour images are RGB.
    labels : ndarray of int64, shape (N,)
        Indices into ``classes``.
    classes : tuple of str
        Class names.

    Raises
    ------
    DataError
        The three do not fit each other.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim not in (3, 4):
            raise DataError(
                f"images are {self.images.dtype} of shape {self.images.shape}: "
                "give uint8 of shape (N, H, W) or (N, H, W, C)"
            )
        if self.labels.dtype != np.int64:
            raise DataError(f"labels are {self.labels.dtype}: give int64")
        remedy = "give each image the index of its class"
        check_labels(self.labels, len(self.images), len(self.classes), "Labelled", remedy)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.images.shape[1:]))
        return f"Labelled({len(self)} images of {shape}, {len(self.classes)} classes)"


def check_labels(
    values: object, images: int, classes: int, source: str | Path, remedy: str
) -> np.ndarray:
    """Return labels as int64, after checking that each image has one that names a class.

    Parameters
    ----------
    values : array_like of int
        Labels as they stand in the file.
    images, classes : int
        How many of each there are.
    source : str or Path
        Where the labels come from, and
    remedy : str
        what to do when they are wrong; both for the error message.

    Returns
    -------
    ndarray of int64, shape (images,)

    Raises
    ------
    DataError
        Labels are no flat list of integers, too many, too few, or out of range.
    """
    labels = _flat_integers(values)
    if labels is None:
        raise DataError(f"{source}: the labels are no flat list of integers: {remedy}")
    if len(labels) != images:
        raise DataError(f"{source}: {len(labels)} labels for {images} images: {remedy}")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise DataError(
            f"{source}: label {labels[wrong[0]]} of image {wrong[0]} is outside "
            f"0..{classes - 1}: {remedy}"
        )
    return labels.astype(np.int64, copy=False)


def _flat_integers(values: object) -> np.ndarray | None:
    try:
        array = np.asarray(values)
    except ValueError:  # a ragged list
        return None
    # numpy makes floats of an empty list, which is a list of integers all the same.
    return array if array.ndim == 1 and (array.dtype.kind in "iu" or not array.size) else None
