"""Keypoint detectors of scikit-image, by name, for one image or a batch.

The paper's best detector, SuperPoint, is a trained network whose weights we do not have; corners
and a grid take its place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from eccvkit.errors import EccvkitError, unknown

#: Detections keep this distance from each other, and this one from the border, in pixels.
SPACING, BORDER = 2, 4


def _corners(response: Callable[[np.ndarray], np.ndarray]) -> Callable:
    def find(grey: np.ndarray, count: int) -> np.ndarray:
        from skimage.feature import corner_peaks

        peaks = corner_peaks(
            response(grey),
            min_distance=SPACING,
            threshold_rel=0.001,
            exclude_border=BORDER,
            num_peaks=count,
        )
        return peaks[:, ::-1]

    return find


def _harris(grey: np.ndarray) -> np.ndarray:
    from skimage.feature import corner_harris

    return corner_harris(grey, sigma=1)


def _shi_tomasi(grey: np.ndarray) -> np.ndarray:
    from skimage.feature import corner_shi_tomasi

    return corner_shi_tomasi(grey, sigma=1)


def _fast(grey: np.ndarray) -> np.ndarray:
    from skimage.feature import corner_fast

    return corner_fast(grey, n=9, threshold=0.03)


def _grid(grey: np.ndarray, count: int) -> np.ndarray:
    """Evenly spaced pixels, as many as fit without exceeding ``count``."""
    height, width = (side - 2 * BORDER for side in grey.shape)
    step = max(1, int(np.ceil(np.sqrt(height * width / count))))
    while -(-height // step) * -(-width // step) > count:
        step += 1
    y, x = np.mgrid[BORDER : grey.shape[0] - BORDER : step, BORDER : grey.shape[1] - BORDER : step]
    return np.stack([x.ravel(), y.ravel()], axis=1)


#: Detectors by name: ``find(grey, count)`` gives at most ``count`` points (x, y), best first.
DETECTORS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "Harris": _corners(_harris),
    "Shi-Tomasi": _corners(_shi_tomasi),
    "FAST": _corners(_fast),
    "grid": _grid,
}


def detect(image: Tensor, name: str = "Harris", count: int = 100) -> Tensor:
    """Keypoints (K, 2) as float (x, y) of whole pixels, K at most ``count``.

    Parameters
    ----------
    image : Tensor
        (3, H, W) in [0, 1].
    name : str
        One of :data:`DETECTORS`.
    count : int
        Keeps the strongest so many; corners of a flat image are none at all.

    Raises
    ------
    UnknownName
        No such detector.
    EccvkitError
        ``count`` is below 1, or the image has no pixel away from the border.
    """
    if name not in DETECTORS:
        raise unknown("detector", name, DETECTORS)
    if count < 1 or min(image.shape[-2:]) <= 2 * BORDER:
        raise EccvkitError(
            f"detect: count is {count}, the image {image.shape[-2]} x {image.shape[-1]} pixels; "
            f"use count >= 1 and images of more than {2 * BORDER} pixels"
        )
    grey = image.float().mean(dim=0).cpu().numpy().astype(np.float64)
    return torch.from_numpy(DETECTORS[name](grey, count).astype(np.float32))


def detect_all(images: Tensor, name: str = "Harris", count: int = 100) -> tuple[Tensor, Tensor]:
    """Keypoints of every image (N, 3, H, W), padded to the largest number K among them.

    Returns
    -------
    points : Tensor
        (N, K, 2), on the device of the images; rows beyond the last detection are (0, 0). K is at
        least 1 and at most ``count``.
    valid : Tensor of bool
        (N, K), which rows are detections.
    """
    detections = [detect(image, name, count) for image in images]
    most = max(1, *(len(found) for found in detections))
    points = torch.zeros(len(images), most, 2)
    valid = torch.zeros(len(images), most, dtype=torch.bool)
    for k, found in enumerate(detections):
        points[k, : len(found)] = found
        valid[k, : len(found)] = True
    return points.to(images.device), valid.to(images.device)
