"""Wildtrack: seven calibrated cameras on a square, and where everybody stands.

``calibrations/intrinsic_zero`` and ``calibrations/extrinsic`` hold OpenCV's XML files, lengths in
centimetres; ``annotations_positions`` one JSON file per frame. People are annotated as cells of a
grid on the ground and as boxes; there are no joints.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from eccvkit.data.cameras import Camera
from eccvkit.data.readers._files import data_root, find_file, find_folder, parsing
from eccvkit.data.readers._json import entry_error, get, read_json
from eccvkit.errors import DataError

#: Names in the calibration files of the views C1 to C7.
NAMES = ("CVLab1", "CVLab2", "CVLab3", "CVLab4", "IDIAP1", "IDIAP2", "IDIAP3")
#: Size of the images in pixels.
SIZE = (1920, 1080)
#: The grid: cells along x, along y, side of a cell, and place of cell 0, in metres.
CELLS_X, CELLS_Y, CELL, ORIGIN = 480, 1440, 0.025, (-3.0, -9.0)
_ADVICE = "unpack Wildtrack_dataset there"


@dataclass(frozen=True)
class WildtrackFrame:
    """The people of one frame.

    Attributes
    ----------
    identity : (N,) int array
    ground : (N, 2) array
        Where they stand, in metres.
    boxes : (7, N, 4) array
        x, y, width, height in each view; NaN where the person is not in the image.
    """

    identity: np.ndarray
    ground: np.ndarray
    boxes: np.ndarray


def wildtrack_cameras(root: str | Path | None) -> tuple[Camera, ...]:
    """The seven cameras, in metres.

    Parameters
    ----------
    root : str or Path or None
        ``Wildtrack_dataset``, or the folder that holds it. None: ``ECCVKIT_DATA``.

    Raises
    ------
    DataError
        A file is missing or malformed; the message names it and the entry.
    """
    folder = find_folder(data_root(root), "calibrations", _ADVICE, (".", "Wildtrack_dataset"))
    cameras = []
    for name in NAMES:
        inner = find_file(folder, [f"intr_{name}.xml"], _ADVICE, ("intrinsic_zero",))
        outer = find_file(folder, [f"extr_{name}.xml"], _ADVICE, ("extrinsic",))
        intrinsics = _values(inner, "camera_matrix", 9).reshape(3, 3)
        rotation = Rotation.from_rotvec(_values(outer, "rvec", 3)).as_matrix()
        try:
            cameras.append(
                Camera(intrinsics, rotation, _values(outer, "tvec", 3) / 100, SIZE, name)
            )
        except DataError as error:
            raise DataError(f"{inner}: {error}") from None
    return tuple(cameras)


def _values(path: Path, name: str, count: int) -> np.ndarray:
    """Numbers of an OpenCV matrix, or of a plain element."""
    with parsing(path, "XML file", _ADVICE):
        root = ET.fromstring(path.read_bytes())
    element = root.find(name)
    if element is None:
        raise DataError(f"{path}: the entry <{name}> is missing; {_ADVICE}")
    data = element.find("data")
    text = (element if data is None else data).text or ""
    try:
        values = np.array(text.split(), dtype=np.float64)
    except ValueError:
        values = np.array([])
    if len(values) != count or not np.isfinite(values).all():
        raise DataError(f"{path}: the entry <{name}> needs {count} finite numbers; {_ADVICE}")
    return values


def wildtrack_frame(root: str | Path | None, frame: int) -> WildtrackFrame:
    """Annotations of one frame.

    Parameters
    ----------
    root : str or Path or None
        See :func:`wildtrack_cameras`.
    frame : int
        Number in the name of the file: 0, 5, 10, ...

    Raises
    ------
    DataError
        The file is missing or malformed; the message names it and the entry.
    """
    folder = find_folder(
        data_root(root), "annotations_positions", _ADVICE, (".", "Wildtrack_dataset")
    )
    path = find_file(folder, [f"{frame:08d}.json"], _ADVICE)
    people = read_json(path, list, _ADVICE)
    identity, ground = np.zeros(len(people), int), np.zeros((len(people), 2))
    boxes = np.full((len(NAMES), len(people), 4), np.nan)
    for i, row in enumerate(people):
        where = (path, "people", i)
        if not isinstance(row, dict):
            raise entry_error(*where, "is no object")
        identity[i] = _whole(where, get(*where, row, "personID"), "personID")
        cell = _whole(where, get(*where, row, "positionID"), "positionID")
        if not 0 <= cell < CELLS_X * CELLS_Y:
            raise entry_error(*where, f"positionID {cell} is not on the grid")
        ground[i] = ORIGIN[0] + CELL * (cell % CELLS_X), ORIGIN[1] + CELL * (cell // CELLS_X)
        views = get(*where, row, "views")
        if not isinstance(views, list):
            raise entry_error(*where, "views is no list")
        for view in views:
            _read_box(where, view, boxes[:, i])
    return WildtrackFrame(identity, ground, boxes)


def _whole(where: tuple, value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise entry_error(*where, f"{name} is {value!r}; expected a whole number")
    return value


def _read_box(where: tuple, view: object, boxes: np.ndarray) -> None:
    """One entry of ``views`` into the row of its view; -1 everywhere means not in the image."""
    if not isinstance(view, dict):
        raise entry_error(*where, "a view is no object")
    number = _whole(where, view.get("viewNum"), "viewNum")
    if not 0 <= number < len(NAMES):
        raise entry_error(*where, f"viewNum {number} is none of the {len(NAMES)} views")
    x0, y0, x1, y1 = (_whole(where, view.get(k), k) for k in ("xmin", "ymin", "xmax", "ymax"))
    if (x0, y0, x1, y1) == (-1, -1, -1, -1):
        return
    if x1 < x0 or y1 < y0:
        raise entry_error(*where, f"view {number} has a box that ends before it starts")
    boxes[number] = x0, y0, x1 - x0, y1 - y0
