"""How far off a detected joint may be (sigma of Eq. 6), and the problem that follows from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from eccvkit.data.cameras import Camera
from eccvkit.data.crowd import REFERENCE_HEIGHT, Crowd, ViewDetections
from eccvkit.data.people import BONES, average_bones
from eccvkit.errors import DataError
from eccvkit.papers.crowded_mvpose.triangulation import Problem

#: A peak below this counts as this: no joint is worth nothing.
LEAST_PEAK = 0.05
#: Standard deviation of a bone's length relative to its average (the paper is silent).
BONE_SPREAD = 0.06
#: Median of the length of a plane vector with standard normal coordinates.
_RAYLEIGH_MEDIAN = np.sqrt(2 * np.log(2))


def relative_sigma(peaks: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """The shape of f in Eq. 6, (n, J): height of the box over that of the peak.

    Parameters
    ----------
    peaks : (n, J) array
        Of the heatmaps, in [0, 1].
    heights : (n,) array
        Of the boxes in pixels.
    """
    return heights[:, None] / REFERENCE_HEIGHT / np.maximum(peaks, LEAST_PEAK)


def calibrate(errors: np.ndarray, relative: np.ndarray) -> float:
    """sigma_0 in pixels, so that half of the joints have errors below the median they should have.

    The median, unlike the mean square, does not care how far the joints lie that were found on
    somebody else.

    Parameters
    ----------
    errors : array
        Distances in pixels between detected and true joints of validation data; NaN is left out.
    relative : array
        :func:`relative_sigma` of the same joints.

    Raises
    ------
    DataError
        No joint is left.
    """
    ratio = (errors / relative)[np.isfinite(errors)]
    if not ratio.size:
        raise DataError("calibrate: no detected joint with a known truth; give validation data")
    return float(np.median(ratio) / _RAYLEIGH_MEDIAN)


def calibrate_on(crowds: Sequence[Crowd], detections: Sequence[Sequence[ViewDetections]]) -> float:
    """:func:`calibrate` on crowds with known truth and their detections in every view."""
    errors, relative = [], []
    for crowd, views in zip(crowds, detections):
        for pixels, found in zip(crowd.pixels, views):
            gap = np.linalg.norm(found.joints - pixels[found.person], axis=-1)
            errors.append(gap.ravel())
            relative.append(relative_sigma(found.peaks, found.boxes[:, 3]).ravel())
    return calibrate(np.concatenate(errors), np.concatenate(relative))


def pose_problem(
    groups: np.ndarray,
    detections: Sequence[ViewDetections],
    cameras: Sequence[Camera],
    sigma_0: float,
    *,
    bone_spread: float = BONE_SPREAD,
) -> Problem:
    """Eq. 5 for matched people.

    Parameters
    ----------
    groups : (G, V) int array
        Detection of each person in each view, -1 where there is none; see
        :func:`eccvkit.papers.crowded_mvpose.matching.merge`.
    detections : sequence of ViewDetections
        One per view.
    cameras : sequence of Camera
    sigma_0 : float
        See :func:`calibrate`.
    bone_spread : float
        sigma_l of Eq. 7 relative to the average length.
    """
    if not sigma_0 > 0:
        raise DataError(f"sigma_0 is {sigma_0}; give pixels above 0")
    count, views = groups.shape
    joints = detections[0].joints.shape[1]
    pixels = np.full((count, joints, views, 2), np.nan)
    weights = np.zeros((count, joints, views))
    for v, found in enumerate(detections):
        has = groups[:, v] >= 0
        chosen = groups[has, v]
        sigma = sigma_0 * relative_sigma(found.peaks[chosen], found.boxes[chosen, 3])
        pixels[has, :, v] = found.joints[chosen]
        seen = np.isfinite(found.joints[chosen]).all(axis=-1)
        weights[has, :, v] = np.where(seen, 1 / sigma**2, 0.0)
    lengths = torch.from_numpy(average_bones().copy())
    return Problem(
        torch.from_numpy(pixels),
        torch.from_numpy(weights),
        torch.from_numpy(np.stack([camera.matrix for camera in cameras])),
        torch.tensor(BONES),
        lengths,
        (bone_spread * lengths) ** -2,
    )
