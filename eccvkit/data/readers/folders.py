"""Images as files: one folder per class, the layout of Tiny ImageNet, and list files.

The readers share two options. ``keep`` restricts them to some labels before any image is decoded
(known or unknown classes of an open-set protocol); labels are not renumbered. ``size`` resizes the
images; without it all must have the same size.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from eccvkit.data.readers._files import (
    check_split,
    data_root,
    find_file,
    find_folder,
    holds,
    read_lines,
)
from eccvkit.data.readers._images import image_files, load_images
from eccvkit.data.readers.labelled import Labelled
from eccvkit.errors import DataError

_Sample = tuple[Path, int]


def image_folder(
    root: str | Path | None = None,
    *,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    keep: Collection[int] | None = None,
) -> Labelled:
    """Images in one folder per class, ``<root>/<class>/<image>.jpg`` (or png, ...).

    Classes are the folders in the order of their names, images follow the order of theirs. Hidden
    files and files that are no images are passed over.

    Parameters
    ----------
    root : str or Path, optional
        Folder of the class folders. Default: ``ECCVKIT_DATA``.
    size : (int, int), optional
        Height and width to resize to.
    grey : bool
        Luminance instead of RGB.
    keep : collection of int, optional
        Read these labels only.

    Returns
    -------
    Labelled

    Raises
    ------
    DataError
        No class folder, a class without images, an unreadable image, or images of several sizes
        without ``size``.
    """
    root = data_root(root)
    folders = _class_folders(root)
    samples = [
        (path, label)
        for label, folder in enumerate(folders)
        if keep is None or label in keep
        for path in _images_of(folder)
    ]
    return _load(samples, tuple(f.name for f in folders), size, grey, root)


def tiny_imagenet(
    root: str | Path | None = None,
    split: str = "train",
    *,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    keep: Collection[int] | None = None,
) -> Labelled:
    """Tiny ImageNet: 200 classes with 500 training and 50 validation images each, 64 x 64 RGB.

    The published test images have no labels; papers report the validation split. The whole training
    split takes 1.2 GB of memory: ``keep`` and ``size`` make it smaller.

    Parameters
    ----------
    root : str or Path, optional
        The folder ``tiny-imagenet-200`` or the one above it. Default: ``ECCVKIT_DATA``.
    split : {"train", "val"}
    size, grey, keep
        As in :func:`image_folder`.

    Returns
    -------
    Labelled
        ``classes`` are the WordNet ids in the order of their names, the same for both splits.

    Raises
    ------
    DataError
        A folder, file or image is missing or malformed.
    UnknownName
        No such split.
    """
    check_split(split, ("train", "val"))
    root = data_root(root)
    advice, places = "unpack tiny-imagenet-200.zip there", ("tiny-imagenet-200", ".")
    if split == "train":
        train = find_folder(root, "train", advice, places)
        classes = _wnids(train.parent)
        samples = [
            (path, label)
            for label, wnid in enumerate(classes)
            if keep is None or label in keep
            for path in _images_of(train / wnid / "images")
        ]
        return _load(samples, classes, size, grey, train)
    annotations = find_file(root, ["val/val_annotations.txt"], advice, places)
    classes = _wnids(annotations.parent.parent)
    samples = _listed(annotations, _val_entries(annotations, classes), keep)
    return _load(samples, classes, size, grey, annotations)


def read_list(
    list_file: str | Path,
    root: str | Path | None = None,
    *,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    keep: Collection[int] | None = None,
    superclasses: str | Path | None = None,
) -> Labelled:
    """Images named in a list file with lines ``path label``, as ImageNet-LT has them.

    Parameters
    ----------
    list_file : str or Path
        Text file; blank lines do not count. Paths in it may hold spaces.
    root : str or Path, optional
        Folder that the paths in the list start from. Default: ``ECCVKIT_DATA``.
    size, grey
        As in :func:`image_folder`.
    keep : collection of int, optional
        Read these labels of the list only.
    superclasses : str or Path, optional
        File for :func:`read_superclasses`: label by superclass instead of class.

    Returns
    -------
    Labelled
        In the order of the list. ``classes`` are the labels of the list as text, "0" up to the
        largest; with ``superclasses`` the names of the superclasses in order (by number if all are
        numbers).

    Raises
    ------
    DataError
        Missing list or image, malformed line (named with its number), unreadable image, a label
        without superclass.
    """
    list_file = Path(list_file).expanduser()
    entries = _list_entries(list_file, data_root(root))
    samples = _listed(list_file, entries, keep)
    if superclasses is None:
        classes = tuple(str(k) for k in range(1 + max(label for _, _, label in entries)))
    else:
        samples, classes = _by_superclass(samples, Path(superclasses).expanduser())
    return _load(samples, classes, size, grey, list_file)


def read_superclasses(path: str | Path) -> dict[int, str]:
    r"""Read which superclass each label belongs to, from lines ``label superclass``.

    Raises
    ------
    DataError
        Missing or empty file, malformed line, or a label that stands twice (named with its line).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "roles.txt")
    ...     _ = path.write_text("0 fighter\n1 bomber\n2 fighter\n")
    ...     read_superclasses(path)
    {0: 'fighter', 1: 'bomber', 2: 'fighter'}
    """
    path = Path(path)
    mapping: dict[int, str] = {}
    for number, line in read_lines(path):
        fields = line.split(maxsplit=1)
        if len(fields) != 2:
            raise DataError(f"{path}, line {number}: {line!r} should read 'label superclass'")
        label = _label(fields[0], path, number)
        if label in mapping:
            raise DataError(f"{path}, line {number}: label {label} stands twice: delete one line")
        mapping[label] = fields[1]
    if not mapping:
        raise DataError(f"{path} is empty: write one line 'label superclass' per label")
    return mapping


def _load(
    samples: list[_Sample],
    classes: tuple[str, ...],
    size: tuple[int, int] | None,
    grey: bool,
    source: Path,
) -> Labelled:
    if not samples:
        raise DataError(f"no image of {source} has a label in keep: give labels that occur there")
    paths, labels = zip(*samples)
    return Labelled(load_images(paths, size, grey), np.array(labels, dtype=np.int64), classes)


def _class_folders(root: Path) -> list[Path]:
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise DataError(f"no class folders ({holds(root)}): sort the images into one per class")
    return folders


def _images_of(folder: Path) -> list[Path]:
    """List the images of one class; a class without any is an error."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: unpack the data set again")
    paths = image_files(folder)
    if not paths:
        raise DataError(f"no images of a class ({holds(folder)}): put them there or delete it")
    return paths


def _wnids(home: Path) -> tuple[str, ...]:
    """Return the WordNet ids: from ``wnids.txt`` if it is there, else the training folders."""
    if (home / "wnids.txt").is_file():
        wnids = {line for _, line in read_lines(home / "wnids.txt")}
    else:
        train = find_folder(home, "train", "the classes are named by wnids.txt or the folder train")
        wnids = {folder.name for folder in _class_folders(train)}
    if not wnids:
        raise DataError(f"{home / 'wnids.txt'} is empty: unpack tiny-imagenet-200.zip again")
    return tuple(sorted(wnids))


def _val_entries(path: Path, classes: tuple[str, ...]) -> list[tuple[int, Path, int]]:
    """Line number, image and label from lines ``file wnid x y width height`` (tabs between)."""
    index = {wnid: label for label, wnid in enumerate(classes)}
    entries = []
    for number, line in read_lines(path):
        fields = line.split("\t")
        if len(fields) < 2:
            raise DataError(f"{path}, line {number}: {line!r} should start 'file<tab>wnid'")
        name, wnid = fields[:2]
        if wnid not in index:
            raise DataError(
                f"{path}, line {number}: {wnid!r} is none of the {len(index)} classes: "
                "unpack tiny-imagenet-200.zip again"
            )
        entries.append((number, path.parent / "images" / name, index[wnid]))
    if not entries:
        raise DataError(f"{path} is empty: unpack tiny-imagenet-200.zip again")
    return entries


def _list_entries(list_file: Path, root: Path) -> list[tuple[int, Path, int]]:
    """Line number, image and label from lines ``path label``."""
    entries = []
    for number, line in read_lines(list_file):
        fields = line.rsplit(maxsplit=1)
        if len(fields) != 2:
            raise DataError(f"{list_file}, line {number}: {line!r} should read 'path label'")
        entries.append((number, root / fields[0], _label(fields[1], list_file, number)))
    if not entries:
        raise DataError(f"{list_file} is empty: write one line 'path label' per image")
    return entries


def _label(text: str, path: Path, number: int) -> int:
    # int() alone also takes "1_000" and "+3"; a number of more digits is a slip, not a class.
    if not re.fullmatch("[0-9]{1,6}", text):
        raise DataError(
            f"{path}, line {number}: label {text!r} should be an integer from 0 to 999999"
        )
    return int(text)


def _listed(
    list_file: Path, entries: Iterable[tuple[int, Path, int]], keep: Collection[int] | None
) -> list[_Sample]:
    """Return the entries to keep; each image must exist, told before any is decoded."""
    samples = []
    for number, path, label in entries:
        if keep is not None and label not in keep:
            continue
        if not path.is_file():
            raise DataError(
                f"{list_file}, line {number}: there is no image {path}: "
                "correct root or the list, or add the image"
            )
        samples.append((path, label))
    return samples


def _by_superclass(samples: list[_Sample], path: Path) -> tuple[list[_Sample], tuple[str, ...]]:
    mapping = read_superclasses(path)
    if missing := sorted({label for _, label in samples} - mapping.keys()):
        raise DataError(f"{path} gives no superclass for label {missing[0]}: add a line for it")
    numbers = all(name.isdecimal() for name in mapping.values())
    classes = tuple(sorted(set(mapping.values()), key=int if numbers else str))
    index = {name: label for label, name in enumerate(classes)}
    return [(image, index[mapping[label]]) for image, label in samples], classes
