"""A real stereo pair with measured disparities: real correspondences that are no homography.

``skimage.data.stereo_motorcycle`` is the scene *Motorcycle* of Middlebury 2014, 500 x 741 pixels,
in the files of scikit-image's wheel. The images are rectified, so a point keeps its row:
``x_right = x_left - d``, where the disparity ``d > 0`` belongs to a pixel of the **left** image.
(scikit-image's docstring places it the other way round; the images fit twice as well this way.)
Pixels without measurement are infinite in the file. Points: see
:mod:`eccvkit.data.homography_pairs` for the convention of pixel centres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eccvkit.data.homography_pairs import inside
from eccvkit.errors import DataError, EccvkitError, unknown

SIDES = ("left", "right")
#: A surface hides another one when its disparity is larger by more than this many pixels.
HIDES = 1.0


@dataclass(frozen=True)
class StereoPair:
    """A rectified pair, seen from one of its two images.

    Attributes
    ----------
    first, second : Tensor
        (1, 3, H, W) in [0, 1]; ``first`` is the image that ``disparity`` belongs to.
    disparity : Tensor
        (H, W) float32 in pixels; NaN where it is unknown.
    visible : Tensor of bool
        (H, W): the disparity is known, and the point is seen in the second image too.
    direction : float
        -1 if ``first`` is the left image, +1 if it is the right one: the sign of the motion in x.
    """

    first: Tensor
    second: Tensor
    disparity: Tensor
    visible: Tensor
    direction: float = -1.0

    def __len__(self) -> int:
        return 1

    def to(self, device: torch.device | str) -> StereoPair:
        """The same pair on a device; disparities stay on the CPU."""
        first, second = self.first.to(device), self.second.to(device)
        return StereoPair(first, second, self.disparity, self.visible, self.direction)

    def truth(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Where points (1, K, 2) of the first image lie in the second, and where that is known.

        The disparity is read at the nearest pixel: between pixels of two surfaces there is no
        point, so an average of their disparities would belong to neither.

        Raises
        ------
        EccvkitError
            A point lies outside of the image.
        """
        size = self.disparity.shape
        if not bool(inside(points, size, -0.5).all()):
            raise EccvkitError(
                f"StereoPair.truth: a point lies outside of the image of {size[0]} x {size[1]} "
                "pixels; pass points (x, y) inside it"
            )
        x, y = (points.cpu() + 0.5).floor().long().unbind(-1)
        x, y = x.clamp(max=size[1] - 1), y.clamp(max=size[0] - 1)
        known = self.visible[y, x].to(points.device)
        shift = torch.where(self.visible[y, x], self.disparity[y, x], 0.0).to(points)
        located = points.clone()
        located[..., 0] += self.direction * shift
        return located, known


def motorcycle(shrink: int = 1, *, reference: str = "left") -> StereoPair:
    """The pair *Motorcycle*.

    Parameters
    ----------
    shrink : int
        Average blocks of so many pixels along each side; the disparities shrink with it. Blocks
        that straddle two surfaces have no disparity.
    reference : {"left", "right"}
        Which image is ``first``. Disparities of the right image are those of the left one, carried
        over; where several arrive, the nearest surface (the largest disparity) is seen.

    Raises
    ------
    UnknownName
        Not a side.
    EccvkitError
        ``shrink`` is not 1 to 16.
    """
    import skimage.data

    if reference not in SIDES:
        raise unknown("reference image", reference, SIDES)
    if not 1 <= shrink <= 16:
        raise EccvkitError(f"motorcycle: shrink is {shrink}; use 1 to 16")
    left, right, disparity = skimage.data.stereo_motorcycle()
    images = [_shrunk_image(image, shrink) for image in (left, right)]
    of_left = _shrunk_disparity(disparity, shrink)
    of_right = carry_to_right(of_left)
    if reference == "left":
        return _pair(*images, of_left, seen_in_right(of_left, of_right), -1.0)
    return _pair(*images[::-1], of_right, np.isfinite(of_right), 1.0)


def _pair(
    first: Tensor, second: Tensor, disparity: np.ndarray, visible: np.ndarray, direction: float
) -> StereoPair:
    return StereoPair(
        first, second, torch.from_numpy(disparity), torch.from_numpy(visible), direction
    )


def _shrunk_image(image: np.ndarray, shrink: int) -> Tensor:
    height, width = (s // shrink * shrink for s in image.shape[:2])
    pixels = torch.from_numpy(image[:height, :width].copy()).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.avg_pool2d(pixels, shrink)


def _shrunk_disparity(disparity: np.ndarray, shrink: int) -> np.ndarray:
    """Mean of each block over ``shrink``; NaN where a pixel is unknown or two surfaces meet."""
    height, width = (s // shrink for s in disparity.shape)
    blocks = disparity[: height * shrink, : width * shrink].astype(np.float32)
    blocks = blocks.reshape(height, shrink, width, shrink)
    low, high = blocks.min(axis=(1, 3)), blocks.max(axis=(1, 3))
    one_surface = np.isfinite(high) & (high - np.where(np.isfinite(low), low, 0) <= shrink * HIDES)
    with np.errstate(invalid="ignore"):
        mean = blocks.mean(axis=(1, 3)) / shrink
    return np.where(one_surface, mean, np.nan).astype(np.float32)


def carry_to_right(disparity: np.ndarray) -> np.ndarray:
    """Disparities of the right image (H, W) from those of the left one; NaN where none arrives.

    Raises
    ------
    DataError
        Not a map of two dimensions, or a negative disparity.
    """
    if disparity.ndim != 2 or (disparity[np.isfinite(disparity)] < 0).any():
        raise DataError(
            f"disparity map of shape {disparity.shape}: expected (H, W) with values of at least 0; "
            "change the sign if yours counts the other way"
        )
    height, width = disparity.shape
    rows, columns = np.nonzero(np.isfinite(disparity))
    values = disparity[rows, columns]
    landing = np.round(columns - values).astype(int)
    within = (landing >= 0) & (landing < width)
    # Negative infinity is "nothing arrived yet"; the nearest surface wins.
    carried = np.full((height, width), -np.inf, dtype=np.float32)
    np.maximum.at(carried, (rows[within], landing[within]), values[within])
    return np.where(np.isfinite(carried), carried, np.nan).astype(np.float32)


def seen_in_right(of_left: np.ndarray, of_right: np.ndarray) -> np.ndarray:
    """Which pixels of the left image (H, W) are seen in the right one: nothing nearer lands there.

    Parameters
    ----------
    of_left, of_right : ndarray
        Disparities of the two images, (H, W).
    """
    known = np.isfinite(of_left)
    columns = np.broadcast_to(np.arange(of_left.shape[1]), of_left.shape)
    landing = np.round(columns - np.where(known, of_left, 0)).astype(int)
    within = known & (landing >= 0)
    nearest = np.take_along_axis(of_right, landing.clip(0), axis=1)
    return within & (nearest <= np.where(known, of_left, 0) + HIDES)
