"""Pinhole cameras, what two of them know about each other, and what one knows about the ground.

World coordinates are metres with z up and the ground at z = 0; a camera looks along its own z axis,
with x to the right and y down in the image. Pixels are (x, y) and whole numbers are the centres of
pixels (see :mod:`eccvkit.data.homography_pairs`). Everything is NumPy in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eccvkit.errors import DataError, EccvkitError

#: A point closer to the plane of the camera than this has no image, in metres.
NEAR = 1e-6


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera without lens distortion.

    Attributes
    ----------
    intrinsics : (3, 3) array
    rotation, translation : (3, 3) and (3,) array
        From the world into the camera: ``rotation @ point + translation``.
    size : (int, int)
        Width and height of the image in pixels.
    name : str

    Raises
    ------
    DataError
        A matrix has another shape or a value that is not finite, the rotation is none, or the
        intrinsics cannot be inverted.
    """

    intrinsics: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    size: tuple[int, int]
    name: str = ""

    def __post_init__(self) -> None:
        shapes = {"intrinsics": (3, 3), "rotation": (3, 3), "translation": (3,)}
        for field, shape in shapes.items():
            value = np.asarray(getattr(self, field), dtype=np.float64)
            if value.shape != shape or not np.isfinite(value).all():
                raise DataError(
                    f"camera {self.name!r}: {field} of shape {value.shape}; give finite numbers "
                    f"of shape {shape}"
                )
            object.__setattr__(self, field, value)
        drift = np.abs(self.rotation @ self.rotation.T - np.eye(3)).max()
        if drift > 1e-3 or np.linalg.det(self.rotation) < 0:
            raise DataError(f"camera {self.name!r}: its rotation is no rotation matrix")
        if abs(np.linalg.det(self.intrinsics)) < 1e-12:
            raise DataError(f"camera {self.name!r}: its intrinsics have no inverse")

    @property
    def matrix(self) -> np.ndarray:
        """Projection matrix P (3, 4): homogeneous pixels of homogeneous world points."""
        return self.intrinsics @ np.column_stack([self.rotation, self.translation])

    @property
    def centre(self) -> np.ndarray:
        """Where the camera is, (3,)."""
        return -self.rotation.T @ self.translation

    @property
    def ground(self) -> np.ndarray:
        """Homography G (3, 3) from ground points (x, y) to pixels: columns 0, 1 and 3 of P."""
        return self.matrix[:, [0, 1, 3]]

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Distance (...,) of world points (..., 3) in front of the camera's plane."""
        return np.asarray(points) @ self.rotation[2] + self.translation[2]

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of world points (..., 3); NaN for points behind the camera."""
        image = np.asarray(points) @ self.matrix[:, :3].T + self.matrix[:, 3]
        depth = self.depth(points)[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(depth > NEAR, image[..., :2] / image[..., 2:], np.nan)


def look_at(
    centre: Sequence[float],
    target: Sequence[float],
    focal: float,
    size: tuple[int, int],
    name: str = "",
) -> Camera:
    """A camera at ``centre`` whose optical axis goes through ``target``, upright.

    Parameters
    ----------
    centre, target : sequence of 3 float
        In metres, not one above the other.
    focal : float
        In pixels.
    size : (int, int)
        Width and height in pixels.

    Raises
    ------
    EccvkitError
        The camera would look straight up or down, where upright means nothing.

    Examples
    --------
    >>> camera = look_at((0, -5, 1), (0, 0, 1), 100, (64, 48))
    >>> camera.project([0.0, 0.0, 1.0]).tolist()
    [31.5, 23.5]
    """
    centre, target = np.asarray(centre, float), np.asarray(target, float)
    forward = target - centre
    right = np.cross(forward, [0.0, 0.0, 1.0])
    if np.linalg.norm(right) < 1e-9:
        raise EccvkitError(
            f"look_at: {target} is straight above or below {centre}; move one sideways"
        )
    forward, right = (v / np.linalg.norm(v) for v in (forward, right))
    rotation = np.stack([right, np.cross(forward, right), forward])
    width, height = size
    intrinsics = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
    return Camera(intrinsics, rotation, -rotation @ centre, size, name)


def camera_ring(
    count: int,
    rng: np.random.Generator | None = None,
    *,
    radius: float = 7.0,
    height: float = 2.8,
    target: Sequence[float] = (0.0, 0.0, 0.6),
    focal: float = 900.0,
    size: tuple[int, int] = (1280, 720),
) -> tuple[Camera, ...]:
    """Cameras on a circle that look at its middle.

    Parameters
    ----------
    count : int
    rng : numpy.random.Generator, optional
        Turns each camera by up to a third of the angle between neighbours; without it they are
        evenly spread.
    radius, height : float
        In metres.
    target : sequence of 3 float
    focal : float
    size : (int, int)
    """
    step = 2 * np.pi / count
    offsets = np.zeros(count) if rng is None else rng.uniform(-1, 1, count) * step / 3
    return tuple(
        look_at(
            (radius * np.cos(k * step + turn), radius * np.sin(k * step + turn), height),
            target, focal, size, f"camera {k + 1}",
        )
        for k, turn in enumerate(offsets)
    )  # fmt: skip


def cross_matrix(v: np.ndarray) -> np.ndarray:
    """The matrix (3, 3) with ``cross_matrix(v) @ u == cross(v, u)``."""
    x, y, z = v
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0.0]])


def fundamental(first: Camera, second: Camera) -> np.ndarray:
    """The matrix F (3, 3) with ``q2 @ F @ q1 == 0`` for homogeneous pixels of one point.

    Raises
    ------
    EccvkitError
        Both cameras are in one place: there are no epipolar lines.
    """
    if np.linalg.norm(first.centre - second.centre) < 1e-9:
        raise EccvkitError(
            f"cameras {first.name!r} and {second.name!r} are in one place: move one of them"
        )
    epipole = second.matrix @ np.append(first.centre, 1)
    matrix = cross_matrix(epipole) @ second.matrix @ np.linalg.pinv(first.matrix)
    return matrix / np.linalg.norm(matrix)


def ground_homography(to: Camera, of: Camera) -> np.ndarray:
    """The matrix H (3, 3) that takes ground pixels of camera ``of`` to those of camera ``to``.

    Raises
    ------
    DataError
        The ground is a line in the image of ``of``: its centre lies in the ground plane.
    """
    return to.ground @ invert_homography(of.ground, f"ground of camera {of.name!r}")


def invert_homography(matrix: np.ndarray, what: str = "homography") -> np.ndarray:
    """Inverse (3, 3).

    Raises
    ------
    DataError
        The matrix is degenerate: it maps the plane onto a line or a point.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise DataError(f"{what} of shape {matrix.shape}: give 3 x 3 finite numbers")
    # Rows of unit length, so that pixels and metres do not decide what is small.
    rows = matrix / np.linalg.norm(matrix, axis=1, keepdims=True).clip(1e-300)
    if abs(np.linalg.det(rows)) < 1e-9:
        raise DataError(
            f"{what} is degenerate, it maps the plane onto a line: a camera in the ground plane, "
            "or point pairs on one line; choose others"
        )
    return np.linalg.inv(matrix)


def fit_homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The homography (3, 3) of least squares from at least 4 pairs of points (n, 2).

    Raises
    ------
    DataError
        Fewer than 4 pairs, or so many on one line that the plane is not fixed.
    """
    from skimage.transform import ProjectiveTransform

    source, target = (np.asarray(p, dtype=np.float64) for p in (source, target))
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2 or len(source) < 4:
        raise DataError(
            f"fit_homography: points of shapes {source.shape} and {target.shape}; give at least 4 "
            "pairs, both (n, 2)"
        )
    for points in (source, target):
        spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        if spread[1] < 1e-9 * max(spread[0], 1e-300):
            raise DataError("fit_homography: all points lie on one line; add pairs beside it")
    fit = ProjectiveTransform.from_estimate(source, target)
    if not fit or not np.isfinite(fit.params).all():
        raise DataError("fit_homography: the pairs do not fix a homography; add pairs off the line")
    invert_homography(fit.params, "fit_homography: the fitted homography")
    return fit.params


def apply_homography(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 2) under a homography; infinite where they go to the horizon.

    Examples
    --------
    >>> apply_homography(np.diag([2.0, 2.0, 1.0]), [[1.0, 3.0]]).tolist()
    [[2.0, 6.0]]
    """
    points = np.asarray(points, dtype=np.float64)
    image = points @ matrix[:, :2].T + matrix[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = image[..., :2] / image[..., 2:]
    return np.where(np.isfinite(scaled), scaled, np.inf)


def distort(points: np.ndarray, coefficients: Sequence[float]) -> np.ndarray:
    """Lens distortion of points (..., 2) on the plane at depth 1: k1, k2, p1, p2, k3 (Brown)."""
    k1, k2, p1, p2, k3 = coefficients
    x, y = np.asarray(points)[..., 0], np.asarray(points)[..., 1]
    square = x**2 + y**2
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x**2),
            y * radial + p1 * (square + 2 * y**2) + 2 * p2 * x * y,
        ],
        axis=-1,
    )


def undistort_pixels(
    pixels: np.ndarray, intrinsics: np.ndarray, coefficients: Sequence[float], rounds: int = 20
) -> np.ndarray:
    """Pixels (..., 2) of a camera with a lens, moved to where a pinhole would show them.

    Solved by fixed-point iteration, which converges for lenses of usual distortion.
    """
    homogeneous = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    seen = (homogeneous @ np.linalg.inv(intrinsics).T)[..., :2]
    plane = seen.copy()
    for _ in range(rounds):
        plane = plane + seen - distort(plane, coefficients)
    return plane @ intrinsics[:2, :2].T + intrinsics[:2, 2]
