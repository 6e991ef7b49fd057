"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), the "python version": pickles written by Python 2.

A pickle can run any code when it is loaded. The unpickler here knows the names by which numpy
rebuilds arrays and refuses every other import, so that a manipulated file ends in an error. Not
even numpy's own functions are handed out, only stand-ins for them: numpy believes what a pickle
says about a dtype, and a false word there can corrupt memory.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from eccvkit.data.readers._files import check_split, data_root, find_file, parsing
from eccvkit.data.readers.labelled import Labelled, check_labels
from eccvkit.errors import DataError

SIDE = 32

_AGAIN = "download it again from the publisher"


def cifar10(root: str | Path | None = None, split: str = "train") -> Labelled:
    """CIFAR-10: 50,000 training and 10,000 test images of 10 classes, 32 x 32 RGB.

    Parameters
    ----------
    root : str or Path, optional
        The folder ``cifar-10-batches-py`` or the one above it. Default: ``ECCVKIT_DATA``.
    split : {"train", "test"}

    Returns
    -------
    Labelled
        ``images`` of shape (N, 32, 32, 3).

    Raises
    ------
    DataError
        A file is missing, malformed, or a pickle that wants to import something.
    UnknownName
        No such split.
    """
    check_split(split, ("train", "test"))
    advice = "unpack cifar-10-python.tar.gz there"
    places = ("cifar-10-batches-py", ".")
    meta = find_file(data_root(root), ["batches.meta"], advice, places)
    names = [f"data_batch_{i}" for i in range(1, 6)] if split == "train" else ["test_batch"]
    files = [find_file(meta.parent, [name], advice) for name in names]
    return _read(files, b"labels", meta, b"label_names")


def cifar100(
    root: str | Path | None = None, split: str = "train", *, coarse: bool = False
) -> Labelled:
    """CIFAR-100: 50,000 training and 10,000 test images of 100 classes, 32 x 32 RGB.

    Parameters
    ----------
    root : str or Path, optional
        The folder ``cifar-100-python`` or the one above it. Default: ``ECCVKIT_DATA``.
    split : {"train", "test"}
    coarse : bool
        Label with the 20 superclasses instead of the 100 classes.

    Returns
    -------
    Labelled
        ``images`` of shape (N, 32, 32, 3).

    Raises
    ------
    DataError
        A file is missing, malformed, or a pickle that wants to import something.
    UnknownName
        No such split.
    """
    check_split(split, ("train", "test"))
    advice = "unpack cifar-100-python.tar.gz there"
    meta = find_file(data_root(root), ["meta"], advice, ("cifar-100-python", "."))
    kind = b"coarse" if coarse else b"fine"
    batch = find_file(meta.parent, [split], advice)
    return _read([batch], kind + b"_labels", meta, kind + b"_label_names")


def _read(files: list[Path], label_key: bytes, meta: Path, name_key: bytes) -> Labelled:
    """Read the class names, then all batches."""
    classes = _class_names(meta, name_key)
    batches = [_read_batch(path, label_key, len(classes)) for path in files]
    images, labels = (np.concatenate(parts) for parts in zip(*batches))
    return Labelled(images, labels, classes)


def _class_names(meta: Path, key: bytes) -> tuple[str, ...]:
    names = _item(_load(meta), key, meta)
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise DataError(f"{meta}: {key.decode()} is no list of names: {_AGAIN}")
    with parsing(meta, "list of class names", _AGAIN):
        return tuple(name.decode("utf-8") for name in names)


def _read_batch(path: Path, label_key: bytes, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) and labels (N,) of one batch."""
    batch = _load(path)
    array = _item(batch, b"data", path)
    if not isinstance(array, _Array):
        raise DataError(f"{path}: data is no array: {_AGAIN}")
    data, row = array.values, 3 * SIDE * SIDE
    if data.ndim != 2 or data.shape[1] != row:
        raise DataError(
            f"{path}: data has shape {data.shape} where (N, {row}) is expected: {_AGAIN}"
        )
    labels = check_labels(_item(batch, label_key, path), len(data), classes, path, _AGAIN)
    # A row is the red plane, then green, then blue, each from the top row down.
    planes = data.reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def _item(content: Any, key: bytes, path: Path) -> Any:
    if not isinstance(content, dict) or key not in content:
        found = (
            "keys " + ", ".join(map(repr, content))
            if isinstance(content, dict)
            else f"a {type(content).__name__}"
        )
        raise DataError(f"{path} has no key {key!r} (it holds {found[:120]}): {_AGAIN}")
    return content[key]


def _load(path: Path) -> Any:
    """Unpickle a file of Python 2, whose strings become bytes, without importing anything."""
    with path.open("rb") as stream, parsing(path, "CIFAR batch", _AGAIN):
        return _ArrayUnpickler(stream, path).load()


class _Dtype:
    """Stand-in for ``numpy.dtype``, which a batch needs for uint8 only."""

    def __init__(self, name: bytes | str, *options: object) -> None:
        if name not in (b"u1", "u1"):
            raise pickle.UnpicklingError(f"an array of {name!r}, not of uint8")

    def __setstate__(self, state: tuple) -> None:
        """Ignore byte order, fields and flags: one byte has none."""


class _Array:
    """Stand-in for ``numpy.ndarray`` and for ``numpy.core.multiarray._reconstruct``."""

    values = np.empty(0, dtype=np.uint8)

    def __init__(self, *options: object) -> None:
        pass  # numpy, too, begins with an empty array and fills it by __setstate__

    def __setstate__(self, state: tuple) -> None:
        _version, shape, _dtype, is_fortran, content = state
        self._fill(content, shape, "F" if is_fortran else "C")

    @classmethod
    def from_buffer(cls, content: Any, dtype: _Dtype, shape: tuple, order: str) -> _Array:
        """Stand-in for ``numpy.core.numeric._frombuffer``, used from pickle protocol 5 on."""
        array = cls()
        array._fill(content, shape, order)
        return array

    def _fill(self, content: Any, shape: tuple, order: str) -> None:
        self.values = np.frombuffer(content, np.uint8).reshape(shape, order=order)


#: What a pickle may ask for, and what it gets.
_STAND_INS = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    # numpy 2 renamed its core.
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _Array.from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _Array.from_buffer,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickler that rebuilds arrays of uint8 and imports nothing."""

    def __init__(self, stream: Any, path: Path) -> None:
        super().__init__(stream, encoding="bytes")
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        """Answer the pickle's request for ``module.name`` with a stand-in, or refuse it."""
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise DataError(
                f"{self.path} wants to import {module}.{name}, so it is not a CIFAR batch "
                f"(nothing was executed): delete it and {_AGAIN}"
            ) from None
