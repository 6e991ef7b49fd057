"""Crowds before several cameras, and what a detector of joints would report of them.

A crowd is drawn with exact truth: joints in space, their pixels in every view, and who hides which
joint (:mod:`eccvkit.data.capsules`). :func:`detect` turns the truth into detections with the errors
that crowds cause: noise that grows with the person's size in the image, joints behind somebody
else that are guessed badly or found on the other person, people who are missed. The order of the
detections is shuffled in every view, so that it gives nothing away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eccvkit.data.cameras import Camera, camera_ring
from eccvkit.data.capsules import find_occluders
from eccvkit.data.people import BODY, JOINTS, random_people
from eccvkit.errors import DataError, EccvkitError

#: Nobody stands nearer to somebody else than this, in metres.
SPACING = 0.45
#: Height in pixels of the box for which noise is quoted.
REFERENCE_HEIGHT = 200.0
#: A box is larger than the joints by this share of its height, on every side.
_BOX_MARGIN = 0.08
_TRIES = 2000


@dataclass(frozen=True)
class Crowd:
    """People, cameras, and what the cameras could see.

    Attributes
    ----------
    joints : (N, 23, 3) array
        Metres.
    cameras : tuple of Camera
        V of them.
    pixels : (V, N, 23, 2) array
    occluder : (V, N, 23) int array
        Who hides the joint; -1 for nobody.
    boxes : (V, N, 4) array
        x, y, width, height around the person, in pixels.
    """

    joints: np.ndarray
    cameras: tuple[Camera, ...]
    pixels: np.ndarray
    occluder: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.joints)


@dataclass(frozen=True)
class ViewDetections:
    """What a detector reports in one view.

    Attributes
    ----------
    joints : (n, 23, 2) array
        Pixels; NaN for a joint that is not reported.
    peaks : (n, 23) array
        Confidence in [0, 1], the height of the heatmap's peak.
    boxes : (n, 4) array
        x, y, width, height in pixels.
    person : (n,) int array
        Who it really is; only for scoring. -1: unknown.

    Raises
    ------
    DataError
        Shapes that do not fit, or a peak outside of [0, 1].
    """

    joints: np.ndarray
    peaks: np.ndarray
    boxes: np.ndarray
    person: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.joints)
        shapes = self.joints.shape, self.peaks.shape, self.boxes.shape, self.person.shape
        if self.joints.ndim != 3 or shapes != (
            (n, self.joints.shape[1], 2), (n, self.joints.shape[1]), (n, 4), (n,)
        ):  # fmt: skip
            raise DataError(
                f"detections: shapes {shapes}; give joints (n, J, 2), peaks (n, J), boxes (n, 4) "
                "and person (n,)"
            )
        if not ((self.peaks >= 0) & (self.peaks <= 1)).all():
            raise DataError("detections: a peak is not in [0, 1]; clip the heatmaps' maxima")

    def __len__(self) -> int:
        return len(self.joints)


@dataclass(frozen=True)
class Noise:
    """Errors of a detector, in pixels for a person whose box is 200 pixels high.

    Attributes
    ----------
    body, feet : float
        Standard deviation of visible joints; feet None: as the body.
    occluded : float
        Standard deviation of joints behind somebody else.
    jump : float
        Share of the occluded joints that are found on the occluder instead.
    miss : float
        Share of people who are not found in a view.
    confidence : float
        Spread of the logarithm of the peak around its true relation with the noise.
    occlusion : bool
        Without it every joint counts as visible.
    """

    body: float = 5.0
    feet: float | None = None
    occluded: float = 40.0
    jump: float = 0.3
    miss: float = 0.05
    confidence: float = 0.3
    occlusion: bool = True

    def __post_init__(self) -> None:
        for name in ("body", "occluded", "confidence"):
            if not getattr(self, name) >= 0:
                raise EccvkitError(f"noise: {name} is {getattr(self, name)}; use 0 or more")
        if self.feet is not None and not self.feet >= 0:
            raise EccvkitError(f"noise: feet is {self.feet}; use None, 0 or more")
        for name in ("jump", "miss"):
            if not 0 <= getattr(self, name) <= 1:
                raise EccvkitError(f"noise: {name} is {getattr(self, name)}; a share is 0 to 1")


def draw_positions(count: int, half_side: float, rng: np.random.Generator) -> np.ndarray:
    """Places (N, 2) in a square around the origin, none nearer than :data:`SPACING` to another.

    Raises
    ------
    EccvkitError
        So many people do not fit.
    """
    places = np.empty((0, 2))
    for _ in range(_TRIES):
        if len(places) == count:
            return places
        place = rng.uniform(-half_side, half_side, 2)
        if not len(places) or np.linalg.norm(places - place, axis=1).min() >= SPACING:
            places = np.vstack([places, place])
    if len(places) == count:
        return places
    raise EccvkitError(
        f"{count} people do not fit into a square of half side {half_side} m with {SPACING} m "
        "between them: use fewer people or more room"
    )


def draw_crowd(
    count: int,
    half_side: float,
    rng: np.random.Generator,
    cameras: Sequence[Camera] | None = None,
) -> Crowd:
    """People at random places in a square around the origin.

    Parameters
    ----------
    count : int
    half_side : float
        Half of the square's side, in metres.
    rng : numpy.random.Generator
    cameras : sequence of Camera, optional
        Four on a circle of 7 m, turned at random, if not given.

    Raises
    ------
    EccvkitError
        So many people do not fit, or somebody stands behind a camera.
    """
    cameras = tuple(cameras) if cameras is not None else camera_ring(4, rng)
    return observe(random_people(draw_positions(count, half_side, rng), rng), cameras)


def observe(joints: np.ndarray, cameras: Sequence[Camera]) -> Crowd:
    """The crowd that consists of given people (N, 23, 3) before given cameras.

    Joints that nobody annotated are NaN: they are not detected, and what hangs on them hides
    nothing.

    Raises
    ------
    DataError
        Somebody has no known joint.
    EccvkitError
        A joint is behind a camera.
    """
    known = np.isfinite(joints).all(axis=-1)
    if not known.any(axis=1).all():
        raise DataError(
            f"person {int(known.any(axis=1).argmin())} has no known joint: leave them out"
        )
    pixels = np.stack([camera.project(joints) for camera in cameras])
    behind = ~np.isfinite(pixels).all(axis=-1) & known
    if behind.any():
        v = int(np.argmax(behind.any(axis=(1, 2))))
        raise EccvkitError(
            f"a joint is behind {cameras[v].name or f'camera {v + 1}'}: move the camera back"
        )
    occluder = np.stack([find_occluders(camera, joints) for camera in cameras])
    return Crowd(joints, tuple(cameras), pixels, occluder, boxes_around(pixels))


def boxes_around(pixels: np.ndarray) -> np.ndarray:
    """Boxes (..., 4) as x, y, width, height around joints (..., J, 2), a little larger.

    NaN joints are left out.
    """
    low, high = np.nanmin(pixels, axis=-2), np.nanmax(pixels, axis=-2)
    margin = _BOX_MARGIN * (high - low)[..., 1:]
    return np.concatenate([low - margin, high - low + 2 * margin], axis=-1)


def detect(crowd: Crowd, noise: Noise, rng: np.random.Generator) -> list[ViewDetections]:
    """Detections of every view, in shuffled order.

    The same generator state gives the same errors up to their size, whatever the noise: levels of
    noise are paired.
    """
    found = []
    for pixels, occluder, boxes in zip(crowd.pixels, crowd.occluder, crowd.boxes):
        normal = rng.standard_normal(pixels.shape)
        jumps, missed = rng.random(pixels.shape[:2]), rng.random(len(crowd))
        order = rng.permutation(len(crowd))
        wobble = rng.standard_normal(pixels.shape[:2])
        hidden = (occluder >= 0) & noise.occlusion
        sigma = np.full(pixels.shape[:2], noise.body)
        if noise.feet is not None:
            sigma[:, BODY:] = noise.feet
        visible = sigma
        sigma = np.where(hidden, noise.occluded, sigma)
        # A joint that jumps is sought on the occluder and found there as well as a visible one.
        jumping = hidden & (jumps < noise.jump)
        own = np.where(jumping, occluder, np.arange(len(crowd))[:, None])
        centre = pixels[own, np.arange(len(JOINTS))]
        spread = np.where(jumping, visible, sigma) * boxes[:, 3:] / REFERENCE_HEIGHT
        joints = centre + spread[..., None] * normal
        peaks = (
            0.8 * np.minimum(5.0 / np.maximum(sigma, 1e-9), 1) * np.exp(noise.confidence * wobble)
        )
        kept = order[missed[order] >= noise.miss]
        found.append(ViewDetections(joints[kept], peaks[kept].clip(0, 1), boxes[kept], kept))
    return found
