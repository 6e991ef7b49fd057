"""Bodies made of capsules: who hides which joint, and what a camera sees.

A capsule is a segment with a radius. Its axis runs between two weighted means of joints, so bodies
follow from joints alone (:mod:`eccvkit.data.people`). Occlusion is exact: a joint is hidden when
the ray from the camera to it meets a capsule of somebody else. The renderer draws each capsule as a
shaded stadium with a z-buffer, which is exact up to foreshortening.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eccvkit.data.cameras import NEAR, Camera, invert_homography
from eccvkit.data.people import JOINTS
from eccvkit.errors import DataError

#: What is painted in one colour.
CLOTHES = (
    "skin", "shirt", "trousers", "shoes", "hair", "front",
    "left sleeve", "right sleeve", "left leg", "right leg",
)  # fmt: skip
_SKIN, _SHIRT, _TROUSERS, _SHOES, _HAIR, _FRONT = range(6)
#: Sleeves and legs by side: small networks need help to tell left from right.
_SLEEVE, _LEG = {"left": 6, "right": 7}, {"left": 8, "right": 9}
_BOTH = ("left", "right")
#: Rays end this far before a joint, in metres: a body that is touched does not hide.
_MARGIN = 0.05


@dataclass(frozen=True)
class Body:
    """How capsules follow from joints.

    Attributes
    ----------
    ends : (C, 2, J) array
        Weights of the joints in both ends of each axis.
    radius : (C,) array
        In metres.
    cloth : (C,) int array
        Position in :data:`CLOTHES`.
    """

    ends: np.ndarray
    radius: np.ndarray
    cloth: np.ndarray

    def axes(self, joints: np.ndarray) -> np.ndarray:
        """Axes (N, C, 2, 3) of people with joints (N, J, 3); NaN where a joint of theirs is."""
        unknown = ~np.isfinite(joints).all(axis=-1)
        ends = np.einsum("cej,njd->nced", self.ends, np.where(unknown[..., None], 0.0, joints))
        lost = np.einsum("cej,nj->nce", (self.ends != 0).astype(float), unknown.astype(float)) > 0
        return np.where(lost[..., None], np.nan, ends)


def _body(*parts: tuple[dict[str, float], dict[str, float], float, int]) -> Body:
    at = {name: i for i, name in enumerate(JOINTS)}
    ends = np.zeros((len(parts), 2, len(JOINTS)))
    for c, (first, second, _, _) in enumerate(parts):
        for e, weights in enumerate((first, second)):
            for name, weight in weights.items():
                ends[c, e, at[name]] = weight
    return Body(ends, np.array([p[2] for p in parts]), np.array([p[3] for p in parts]))


def _mean(*names: str) -> dict[str, float]:
    return dict.fromkeys(names, 1 / len(names))


def _column(side: str, part: str) -> dict[str, float]:
    other = _BOTH[side == "left"]
    return {f"{side} {part}": 0.72, f"{other} {part}": 0.28}


#: Ends of a foot, with the signs that make their difference point forward.
_TOE_AND_HEEL = (("big toe", 1), ("heel", -1))


def _ahead(weights: dict[str, float], share: float) -> dict[str, float]:
    """A point moved forward by a share of the length of the feet."""
    steps = {f"{s} {end}": sign * share / 2 for s in _BOTH for end, sign in _TOE_AND_HEEL}
    return weights | steps


#: A dressed person: what hides and is seen.
DRESSED = _body(
    (_mean("left ear", "right ear"), _mean("left ear", "right ear", "nose"), 0.1, _SKIN),
    (_mean("left shoulder", "right shoulder"), _mean("left ear", "right ear"), 0.055, _SKIN),
    ({"left shoulder": 1}, {"right shoulder": 1}, 0.06, _SHIRT),
    *((_column(s, "shoulder"), _column(s, "hip"), 0.11, _SHIRT) for s in _BOTH),
    ({"left hip": 1}, {"right hip": 1}, 0.09, _TROUSERS),
    *(({f"{s} shoulder": 1}, {f"{s} elbow": 1}, 0.05, _SLEEVE[s]) for s in _BOTH),
    *(({f"{s} elbow": 1}, {f"{s} wrist": 1}, 0.04, _SLEEVE[s]) for s in _BOTH),
    *(({f"{s} hip": 1}, {f"{s} knee": 1}, 0.075, _LEG[s]) for s in _BOTH),
    *(({f"{s} knee": 1}, {f"{s} ankle": 1}, 0.055, _LEG[s]) for s in _BOTH),
    *(({f"{s} heel": 1}, {f"{s} {toe} toe": 1}, 0.035, _SHOES) for s in _BOTH
      for toe in ("big", "small")),
    *(({f"{s} ankle": 1}, _mean(f"{s} big toe", f"{s} small toe"), 0.035, _SHOES) for s in _BOTH),
)  # fmt: skip


#: What is seen only: hair at the back of the head, and the front of a jacket. Without them nobody
#: could tell a person's front from the back in a picture, nor left from right.
ADORNED = _body(
    (
        {"left ear": 0.72, "right ear": 0.72, "nose": -0.44},
        _mean("left ear", "right ear"),
        0.105,
        _HAIR,
    ),
    (
        _ahead(_column("left", "shoulder"), 0.32),
        _ahead(_mean("left hip", "right hip"), 0.3),
        0.05,
        _FRONT,
    ),
    (
        _ahead(_column("right", "shoulder"), 0.32),
        _ahead(_mean("left hip", "right hip"), 0.3),
        0.05,
        _FRONT,
    ),
)


def segment_distance(
    p1: np.ndarray, q1: np.ndarray, p2: np.ndarray, q2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance (...,) between segments p1-q1 and p2-q2, and where on the first it is reached.

    Parameters
    ----------
    p1, q1, p2, q2 : (..., 3) arrays
        Ends; the leading dimensions broadcast. The first segment has a length above 0.

    Returns
    -------
    distance, share : (...,) arrays
        ``share`` runs from 0 at p1 to 1 at q1.
    """
    d1, d2, r = q1 - p1, q2 - p2, p1 - p2
    a, e = (d1 * d1).sum(-1), (d2 * d2).sum(-1)
    f, c, b = (d2 * r).sum(-1), (d1 * r).sum(-1), (d1 * d2).sum(-1)
    denominator = a * e - b * b
    parallel = denominator <= 1e-12 * a * e
    s = np.where(parallel, 0.0, (b * f - c * e) / np.where(parallel, 1.0, denominator)).clip(0, 1)
    point = e <= 0
    t = np.where(point, 0.0, (b * s + f) / np.where(point, 1.0, e))
    # Where the nearest point falls off the second segment, its end decides.
    s = np.where(point | (t < 0), -c / a, np.where(t > 1, (b - c) / a, s)).clip(0, 1)
    t = t.clip(0, 1)
    gap = r + s[..., None] * d1 - t[..., None] * d2
    return np.sqrt((gap * gap).sum(-1)), s


def find_occluders(camera: Camera, joints: np.ndarray) -> np.ndarray:
    """Who hides each joint (N, J) from a camera: the first other person on the ray, -1 for nobody.

    Parameters
    ----------
    camera : Camera
    joints : (N, J, 3) array
        World coordinates in metres.
    """
    n = len(joints)
    axes = DRESSED.axes(joints)
    ray = joints - camera.centre
    length = np.linalg.norm(ray, axis=-1, keepdims=True)
    target = joints - _MARGIN * ray / length
    hidden = np.full(joints.shape[:2], -1)
    nearest = np.full(joints.shape[:2], np.inf)
    for other in range(n):
        # (N, J, C): all rays against the capsules of one person.
        gap, share = segment_distance(
            camera.centre, target[:, :, None], axes[other, :, 0], axes[other, :, 1]
        )
        first = np.where(gap < DRESSED.radius, share * length, np.inf).min(axis=-1)
        first[other] = np.inf
        closer = first < nearest
        hidden[closer], nearest[closer] = other, first[closer]
    return hidden


@dataclass(frozen=True)
class Picture:
    """What a camera sees.

    Attributes
    ----------
    image : (H, W, 3) float32 array in [0, 1]
    depth : (H, W) float32 array
        Metres in front of the camera; infinite where there is nobody.
    person : (H, W) int array
        Who is seen; -1 for nobody.
    """

    image: np.ndarray
    depth: np.ndarray
    person: np.ndarray


def dress(count: int, rng: np.random.Generator) -> np.ndarray:
    """Colours (N, 10, 3) in [0, 1] of :data:`CLOTHES`: left limbs are light, right ones dark."""
    colours = rng.uniform(0.08, 0.95, (count, len(CLOTHES), 3))
    tone = rng.uniform(0.35, 1.0, (count, 1))
    colours[:, _SKIN] = tone * [0.95, 0.76, 0.62]
    colours[:, _SHOES] *= 0.6
    colours[:, _HAIR] *= 0.3
    colours[:, _FRONT] = 0.8 + 0.2 * colours[:, _FRONT]
    for part, own in ((_SLEEVE, _SHIRT), (_LEG, _TROUSERS)):
        colours[:, part["left"]] = 0.55 + 0.45 * colours[:, own]
        colours[:, part["right"]] = 0.35 * colours[:, own]
    return colours


def render(
    camera: Camera,
    joints: np.ndarray,
    clothes: np.ndarray,
    rng: np.random.Generator | None = None,
    *,
    noise: float = 0.03,
) -> Picture:
    """Draw people on a tiled floor.

    Parameters
    ----------
    camera : Camera
        Its ``size`` is the size of the picture; shrink it with :func:`shrink`.
    joints : (N, J, 3) array
    clothes : (N, 10, 3) array
        See :func:`dress`.
    rng : numpy.random.Generator, optional
        Adds pixel noise of standard deviation ``noise``.

    Raises
    ------
    DataError
        Joints and clothes are not of the same people.
    """
    if len(joints) != len(clothes):
        raise DataError(f"render: {len(joints)} people but clothes for {len(clothes)}")
    image = _floor(camera)
    depth = np.full(image.shape[:2], np.inf, dtype=np.float32)
    person = np.full(image.shape[:2], -1)
    buffers = image, depth, person
    for body in (DRESSED, ADORNED):
        axes = body.axes(joints)
        pixels, depths = camera.project(axes), camera.depth(axes)
        for n, c in np.ndindex(axes.shape[:2]):
            if depths[n, c].min() > NEAR:
                radii = camera.intrinsics[0, 0] * body.radius[c] / depths[n, c]
                colour = clothes[n, body.cloth[c]]
                _paint(buffers, n, pixels[n, c], depths[n, c], radii, body.radius[c], colour)
    if rng is not None:
        image = image + noise * rng.standard_normal(image.shape, dtype=np.float32)
    return Picture(image.clip(0, 1).astype(np.float32), depth, person)


def _paint(buffers, n, ends, depths, radii, thickness, colour) -> None:
    """One capsule into image, depth and person, within the rectangle around it."""
    image, depth, person = buffers
    low = np.floor((ends - radii[:, None]).min(axis=0)).astype(int).clip(0)
    high = np.ceil((ends + radii[:, None]).max(axis=0)).astype(int) + 1
    x, y = np.meshgrid(
        np.arange(low[0], min(high[0], image.shape[1])),
        np.arange(low[1], min(high[1], image.shape[0])),
    )
    if not x.size:
        return
    along = ends[1] - ends[0]
    square = max(along @ along, 1e-9)
    share = (((x - ends[0, 0]) * along[0] + (y - ends[0, 1]) * along[1]) / square).clip(0, 1)
    # Linear in the image is 1 / depth, not depth.
    z = 1 / ((1 - share) / depths[0] + share / depths[1])
    radius = (1 - share) * radii[0] + share * radii[1]
    distance = np.hypot(x - ends[0, 0] - share * along[0], y - ends[0, 1] - share * along[1])
    bulge = np.sqrt(np.maximum(1 - (distance / radius) ** 2, 0))
    # The surface is nearer than the axis, by the radius in metres where it bulges most.
    z = z - bulge * thickness
    rows, columns = slice(y[0, 0], y[-1, 0] + 1), slice(x[0, 0], x[0, -1] + 1)
    seen = (distance <= radius) & (z < depth[rows, columns])
    depth[rows, columns][seen] = z[seen]
    person[rows, columns][seen] = n
    image[rows, columns][seen] = colour * (0.55 + 0.45 * bulge[seen])[:, None]


def _floor(camera: Camera) -> np.ndarray:
    """A floor of tiles of one metre that fades into a wall, (H, W, 3)."""
    width, height = camera.size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    back = invert_homography(camera.ground, f"ground of camera {camera.name!r}")
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ back.T
    # G is known up to sign only; what lies on the ground is below the horizon.
    centre = camera.ground @ np.append((camera.centre + 5 * camera.rotation[2])[:2], 1)
    on_ground = rays[..., 2] * np.sign(centre[2]) > 1e-9
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.where(on_ground[..., None], rays[..., :2] / rays[..., 2:], 0.0)
    tiles = (np.floor(places).sum(axis=-1) % 2) * 0.06
    distance = np.linalg.norm(places - camera.centre[:2], axis=-1)
    fade = np.where(on_ground, np.exp(-((distance / 14) ** 2)), 0.0)
    grey = 0.72 + fade * (tiles - 0.1)
    return (grey[..., None] * np.array([1.0, 0.99, 0.96])).astype(np.float32)


def shrink(camera: Camera, factor: float) -> Camera:
    """The same camera with an image ``factor`` times smaller along each side."""
    width, height = (round(side / factor) for side in camera.size)
    matrix = np.array(
        [[1 / factor, 0, 0.5 / factor - 0.5], [0, 1 / factor, 0.5 / factor - 0.5], [0, 0, 1.0]]
    )
    return Camera(
        matrix @ camera.intrinsics,
        camera.rotation,
        camera.translation,
        (width, height),
        camera.name,
    )
