"""COCO's person keypoints, with or without the six foot points of the COCO foot annotations.

``person_keypoints_*_foot_v1.json`` (Cao et al., OpenPose) appends three numbers for each of the
left big toe, left small toe, left heel, right big toe, right small toe and right heel to the 17 x 3
of COCO; that is the order of :data:`eccvkit.data.people.JOINTS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eccvkit.data.people import BODY, JOINTS
from eccvkit.data.readers._json import entry_error, get, numbers, read_json, rows
from eccvkit.errors import DataError


@dataclass(frozen=True)
class PersonKeypoints:
    """Annotated people of a data set.

    Attributes
    ----------
    joints : (n, 23, 2) array
        Pixels; NaN where a joint is not annotated.
    visible : (n, 23) bool array
        Annotated and not hidden.
    boxes : (n, 4) array
        x, y, width, height in pixels.
    area : (n,) array
        Of the person's segment, in square pixels.
    image : (n,) int array
        Position in ``files``.
    files : tuple of str
        Names of the images.
    """

    joints: np.ndarray
    visible: np.ndarray
    boxes: np.ndarray
    area: np.ndarray
    image: np.ndarray
    files: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.joints)


def coco_keypoints(path: str | Path) -> PersonKeypoints:
    """Read a file of person keypoints; crowds and people without any joint are left out.

    Parameters
    ----------
    path : str or Path
        ``person_keypoints_val2017.json`` or ``person_keypoints_val2017_foot_v1.json``.

    Raises
    ------
    DataError
        The file is missing or no JSON, or an entry is malformed; the message names both.
    """
    path = Path(path)
    content = read_json(path, dict, "download the annotations again")
    images = rows(path, content, "images")
    at, files = {}, []
    for i, row in enumerate(images):
        at[get(path, "images", i, row, "id")] = i
        files.append(str(row.get("file_name", row["id"])))
    joints, visible, boxes, area, image = [], [], [], [], []
    for i, row in enumerate(rows(path, content, "annotations")):
        where = (path, "annotations", i)
        values = np.asarray(numbers(*where, row, "keypoints"))
        if len(values) not in (3 * BODY, 3 * len(JOINTS)):
            raise entry_error(
                *where, f"{len(values)} keypoint numbers; expected {3 * BODY}, or "
                f"{3 * len(JOINTS)} with feet"
            )  # fmt: skip
        own = get(*where, row, "image_id")
        if own not in at:
            raise entry_error(*where, f"image_id {own!r} is not in the list 'images'")
        triples = np.zeros((len(JOINTS), 3))
        triples[: len(values) // 3] = values.reshape(-1, 3)
        if not np.isin(triples[:, 2], (0, 1, 2)).all():
            raise entry_error(*where, "a visibility is not 0, 1 or 2")
        box = numbers(*where, row, "bbox")
        if len(box) != 4 or box[2] < 0 or box[3] < 0:
            raise entry_error(*where, f"bbox is {box}; expected x, y, width, height")
        if row.get("iscrowd", 0) or not triples[:, 2].any():
            continue
        joints.append(np.where(triples[:, 2:] > 0, triples[:, :2], np.nan))
        visible.append(triples[:, 2] == 2)
        boxes.append(box)
        area.append(numbers(*where, {"area": [row.get("area", box[2] * box[3])]}, "area")[0])
        image.append(at[own])
    if not joints:
        raise DataError(f"{path} holds no annotated person: is it the right file?")
    return PersonKeypoints(
        np.array(joints), np.array(visible), np.array(boxes, dtype=float), np.array(area),
        np.array(image), tuple(files),
    )  # fmt: skip
