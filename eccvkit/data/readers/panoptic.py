"""CMU Panoptic: calibrated cameras, and people in space as 19 joints per body.

The files are in centimetres with y pointing down and the floor at y = 0. What is returned is in
metres with z up and the floor at z = 0, as everywhere in this package; cameras are turned alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eccvkit.data.cameras import Camera
from eccvkit.data.people import JOINTS
from eccvkit.data.readers._files import data_root, find_file, find_folder
from eccvkit.data.readers._json import entry_error, get, numbers, read_json, rows
from eccvkit.errors import DataError

#: Joints of ``joints19``; None: a point that COCO does not have (neck, middle of the hips).
COCO19 = (
    None, "nose", None, "left shoulder", "left elbow", "left wrist", "left hip", "left knee",
    "left ankle", "right shoulder", "right elbow", "right wrist", "right hip", "right knee",
    "right ankle", "left eye", "left ear", "right eye", "right ear",
)  # fmt: skip
_ADVICE = "unpack the sequence there"
#: From the axes of the files (y down) to ours (z up).
_TURN = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


@dataclass(frozen=True)
class PanopticScene:
    """The people of one frame.

    Attributes
    ----------
    joints : (N, 23, 3) array
        Metres; NaN for the feet, which are not annotated, and for joints without confidence.
    confidence : (N, 23) array
    identity : (N,) int array
    """

    joints: np.ndarray
    confidence: np.ndarray
    identity: np.ndarray


def panoptic_cameras(
    root: str | Path | None, sequence: str, names: Sequence[str] | None = None
) -> dict[str, tuple[Camera, np.ndarray]]:
    """Cameras of a sequence by name, each with its five coefficients of lens distortion.

    Parameters
    ----------
    root : str or Path or None
        Folder that holds the sequence. None: ``ECCVKIT_DATA``.
    sequence : str
        For example "160224_ultimatum1".
    names : sequence of str, optional
        Such as "00_03"; all HD cameras if not given.

    Raises
    ------
    DataError
        A file is missing or malformed, or there is no such camera.
    """
    folder = data_root(root)
    path = find_file(folder, [f"calibration_{sequence}.json"], _ADVICE, (sequence, "."))
    content = read_json(path, dict, "download the calibration again")
    found: dict[str, tuple[Camera, np.ndarray]] = {}
    for i, row in enumerate(rows(path, content, "cameras")):
        where = (path, "cameras", i)
        name = str(get(*where, row, "name"))
        if names is None and row.get("type") != "hd":
            continue
        if names is not None and name not in names:
            continue
        lists = {
            key: numbers(*where, row, key) for key in ("K", "R", "t", "distCoef", "resolution")
        }
        sizes = {"K": 9, "R": 9, "t": 3, "distCoef": 5, "resolution": 2}
        for key, size in sizes.items():
            if len(lists[key]) != size:
                raise entry_error(*where, f"{key} has {len(lists[key])} numbers, expected {size}")
        # x = R X + t with X = TURN^T (100 x ours): the rotation takes our axes back first.
        try:
            camera = Camera(
                np.reshape(lists["K"], (3, 3)), np.reshape(lists["R"], (3, 3)) @ _TURN.T,
                np.array(lists["t"]) / 100, tuple(int(v) for v in lists["resolution"]), name,
            )  # fmt: skip
        except DataError as error:
            raise entry_error(*where, str(error)) from None
        found[name] = camera, np.array(lists["distCoef"])
    missing = [name for name in names or () if name not in found]
    if missing or not found:
        what = f"camera {missing[0]!r}" if missing else "HD camera"
        raise DataError(f"{path} has no {what}: choose among the names in it")
    return found


def panoptic_scene(root: str | Path | None, sequence: str, frame: int) -> PanopticScene:
    """The people of one frame of a sequence.

    Parameters
    ----------
    root, sequence
        See :func:`panoptic_cameras`.
    frame : int
        Number in the name of the file.

    Raises
    ------
    DataError
        The file is missing or malformed.
    """
    folder = data_root(root)
    name = "hdPose3d_stage1_coco19"
    poses = find_folder(folder, name, _ADVICE, (sequence, "."))
    path = find_file(poses, [f"body3DScene_{frame:08d}.json"], _ADVICE, (".", "hd"))
    content = read_json(path, dict, "download the poses again")
    bodies = rows(path, content, "bodies")
    joints = np.full((len(bodies), len(JOINTS), 3), np.nan)
    confidence = np.zeros((len(bodies), len(JOINTS)))
    identity = np.zeros(len(bodies), dtype=int)
    for i, row in enumerate(bodies):
        where = (path, "bodies", i)
        values = numbers(*where, row, "joints19")
        if len(values) != 4 * len(COCO19):
            raise entry_error(
                *where, f"joints19 has {len(values)} numbers, expected {4 * len(COCO19)}"
            )
        identity[i] = get(*where, row, "id")
        for (x, y, z, sure), joint in zip(np.reshape(values, (-1, 4)), COCO19):
            if joint is not None:
                k = JOINTS.index(joint)
                confidence[i, k] = max(sure, 0.0)
                if sure > 0:
                    joints[i, k] = _TURN @ [x, y, z] / 100
    return PanopticScene(joints, confidence, identity)
