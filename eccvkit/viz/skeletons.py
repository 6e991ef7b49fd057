"""Stick figures: skeletons in an image and in space, a floor, and cameras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from numpy.typing import ArrayLike

from eccvkit.data.cameras import Camera
from eccvkit.data.people import LIMBS


def draw_skeletons(
    ax: Axes,
    joints: ArrayLike,
    colours: Sequence[str] | str = "black",
    *,
    limbs: Sequence[tuple[int, int]] = LIMBS,
    width: float = 1.5,
    dots: float = 0.0,
    alpha: float = 1.0,
    label: str = "",
) -> Axes:
    """Skeletons in an image.

    Parameters
    ----------
    joints : (N, J, 2) array
        Pixels; limbs with an end that is not finite are left out.
    colours : str or sequence of str
        One, or one per person.
    limbs : sequence of (int, int)
    width, dots : float
        Of lines and joints, in points; 0 draws none.
    label : str
        Names the skeletons in the legend.
    """
    joints = np.asarray(joints, dtype=float)
    colours = [colours] * len(joints) if isinstance(colours, str) else list(colours)
    lines, shades = _lines(joints, limbs, colours)
    if width:
        ax.add_collection(LineCollection(lines, colors=shades, linewidths=width, alpha=alpha))
    if dots:
        flat = joints.reshape(-1, 2)
        shades = [colour for colour in colours for _ in range(joints.shape[1])]
        ax.scatter(*flat.T, s=dots**2, c=shades, linewidths=0, alpha=alpha, zorder=3)
    if label:
        ax.plot([], [], color=colours[0] if colours else "black", lw=max(width, 1.5), label=label)
    return ax


def draw_skeletons_3d(
    ax: Axes3D,
    joints: ArrayLike,
    colours: Sequence[str] | str = "black",
    *,
    limbs: Sequence[tuple[int, int]] = LIMBS,
    width: float = 1.5,
    alpha: float = 1.0,
    label: str = "",
) -> Axes3D:
    """Skeletons (N, J, 3) in space; the axes' limits are left alone, see :func:`draw_floor`."""
    joints = np.asarray(joints, dtype=float)
    colours = [colours] * len(joints) if isinstance(colours, str) else list(colours)
    lines, shades = _lines(joints, limbs, colours)
    ax.add_collection3d(Line3DCollection(lines, colors=shades, linewidths=width, alpha=alpha))
    if label:
        ax.plot([], [], [], color=colours[0] if colours else "black", lw=width, label=label)
    return ax


def _lines(joints: np.ndarray, limbs, colours: list[str]) -> tuple[list[np.ndarray], list[str]]:
    lines, shades = [], []
    for person, colour in zip(joints, colours):
        for limb in limbs:
            ends = person[list(limb)]
            if np.isfinite(ends).all():
                lines.append(ends)
                shades.append(colour)
    return lines, shades


def draw_floor(ax: Axes3D, half_side: float, *, height: float = 2.0, step: float = 1.0) -> Axes3D:
    """A square grid on the ground, equal scales on all axes, and nothing else."""
    ticks = np.arange(-half_side, half_side + 1e-9, step)
    lines = [[(t, -half_side, 0), (t, half_side, 0)] for t in ticks]
    lines += [[(-half_side, t, 0), (half_side, t, 0)] for t in ticks]
    ax.add_collection3d(Line3DCollection(lines, colors="#cccccc", linewidths=0.7))
    ax.set(xlim=(-half_side, half_side), ylim=(-half_side, half_side), zlim=(0, height))
    ax.set_box_aspect((2 * half_side, 2 * half_side, height), zoom=1.25)
    ax.set_axis_off()
    return ax


def draw_cameras(
    ax: Axes, cameras: Sequence[Camera], *, size: float = 0.5, distance: float | None = None
) -> Axes:
    """Cameras from above, as triangles that open towards what they see, with their numbers.

    Parameters
    ----------
    size : float
        Of a triangle in metres.
    distance : float, optional
        Draws cameras that are farther from the origin at this distance, in their direction.
    """
    for number, camera in enumerate(cameras, start=1):
        centre, ahead = camera.centre[:2], camera.rotation[2, :2]
        if distance is not None:
            centre = centre * min(1.0, distance / np.linalg.norm(centre))
        ahead = ahead / np.linalg.norm(ahead)
        aside = np.array([-ahead[1], ahead[0]])
        corners = [
            centre,
            centre + size * (ahead + 0.6 * aside),
            centre + size * (ahead - 0.6 * aside),
        ]
        ax.fill(*np.array(corners).T, color="#555555", alpha=0.6, lw=0)
        ax.annotate(
            str(number), centre - 0.6 * size * ahead, ha="center", va="center", fontsize="small"
        )
    return ax
