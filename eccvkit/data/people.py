"""People as joints in space: a skeleton of 17 joints and 6 points on the feet, and random poses.

The joints are those of COCO, followed by the six foot points of the COCO foot annotations. World
coordinates are metres, z points up and the ground is z = 0. A pose is built from the ground up:
the feet are put down first, the pelvis hangs as high as the legs allow, knees and elbows bend the
way they do on people.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from eccvkit.errors import EccvkitError

#: The 17 joints of COCO in its order, then the foot points in the order of their annotations.
JOINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear",
    "left shoulder", "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist",
    "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle",
    "left big toe", "left small toe", "left heel",
    "right big toe", "right small toe", "right heel",
)  # fmt: skip
#: How many of :data:`JOINTS` belong to COCO's body.
BODY = 17
#: Left foot, then right foot: big toe, small toe, heel.
FEET = ((17, 18, 19), (20, 21, 22))
ANKLES = (15, 16)
_AT = {name: i for i, name in enumerate(JOINTS)}


def _edges(*pairs: str) -> tuple[tuple[int, int], ...]:
    """Pairs of joints from texts "a-b"; "x a-b" stands for both sides."""
    found = []
    for pair in pairs:
        for side in ("left", "right") if "x " in pair else ("",):
            a, b = pair.replace("x ", f"{side} ").split("-")
            found.append((_AT[a], _AT[b]))
    return tuple(found)


#: What is drawn as a stick figure.
LIMBS = _edges(
    "x eye-x ear", "nose-x eye", "x ear-x shoulder", "left shoulder-right shoulder",
    "x shoulder-x elbow", "x elbow-x wrist", "x shoulder-x hip", "left hip-right hip",
    "x hip-x knee", "x knee-x ankle", "x ankle-x heel", "x heel-x big toe", "x big toe-x small toe",
)  # fmt: skip
#: Pairs of joints whose distance hardly changes when a person moves: a prior on poses.
BONES = _edges(
    "x ear-nose", "x eye-nose", "left eye-right eye", "x eye-x ear", "x ear-x shoulder",
    "left shoulder-right shoulder", "x shoulder-x elbow", "x elbow-x wrist", "x shoulder-x hip",
    "left hip-right hip", "x hip-x knee", "x knee-x ankle", "x ankle-x heel", "x ankle-x big toe",
    "x ankle-x small toe", "x heel-x big toe", "x big toe-x small toe",
)  # fmt: skip
#: Joints by part of the body, as the paper of chapter 32 groups them.
PARTS = {
    "head": tuple(range(5)),
    "shoulder": (5, 6),
    "elbow": (7, 8),
    "wrist": (9, 10),
    "hip": (11, 12),
    "knee": (13, 14),
    "ankle": (15, 16),
    "foot": tuple(range(17, 23)),
}
#: Spread of each joint in COCO's keypoint similarity, relative to the root of the person's area.
#: COCO defines the first 17; its ankles stand in for the foot points.
OKS_SIGMAS = np.array(
    [.026, .025, .025, .035, .035, .079, .079, .072, .072, .062, .062, .107, .107, .087, .087,
     .089, .089] + [.089] * 6
)  # fmt: skip

# Lengths in metres of a person of about 1.75 m.
_UPPER_LEG, _LOWER_LEG, _ANKLE_HEIGHT = 0.43, 0.42, 0.08
_HALF_HIPS, _HALF_SHOULDERS, _TORSO = 0.10, 0.18, 0.50
_UPPER_ARM, _LOWER_ARM = 0.29, 0.26
#: Offsets from between the shoulders: forward, to the left, up.
_HEAD = {
    "nose": (0.11, 0.0, 0.19),
    "eye": (0.085, 0.033, 0.23),
    "ear": (0.0, 0.075, 0.21),
}
#: Offsets from the ankle, forward and outward, and height above the sole.
_FOOT = {"big toe": (0.18, -0.02, 0.02), "small toe": (0.14, 0.06, 0.02), "heel": (-0.06, 0, 0.03)}
#: Share of its length to which a leg is stretched at most.
_STRETCH = 0.985
#: Most that one foot of a walking person is lifted, and the longest stride, in metres.
MAX_LIFT, MAX_STRIDE = 0.12, 0.7
HEIGHT_SPREAD = 0.05


def random_people(positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """People standing or walking at given places.

    Each has a random heading, height (factor N(1, 0.05)), stride U(0, 0.7) m, arms and gaze. One
    foot is on the ground; half of the people lift the other one by U(0, 0.12) m.

    Parameters
    ----------
    positions : (N, 2) array
        Midpoint of the ankles on the ground, in metres.
    rng : numpy.random.Generator

    Returns
    -------
    (N, 23, 3) array
        Joints in the order of :data:`JOINTS`.

    Raises
    ------
    EccvkitError
        Positions of another shape.
    """
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise EccvkitError(f"positions have shape {positions.shape}: give (people, 2) in metres")
    n = len(positions)
    size = 1 + HEIGHT_SPREAD * rng.standard_normal(n).clip(-3, 3)
    heading = rng.uniform(0, 2 * np.pi, n)
    stride = rng.uniform(0, MAX_STRIDE, n) * rng.choice([-1.0, 1.0], n)
    lift = rng.uniform(0, MAX_LIFT, n) * (rng.random(n) < 0.5)
    lifted = rng.integers(0, 2, n)

    people = np.zeros((n, len(JOINTS), 3))
    ankles = _put_feet(people, positions, heading, stride, size, lift, lifted)
    pelvis = _hang_pelvis(people, ankles, heading, size)
    chest = _put_torso(people, pelvis, heading, size, rng)
    _put_head(people, chest, heading + 0.4 * rng.standard_normal(n), size)
    _put_arms(people, heading, stride, size, rng)
    return people


def _axes(heading: np.ndarray) -> np.ndarray:
    """Forward, left and up of each heading: (N, 3, 3), one axis per row."""
    forward = np.stack([np.cos(heading), np.sin(heading), np.zeros_like(heading)], axis=1)
    left = np.stack([-np.sin(heading), np.cos(heading), np.zeros_like(heading)], axis=1)
    up = np.broadcast_to([0.0, 0.0, 1.0], forward.shape)
    return np.stack([forward, left, up], axis=1)


def _offset(axes: np.ndarray, forward, left, up) -> np.ndarray:
    """The world vectors (N, 3) of offsets given along a person's own axes."""
    own = np.stack(np.broadcast_arrays(forward, left, up, axes[:, 0, 0])[:3], axis=-1)
    return np.einsum("nk,nkd->nd", own, axes)


def _put_feet(people, positions, heading, stride, size, lift, lifted) -> np.ndarray:
    axes = _axes(heading)
    ground = np.column_stack([positions, np.zeros(len(positions))])
    ankles = []
    for k, (side, out) in enumerate((("left", 1.0), ("right", -1.0))):
        raised = np.where(lifted == k, lift, 0.0)
        step = (0.5 if k == 0 else -0.5) * stride
        sole = ground + _offset(axes, step, out * 0.9 * _HALF_HIPS * size, raised)
        for point, (forward, outward, height) in _FOOT.items():
            shift = _offset(axes, forward * size, out * outward * size, height * size)
            people[:, _AT[f"{side} {point}"]] = sole + shift
        ankle = sole + _offset(axes, 0.0, 0.0, _ANKLE_HEIGHT * size)
        people[:, _AT[f"{side} ankle"]] = ankle
        ankles.append(ankle)
    return np.stack(ankles, axis=1)


def _hang_pelvis(people, ankles, heading, size) -> np.ndarray:
    """Hips as high as both legs allow, knees bent forward."""
    axes = _axes(heading)
    reach = _STRETCH * (_UPPER_LEG + _LOWER_LEG) * size
    middle = ankles.mean(axis=1)
    hips = [middle + _offset(axes, 0.0, out * _HALF_HIPS * size, 0.0) for out in (1, -1)]
    flat = [
        np.linalg.norm((hip - ankle)[:, :2], axis=1)
        for hip, ankle in zip(hips, ankles.swapaxes(0, 1))
    ]
    heights = [ankles[:, k, 2] + np.sqrt(reach**2 - flat[k] ** 2) for k in range(2)]
    height = np.minimum(*heights)
    for k, side in enumerate(("left", "right")):
        hips[k][:, 2] = height
        people[:, _AT[f"{side} hip"]] = hips[k]
        knee = bend(hips[k], ankles[:, k], _UPPER_LEG * size, _LOWER_LEG * size, axes[:, 0])
        people[:, _AT[f"{side} knee"]] = knee
    return np.mean(hips, axis=0)


def bend(
    start: np.ndarray, end: np.ndarray, first: np.ndarray, second: np.ndarray, towards: np.ndarray
) -> np.ndarray:
    """The middle joint (N, 3) of a limb of two bones with given lengths, by inverse kinematics.

    Parameters
    ----------
    start, end : (N, 3) array
        Ends of the limb, not farther apart than both bones together.
    first, second : (N,) array
        Lengths of the bones at the start and at the end.
    towards : (N, 3) array
        The side to which the joint bends.
    """
    line = end - start
    length = np.linalg.norm(line, axis=1)
    along = line / length[:, None]
    share = (first**2 - second**2 + length**2) / (2 * length)
    aside = towards - np.einsum("nd,nd->n", towards, along)[:, None] * along
    aside /= np.linalg.norm(aside, axis=1)[:, None]
    height = np.sqrt(np.maximum(first**2 - share**2, 0))
    return start + share[:, None] * along + height[:, None] * aside


def _put_torso(people, pelvis, heading, size, rng) -> np.ndarray:
    n = len(pelvis)
    lean = np.radians(3 + 5 * rng.standard_normal(n))
    turned = _axes(heading + np.radians(8) * rng.standard_normal(n))
    torso = _TORSO * size
    chest = pelvis + _offset(_axes(heading), torso * np.sin(lean), 0.0, torso * np.cos(lean))
    for side, out in (("left", 1), ("right", -1)):
        shoulder = chest + _offset(turned, 0.0, out * _HALF_SHOULDERS * size, 0.0)
        people[:, _AT[f"{side} shoulder"]] = shoulder
    return chest


def _put_head(people, chest, gaze, size) -> None:
    axes = _axes(gaze)
    for name, (forward, left, up) in _HEAD.items():
        for side, out in (("left", 1), ("right", -1)) if left else (("", 0),):
            joint = _AT[f"{side} {name}".strip()]
            people[:, joint] = chest + _offset(axes, *(size * v for v in (forward, out * left, up)))


def _put_arms(people, heading, stride, size, rng) -> None:
    """Arms swing against the legs; some people hold a forearm up."""
    axes, n = _axes(heading), len(heading)
    for side, out in (("left", 1.0), ("right", -1.0)):
        # The left leg is in front if the stride is positive: the left arm swings back.
        swing = np.radians(-out * 40 * stride / MAX_STRIDE + 8 * rng.standard_normal(n))
        apart = np.radians(rng.uniform(5, 20, n))
        bent = np.radians(
            np.where(rng.random(n) < 0.2, rng.uniform(60, 140, n), rng.uniform(5, 40, n))
        )
        elbow = people[:, _AT[f"{side} shoulder"]] + _hanging(
            axes, swing, out * apart, _UPPER_ARM * size
        )
        people[:, _AT[f"{side} elbow"]] = elbow
        wrist = elbow + _hanging(axes, swing + bent, 0.3 * out * apart, _LOWER_ARM * size)
        people[:, _AT[f"{side} wrist"]] = wrist


def _hanging(axes, forward_angle, left_angle, length) -> np.ndarray:
    """A bone that hangs down, turned forward and to the left by some angles."""
    across = np.cos(left_angle) * length
    return _offset(
        axes,
        np.sin(forward_angle) * across,
        np.sin(left_angle) * length,
        -np.cos(forward_angle) * across,
    )


def bone_lengths(joints: np.ndarray) -> np.ndarray:
    """Lengths (..., L) of :data:`BONES` of people (..., 23, 3), in the unit of the joints."""
    first, second = np.array(BONES).T
    return np.linalg.norm(joints[..., first, :] - joints[..., second, :], axis=-1)


@lru_cache(maxsize=1)
def average_bones() -> np.ndarray:
    """Average length (L,) in metres of each of :data:`BONES` over 2000 random people."""
    people = random_people(np.zeros((2000, 2)), np.random.default_rng(2000))
    return bone_lengths(people).mean(axis=0)
