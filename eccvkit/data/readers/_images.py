"""Decoding many image files into one array."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from pathlib import Path

import numpy as np
from PIL import Image

from eccvkit.data.readers._files import parsing
from eccvkit.errors import DataError

#: Suffixes (lower case) of the files taken for images.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def image_files(folder: Path) -> list[Path]:
    """List the image files directly in ``folder``, by name; hidden files do not count."""
    return sorted(
        p
        for p in folder.iterdir()
        if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()
    )


def load_images(
    paths: Sequence[Path], size: tuple[int, int] | None = None, grey: bool = False
) -> np.ndarray:
    """Decode image files into one array, which is allocated once and filled.

    Parameters
    ----------
    paths : sequence of Path
        At least one.
    size : (int, int), optional
        Height and width to resize to (bilinear, antialiased, proportions not kept). Without it
        all files must have the size of the first.
    grey : bool
        Luminance instead of RGB.

    Returns
    -------
    ndarray of uint8, shape (N, H, W) if ``grey`` else (N, H, W, 3)

    Raises
    ------
    DataError
        An image is unreadable, has more than 8 bits per channel, or differs in size.
    """
    _check_size(size)
    first = _decode(paths[0], size, grey)
    images = np.empty((len(paths), *first.shape), dtype=np.uint8)
    images[0] = first
    for i, path in enumerate(paths[1:], start=1):
        image = _decode(path, size, grey)
        if image.shape != first.shape:
            (h, w), (h0, w0) = image.shape[:2], first.shape[:2]
            raise DataError(
                f"{path} is {h} x {w} (height x width) but {paths[0]} is {h0} x {w0}: "
                "pass size=(height, width) to resize all"
            )
        images[i] = image
    return images


def _check_size(size: tuple[int, int] | None) -> None:
    if size is None:
        return
    try:
        height, width = size
        right = all(isinstance(n, Integral) and n > 0 for n in (height, width))
    except (TypeError, ValueError):
        right = False
    if not right:
        raise DataError(f"size is {size!r}: give (height, width), two positive integers")


def _decode(path: Path, size: tuple[int, int] | None, grey: bool) -> np.ndarray:
    with parsing(path, "image", "replace or delete the file"), Image.open(path) as image:
        # Pillow clips 16- and 32-bit pixels to 255 instead of scaling them.
        if image.mode.startswith(("I", "F")):
            raise DataError(f"{path} has more than 8 bits per channel: convert it to 8 bits")
        image = image.convert("L" if grey else "RGB")
        if size is not None:
            height, width = size
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(image)
