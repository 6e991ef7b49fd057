"""Binary masks: folders of mask images, DRIVE, the pairs of pix2pix, and ISBI 2012's stacks.

Masks are boolean with True on the structure (vessel, membrane, road). Patches for training are
drawn by :func:`eccvkit.data.patches.mask_patches`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from eccvkit.data.readers._files import (
    check_split,
    data_root,
    find_file,
    find_folder,
    holds,
    parsing,
)
from eccvkit.data.readers._images import SUFFIXES, _check_size, image_files, load_images
from eccvkit.errors import DataError

_Size = tuple[int, int] | None


def read_mask_folder(
    root: str | Path | None = None,
    pattern: str = "*",
    *,
    size: tuple[int, int] | None = None,
    threshold: float = 0.5,
    invert: bool = False,
) -> list[np.ndarray]:
    """Masks in the image files of one folder, in the order of their names.

    Parameters
    ----------
    root : str or Path, optional
        The folder. Default: ``ECCVKIT_DATA``.
    pattern : str
        Which files, for example ``"*_manual1.gif"``, or ``"**/*.png"`` for folders in it as well.
        Files that are no images are passed over.
    size : (int, int), optional
        Height and width to shrink or enlarge the grey image to, before the threshold.
    threshold : float
        Brightness above which a pixel is True, from 0 for black to 1 for white. After shrinking,
        0.5 keeps areas and breaks lines that have become thinner than a pixel; a lower one keeps
        them whole and makes them thicker.
    invert : bool
        The structure is dark: what is *not* brighter than the threshold is True.

    Returns
    -------
    list of ndarray of bool, (H, W)
        Sizes differ as those of the files do, unless ``size`` is given.

    Raises
    ------
    DataError
        No such file, an unreadable one, one whose values are only 0 and 1 of 255, or a
        bad size or threshold.
    """
    root = data_root(root)
    paths = sorted(
        p
        for p in root.glob(pattern)
        if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()
    )
    if not paths:
        raise DataError(
            f"no image matches {pattern!r} ({holds(root)}): correct the folder or the pattern"
        )
    if not 0 <= threshold < 1:
        raise DataError(f"threshold is {threshold:g}: give a brightness from 0 to below 1")
    _check_size(size)
    # "!=" inverts where it is asked for.
    return [(_brightness(p, size) > threshold) != invert for p in paths]


@dataclass(frozen=True)
class VesselImages:
    """Fundus photographs with the vessels that an observer marked.

    Attributes
    ----------
    images : ndarray of uint8, (N, H, W, 3)
    vessels : ndarray of bool, (N, H, W)
    field_of_view : ndarray of bool, (N, H, W)
        Where the photograph shows the retina.
    names : tuple of str
        Of the image files.
    """

    images: np.ndarray
    vessels: np.ndarray
    field_of_view: np.ndarray
    names: tuple[str, ...]


def read_drive(root: str | Path | None = None, split: str = "training") -> VesselImages:
    """DRIVE: 20 fundus photographs for training and 20 for testing, 565 x 584, by hand segmented.

    Files of either split, here of the first one: ``images/21_training.tif``,
    ``1st_manual/21_manual1.gif`` (the first observer) and ``mask/21_training_mask.gif``.

    Parameters
    ----------
    root : str or Path, optional
        The folder ``DRIVE`` or the one above it. Default: ``ECCVKIT_DATA``.
    split : {"training", "test"}
        Some publications of the data hold back the vessels of the test images.

    Returns
    -------
    VesselImages

    Raises
    ------
    DataError
        A folder or file is missing or unreadable, a mask is not black and white or has not the size
        of its image.
    UnknownName
        No such split.
    """
    check_split(split, ("training", "test"))
    folder = find_folder(data_root(root), split, "unpack DRIVE there", ("DRIVE", "."))
    photographs = find_folder(folder, "images", "unpack DRIVE again")
    paths = [p for p in image_files(photographs) if p.stem.endswith(f"_{split}")]
    if not paths:
        raise DataError(f"no images named like 21_{split}.tif ({holds(photographs)}): unpack DRIVE")
    images = load_images(paths)
    vessels, fields = [], []
    for path, image in zip(paths, images):
        number = path.stem.removesuffix(f"_{split}")
        for masks, name in (
            (vessels, f"1st_manual/{number}_manual1.gif"),
            (fields, f"mask/{number}_{split}_mask.gif"),
        ):
            advice = f"it belongs to {path.name}, unpack DRIVE again or leave the image out"
            partner = find_file(folder, [name], advice)
            masks.append(_black_and_white(partner, image.shape[:2], path))
    return VesselImages(images, np.stack(vessels), np.stack(fields), tuple(p.name for p in paths))


def read_side_by_side(
    root: str | Path | None = None,
    split: str = "train",
    *,
    size: tuple[int, int] | None = None,
    grey: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of images in one file, side by side, as pix2pix has its Maps and Facades.

    In Maps the aerial photograph is on the left and the map on the right; in Facades the photograph
    on the left and the coloured labels on the right. The training split of Maps takes 2.4 GB of
    memory in full size: ``size`` and ``grey`` make it smaller.

    Parameters
    ----------
    root : str or Path, optional
        The folder of the data set, ``maps`` or ``facades``. Default: ``ECCVKIT_DATA``.
    split : str
        Folder in it: "train", "val" or "test".
    size : (int, int), optional
        Height and width to resize each half to, after it was cut out.
    grey : bool
        Luminance instead of RGB.

    Returns
    -------
    left, right : ndarray of uint8, (N, H, W, 3), or (N, H, W) if ``grey``

    Raises
    ------
    DataError
        No such folder or no image in it, an unreadable image, one of odd width, or images of
        several sizes without ``size``.
    UnknownName
        No such split.
    """
    check_split(split, ("train", "val", "test"))
    _check_size(size)
    folder = find_folder(data_root(root), split, "unpack the data set there, or correct root")
    paths = image_files(folder)
    if not paths:
        raise DataError(f"no pairs of images ({holds(folder)}): unpack the data set again")
    pairs = None
    for i, path in enumerate(paths):
        halves = _halves(path, size, grey)
        if pairs is None:
            pairs = np.empty((2, len(paths), *halves.shape[1:]), dtype=np.uint8)
        if halves.shape[1:] != pairs.shape[2:]:
            (h, w), (h0, w0) = halves.shape[1:3], pairs.shape[2:4]
            raise DataError(
                f"halves of {path} are {h} x {w} (height x width) but those of {paths[0]} "
                f"{h0} x {w0}: pass size=(height, width) to resize all"
            )
        pairs[:, i] = halves
    return pairs[0], pairs[1]


def read_isbi12(root: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """ISBI 2012 neuron segmentation: 30 sections of 512 x 512 by electron microscopy, with labels.

    Files: ``train-volume.tif`` and ``train-labels.tif``, stacks of equally many pages. The labels
    are white in the cells and black on the membranes.

    Parameters
    ----------
    root : str or Path, optional
        The folder of the two files, or the one above ``isbi12``. Default: ``ECCVKIT_DATA``.

    Returns
    -------
    volume : ndarray of uint8, (N, H, W)
    membranes : ndarray of bool, (N, H, W)
        True where the labels are black.

    Raises
    ------
    DataError
        A file is missing or unreadable, the stacks do not fit each other, or a label is neither
        black nor white.
    """
    root = data_root(root)
    volume_file, label_file = (
        find_file(root, [name], "put both stacks there", ("isbi12", "."))
        for name in ("train-volume.tif", "train-labels.tif")
    )
    volume, labels = _pages(volume_file), _pages(label_file)
    if volume.shape != labels.shape:
        raise DataError(
            f"{label_file} has {_stack(labels)} but {volume_file} {_stack(volume)}: "
            "take both from the same download"
        )
    return volume, ~_binary(labels, label_file)


def _brightness(path: Path, size: _Size) -> np.ndarray:
    """Grey values from 0 to 1 as float32 (H, W), resized if asked for."""
    grey = load_images([path], grey=True)[0]
    if grey.max() == 1:
        raise DataError(
            f"{path} holds only the values 0 and 1 of 255, so all of it is black: "
            "multiply the mask by 255"
        )
    image = Image.fromarray(grey)
    if size is not None:
        height, width = size
        # As floats: rounding to 8 bits would move the threshold.
        image = image.convert("F").resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.float32) / 255


def _black_and_white(path: Path, shape: tuple[int, ...], image: Path) -> np.ndarray:
    mask = _binary(load_images([path], grey=True)[0], path)
    if mask.shape != shape:
        (h, w), (h0, w0) = mask.shape, shape
        raise DataError(
            f"{path} is {h} x {w} (height x width) but its image {image.name} is {h0} x {w0}: "
            "unpack the data set again"
        )
    return mask


def _binary(grey: np.ndarray, path: Path) -> np.ndarray:
    """True for white, False for black; anything else is an error."""
    white = grey == 255
    if other := set(np.unique(grey[~white])) - {0}:
        raise DataError(
            f"{path} should be black and white, values 0 and 255, but holds {min(other)}: "
            "replace it by the published file"
        )
    return white


def _halves(path: Path, size: _Size, grey: bool) -> np.ndarray:
    """Left and right half of one image, (2, H, W) or (2, H, W, 3)."""
    image = load_images([path], grey=grey)[0]
    width = image.shape[1]
    if width % 2:
        raise DataError(
            f"{path} is {width} pixels wide: two images side by side have an even width"
        )
    halves = np.stack([image[:, : width // 2], image[:, width // 2 :]])
    if size is None:
        return halves
    height, width = size
    resized = (
        Image.fromarray(h).resize((width, height), Image.Resampling.BILINEAR) for h in halves
    )
    return np.stack([np.asarray(half) for half in resized])


def _pages(path: Path) -> np.ndarray:
    """All pages of a TIFF file as grey values, (N, H, W) uint8."""
    pages: list[np.ndarray] = []
    with parsing(path, "TIFF stack", "replace the file"), Image.open(path) as stack:
        for page in ImageSequence.Iterator(stack):
            if page.mode.startswith(("I", "F")):
                raise DataError(f"{path} has more than 8 bits per pixel: convert it to 8 bits")
            pages.append(np.asarray(page.convert("L")))
    if len({page.shape for page in pages}) > 1:
        raise DataError(f"pages of {path} differ in size: replace the file")
    return np.stack(pages)


def _stack(array: np.ndarray) -> str:
    pages, height, width = array.shape
    return f"{pages} pages of {height} x {width}"
