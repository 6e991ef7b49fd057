"""IDX files: MNIST, Fashion-MNIST and other sets in the same format.

The format is described on the MNIST page of LeCun, Cortes and Burges: two zero bytes, one byte for
the type of the elements, one byte for the number of axes, the length of each axis as big-endian
32-bit integer, then the elements, big-endian, last axis fastest.
"""

from __future__ import annotations

import gzip
import io
import math
import shutil
from pathlib import Path

import numpy as np

from eccvkit.data.readers._files import check_split, data_root, find_file, parsing
from eccvkit.data.readers.labelled import Labelled, check_labels
from eccvkit.errors import DataError

#: Third byte of the magic number -> type of the elements.
DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
PREFIX = {"train": "train", "test": "t10k"}

_AGAIN = "download the file again"


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file, compressed with gzip or not (told by its content, not by its name).

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    ndarray
        Any shape; uint8, int8, int16, int32, float32 or float64 in native byte order, writable.

    Raises
    ------
    DataError
        Missing file, damaged gzip, wrong magic number, or fewer or more bytes than announced.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    path = Path(path)
    content = _content(path)
    magic = bytes(content[:4])
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES:
        raise DataError(
            f"{path} is no IDX file: it starts with {magic!r}, not with two zero bytes, "
            f"a type and a number of axes: {_AGAIN}"
        )
    dtype, axes = np.dtype(DTYPES[magic[2]]), magic[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise DataError(f"{path} is truncated within its header of {start} bytes: {_AGAIN}")
    shape = tuple(np.frombuffer(content, ">u4", axes, offset=4).tolist())
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "too long"
        raise DataError(
            f"{path} is {fault}: {len(content)} bytes where shape {shape} of "
            f"{dtype.name} takes {expected}: {_AGAIN}"
        )
    with parsing(path, "IDX file", _AGAIN):  # more axes than numpy can have
        array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _content(path: Path) -> memoryview:
    """All bytes of a file, decompressed, in one writable buffer (no second copy)."""
    if not path.is_file():
        raise DataError(f"there is no file {path}: correct the path or put the file there")
    buffer = io.BytesIO()
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if compressed:
            with parsing(path, "gzip file", _AGAIN), gzip.open(raw) as stream:
                shutil.copyfileobj(stream, buffer)
        else:
            shutil.copyfileobj(raw, buffer)
    return buffer.getbuffer()


def mnist(root: str | Path | None = None, split: str = "train") -> Labelled:
    """MNIST: handwritten digits, 60,000 for training and 10,000 for testing, 28 x 28 grey.

    Parameters
    ----------
    root : str or Path, optional
        Folder with the four files, or with a folder ``mnist``, ``MNIST`` or ``MNIST/raw`` that
        holds them. Default: ``ECCVKIT_DATA``.
    split : {"train", "test"}

    Returns
    -------
    Labelled
        ``images`` of shape (N, 28, 28), white on black.

    Raises
    ------
    DataError
        A file is missing or malformed, or images and labels differ in number.
    UnknownName
        No such split.
    """
    folders = ("mnist", "MNIST", "MNIST/raw", ".")
    return _read(root, split, folders, "MNIST", tuple("0123456789"))


def fashion_mnist(root: str | Path | None = None, split: str = "train") -> Labelled:
    """Fashion-MNIST: pieces of clothing in the format, sizes and file names of MNIST.

    Its files cannot be told from those of MNIST. Below ``ECCVKIT_DATA`` they must therefore have a
    folder of their own.

    Parameters
    ----------
    root : str or Path, optional
        Folder with the four files, or with a folder ``fashion-mnist``, ``fashion_mnist``,
        ``FashionMNIST`` or ``FashionMNIST/raw`` that holds them. Default: ``ECCVKIT_DATA``.
    split : {"train", "test"}

    Returns
    -------
    Labelled
        ``images`` of shape (N, 28, 28), white on black.

    Raises
    ------
    DataError
        A file is missing or malformed, or images and labels differ in number.
    UnknownName
        No such split.
    """
    folders = ("fashion-mnist", "fashion_mnist", "FashionMNIST", "FashionMNIST/raw")
    if root is not None:
        folders += (".",)
    return _read(root, split, folders, "Fashion-MNIST", FASHION)


def _read(
    root: str | Path | None,
    split: str,
    folders: tuple[str, ...],
    name: str,
    classes: tuple[str, ...],
) -> Labelled:
    """Read the image file and the label file of one split and check that they fit."""
    check_split(split, tuple(PREFIX))
    advice = f"put the files of {name} there"
    image_names, label_names = (
        [f"{PREFIX[split]}-{kind}{sep}{rank}-ubyte{gz}" for gz in ("", ".gz") for sep in "-."]
        for kind, rank in (("images", "idx3"), ("labels", "idx1"))
    )
    image_file = find_file(data_root(root), image_names, advice, folders)
    label_file = find_file(image_file.parent, label_names, advice)
    images = _expect(read_idx(image_file), 3, image_file)
    labels = _expect(read_idx(label_file), 1, label_file)
    remedy = f"download it again, and {image_file.name} with it"
    return Labelled(
        images, check_labels(labels, len(images), len(classes), label_file, remedy), classes
    )


def _expect(array: np.ndarray, rank: int, path: Path) -> np.ndarray:
    """Check that a file holds uint8 with ``rank`` axes: a swapped or renamed file does not."""
    if array.dtype != np.uint8 or array.ndim != rank:
        raise DataError(
            f"{path} holds {array.dtype} with {array.ndim} axes where uint8 with {rank} is "
            f"expected: it is another file under this name, {_AGAIN}"
        )
    return array
