"""SVHN (Netzer et al. 2011), format 2: house numbers cropped to one digit, 32 x 32, MAT files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import loadmat

from eccvkit.data.readers._files import check_split, data_root, find_file, parsing
from eccvkit.data.readers.labelled import Labelled
from eccvkit.errors import DataError

SIDE = 32

#: First bytes of an HDF5 file, which MATLAB 7.3 writes 512 bytes into the file.
_HDF5 = b"\x89HDF\r\n\x1a\n"


def svhn(root: str | Path | None = None, split: str = "train") -> Labelled:
    """SVHN: 73,257 training, 26,032 test and 531,131 extra digits, RGB.

    Parameters
    ----------
    root : str or Path, optional
        Folder with ``<split>_32x32.mat``, or with a folder ``svhn`` or ``SVHN`` that holds it.
        Default: ``ECCVKIT_DATA``.
    split : {"train", "test", "extra"}

    Returns
    -------
    Labelled
        ``images`` of shape (N, 32, 32, 3). Label k is digit k: the files write 10 for digit 0.

    Raises
    ------
    DataError
        The file is missing, is no MAT file or one of version 7.3, or its arrays are malformed.
    UnknownName
        No such split.
    """
    check_split(split, ("train", "test", "extra"))
    name = f"{split}_32x32.mat"
    again = f"download {name} again"
    path = find_file(data_root(root), [name], f"put {name} there", ("svhn", "SVHN", "."))
    content = _load(path, again)
    # The published order is (row, column, channel, image).
    images = np.ascontiguousarray(_images(content, path, again).transpose(3, 0, 1, 2))
    return Labelled(images, _digits(content, len(images), path, again), tuple("0123456789"))


def _load(path: Path, again: str) -> dict[str, np.ndarray]:
    with path.open("rb") as stream:
        head = stream.read(512 + len(_HDF5))
    if head.startswith(_HDF5) or head.endswith(_HDF5):
        raise DataError(
            f"{path} is a MAT file of version 7.3 (HDF5), the published one is of version 5: "
            f"{again}, or save it in MATLAB with the option -v7"
        )
    with parsing(path, "MAT file", again):
        return loadmat(path, variable_names=["X", "y"])


def _images(content: dict[str, np.ndarray], path: Path, again: str) -> np.ndarray:
    """Return the array X, shape (32, 32, 3, N)."""
    images = _variable(content, "X", path, again)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != (SIDE, SIDE, 3):
        raise DataError(
            f"{path}: X is {images.dtype} of shape {images.shape} where uint8 of shape "
            f"({SIDE}, {SIDE}, 3, N) is expected: {again}"
        )
    return images


def _digits(content: dict[str, np.ndarray], images: int, path: Path, again: str) -> np.ndarray:
    """Return the labels y, shape (N, 1) with values 1..10, as digits 0..9, shape (N,)."""
    values = _variable(content, "y", path, again)
    if values.dtype.kind not in "uif" or values.size != max(values.shape):
        raise DataError(
            f"{path}: y is {values.dtype} of shape {values.shape} where numbers of shape (N, 1) "
            f"are expected: {again}"
        )
    if values.size != images:
        raise DataError(f"{path}: {values.size} labels for {images} images: {again}")
    wrong = values[~np.isin(values, np.arange(1, 11))]
    if wrong.size:
        raise DataError(f"{path}: label {wrong[0]} is none of 1..10: {again}")
    return values.ravel().astype(np.int64) % 10


def _variable(content: dict[str, np.ndarray], name: str, path: Path, again: str) -> np.ndarray:
    """Return a full array; MAT files may also hold sparse matrices."""
    if not isinstance(content.get(name), np.ndarray):
        raise DataError(f"{path} has no array {name}: {again}")
    return content[name]
