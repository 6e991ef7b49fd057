"""LLP, "Look, Listen and Parse" (Tian et al. 2020): features and labels of 11,849 videos of 10 s.

Tables are tab-separated text: ``AVVP_train.csv``, ``AVVP_val_pd.csv`` and ``AVVP_test_pd.csv`` name
a video (``filename``, eleven characters of its id, then ``_start_end``) and the classes in it
(``event_labels``, separated by commas). ``AVVP_eval_audio.csv`` and ``AVVP_eval_visual.csv`` say
from which second (``onset``) to which (``offset``, exclusive) an event is heard, or seen. Features
are one file per video id in the folders ``vggish`` (10 x 128), ``res152`` (80 x 2048, eight frames
per second) and ``r2plus1d_18`` (10 x 512).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from eccvkit.data.av_scenes import Bags, SnippetLabels
from eccvkit.data.readers._files import (
    check_split,
    data_root,
    find_file,
    find_folder,
    parsing,
    read_lines,
)
from eccvkit.errors import DataError

SNIPPETS = 10
#: Classes in the order of their labels.
CLASSES = (
    "Speech",
    "Car",
    "Cheering",
    "Dog",
    "Cat",
    "Frying_(food)",
    "Basketball_bounce",
    "Fire_alarm",
    "Chainsaw",
    "Cello",
    "Banjo",
    "Singing",
    "Chicken_rooster",
    "Violin_fiddle",
    "Vacuum_cleaner",
    "Baby_laughter",
    "Accordion",
    "Lawn_mower",
    "Motorcycle",
    "Helicopter",
    "Acoustic_guitar",
    "Telephone_bell_ringing",
    "Baby_cry_infant_cry",
    "Blender",
    "Clapping",
)
TABLES = {"train": "AVVP_train.csv", "val": "AVVP_val_pd.csv", "test": "AVVP_test_pd.csv"}
EVENT_TABLES = {"audio": "AVVP_eval_audio.csv", "visual": "AVVP_eval_visual.csv"}
#: Folder to the shape of its arrays, audio first.
FEATURES = {"vggish": (10, 128), "res152": (80, 2048), "r2plus1d_18": (10, 512)}

_ADVICE = "get it from the authors' repository and put it there"
_SUBFOLDERS = (".", "data", "LLP", "llp")


@dataclass(frozen=True)
class LLPVideos:
    """Videos of one split.

    Attributes
    ----------
    names : tuple of str
        ``filename`` of each video.
    bags : Bags
        ``audio`` (N, 10, 128); ``visual`` (N, 10, 2560): the eight frames of a second averaged
        (2048), then the feature of the clip (512). ``labels`` (N, 25).
    """

    names: tuple[str, ...]
    bags: Bags


def llp(root: str | Path | None = None, split: str = "train") -> LLPVideos:
    """Read features and video-level labels; no snippet labels.

    Parameters
    ----------
    root : str or Path, optional
        Folder with the tables and the three folders of features, each directly or below ``data``
        or ``LLP``. Default: ``ECCVKIT_DATA``.
    split : {"train", "val", "test"}

    Raises
    ------
    DataError
        A file is missing or malformed; the message names file and row.
    UnknownName
        No such split.
    """
    check_split(split, tuple(TABLES))
    folder = data_root(root)
    names, labels = _videos(find_file(folder, [TABLES[split]], _ADVICE, _SUBFOLDERS))
    places = {k: find_folder(folder, k, _ADVICE, (".", "feats", *_SUBFOLDERS)) for k in FEATURES}
    audio = np.empty((len(names), SNIPPETS, 128), dtype=np.float32)
    visual = np.empty((len(names), SNIPPETS, 2048 + 512), dtype=np.float32)
    for n, name in enumerate(names):
        sound, images, clips = (_features(places[k], video_id(name), k) for k in FEATURES)
        audio[n] = sound
        visual[n, :, :2048] = images.reshape(SNIPPETS, -1, 2048).mean(axis=1)
        visual[n, :, 2048:] = clips
    bags = Bags(torch.from_numpy(audio), torch.from_numpy(visual), torch.from_numpy(labels))
    return LLPVideos(names, bags)


def llp_events(root: str | Path | None, names: tuple[str, ...]) -> SnippetLabels:
    """Read what is heard and seen in which second of some videos of the val or test split.

    A video without rows has no event. Rows of other videos are checked and passed over.

    Parameters
    ----------
    root : str or Path, optional
        As for :func:`llp`.
    names : tuple of str
        :attr:`LLPVideos.names`.

    Raises
    ------
    DataError
        A table is missing; a class is unknown; an interval is empty, leaves the video, or is not
        in whole seconds; a name occurs twice.
    """
    folder = data_root(root)
    where = {name: n for n, name in enumerate(names)}
    if len(where) < len(names):
        twice = next(name for n, name in enumerate(names) if where[name] != n)
        raise DataError(f"video {twice!r} is given twice: give each name once")
    both = {}
    for modality, table in EVENT_TABLES.items():
        active = np.zeros((len(names), SNIPPETS, len(CLASSES)), dtype=bool)
        path = find_file(folder, [table], _ADVICE, _SUBFOLDERS)
        columns = ("filename", "onset", "offset", "event_labels")
        for place, row in _rows(path, columns):
            onset, offset = (_second(place, row[k]) for k in ("onset", "offset"))
            if not 0 <= onset < offset <= SNIPPETS:
                raise DataError(
                    f"{place}: the event from {onset} to {offset} is empty or leaves the video: "
                    f"0 <= onset < offset <= {SNIPPETS} is expected"
                )
            (label,) = _classes(place, row["event_labels"], most=1)
            if (n := where.get(row["filename"])) is not None:
                active[n, onset:offset, label] = True
        both[modality] = active
    return SnippetLabels(**both)


def video_id(name: str) -> str:
    """The id that feature files are named after: the first eleven characters."""
    return name[:11]


def _videos(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    names, labels = [], []
    seen: dict[str, str] = {}
    for place, row in _rows(path, ("filename", "event_labels")):
        name = row["filename"]
        if len(name) < 11:
            raise DataError(f"{place}: {name!r} is no video id of eleven characters: correct it")
        if name in seen:
            raise DataError(f"{place}: {name} was already in {seen[name]}: remove one of them")
        seen[name] = place
        names.append(name)
        bag = np.zeros(len(CLASSES), dtype=np.float32)
        bag[_classes(place, row["event_labels"])] = 1
        labels.append(bag)
    if not names:
        raise DataError(f"{path} has a header but no row: {_ADVICE}")
    return tuple(names), np.stack(labels)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Rows of a table with the columns named, each with its place for error messages."""
    lines = read_lines(path)
    header = lines[0][1].split("\t") if lines else []
    missing = [name for name in columns if name not in header]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)} in its first line: a tab-separated table "
            f"with {', '.join(columns)} is expected"
        )
    # QUOTE_NONE: a quotation mark is part of a name, not of the format.
    reader = csv.reader((text for _, text in lines[1:]), delimiter="\t", quoting=csv.QUOTE_NONE)
    for (number, _), cells in zip(lines[1:], reader):
        place = f"{path}, line {number}"
        if len(cells) != len(header):
            raise DataError(f"{place}: {len(cells)} columns, the header has {len(header)}: fix it")
        yield place, {name: cell.strip() for name, cell in zip(header, cells)}


def _classes(place: str, text: str, most: int = len(CLASSES)) -> list[int]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not 1 <= len(names) <= most:
        wanted = "exactly one" if most == 1 else "at least one"
        raise DataError(f"{place}: {len(names)} event labels, {wanted} is expected: correct it")
    for name in names:
        if name not in CLASSES:
            raise DataError(
                f"{place}: unknown event label {name!r}: one of the 25 classes of LLP is expected"
            )
    return [CLASSES.index(name) for name in names]


def _second(place: str, text: str) -> int:
    try:
        value = float(text)
        whole = int(value)
    except (ValueError, OverflowError):
        whole, value = 0, float("nan")
    if whole != value:
        raise DataError(f"{place}: {text!r} is no whole number of seconds: correct it")
    return whole


def _features(folder: Path, name: str, kind: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    if not path.is_file():
        raise DataError(f"there is no file {path}: get the features of all videos of the split")
    remedy = "unpack or extract the features again"
    with parsing(path, "NumPy file", remedy):
        array = np.load(path, allow_pickle=False)
    if array.shape != FEATURES[kind] or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise DataError(
            f"{path} holds {array.dtype} of shape {array.shape}: finite numbers of shape "
            f"{FEATURES[kind]} are expected, {remedy}"
        )
    return array
