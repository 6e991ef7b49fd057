"""What a node of a floor plan sees around itself: rays, and a strip picture to look at."""

from __future__ import annotations

import numpy as np

from eccvkit.data.floor_plans import ROOM, FloorPlans
from eccvkit.errors import EccvkitError

#: Rays all around, and height of a strip in pixels.
RAYS, HEIGHT = 48, 24
#: Distance in metres at which a wall is half as high as the strip, and length of its shading.
_HALF, _FADE = 2.0, 9.0
_CEILING, _FLOOR = 0.93, 0.45


def cast_rays(plans: FloorPlans, index: int, rays: int = RAYS) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the next wall all around every node, and the room that this wall belongs to.

    Rays look at the middles of equal sectors, the first one beginning at x and turning towards y:
    none runs along a wall.

    Parameters
    ----------
    plans : FloorPlans
    index : int
        Which plan.
    rays : int

    Returns
    -------
    distances : ndarray
        (N, rays) float64 in metres.
    rooms : ndarray
        (N, rays) int64 room in which the ray ends.
    """
    if rays < 1:
        raise EccvkitError(f"{rays} rays: use at least 1")
    walls = plans.walls[index]
    width, depth = plans.columns * ROOM, plans.rows * ROOM
    outer = [[0, 0, width, 0], [0, depth, width, depth], [0, 0, 0, depth], [width, 0, width, depth]]
    walls = np.concatenate([walls[np.isfinite(walls).all(axis=-1)], np.array(outer)])
    angle = 2 * np.pi * (np.arange(rays) + 0.5) / rays
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=-1)[None, :, None]
    origin = plans.positions[index][:, None, None]
    # origin + t direction = start + s along, solved by cross products.
    start, along = walls[:, :2], walls[:, 2:] - walls[:, :2]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = _cross(start - origin, along) / _cross(direction, along)
        s = _cross(start - origin, direction) / _cross(direction, along)
    t[~((t > 1e-9) & (s >= 0) & (s <= 1))] = np.inf
    distances = t.min(axis=-1)
    # Just before the wall.
    ends = origin[:, :, 0] + direction[:, :, 0] * (distances * (1 - 1e-9))[..., None]
    cell = np.clip(ends // ROOM, 0, [plans.columns - 1, plans.rows - 1]).astype(int)
    return distances, cell @ np.array([1, plans.columns])


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def panoramas(
    plans: FloorPlans, index: int, palette: np.ndarray, rays: int = RAYS, height: int = HEIGHT
) -> np.ndarray:
    """Strip pictures of all nodes of a plan: walls in the colours of their rooms, darker afar.

    Parameters
    ----------
    plans : FloorPlans
    index : int
    palette : (P, 3) array in [0, 1]
        Colour of each of the P room colours.
    rays, height : int
        Columns and rows of a strip.

    Returns
    -------
    ndarray
        (N, 3, height, rays) float64 in [0, 1].
    """
    palette = np.asarray(palette, dtype=np.float64)
    if palette.ndim != 2 or palette.shape[1] != 3 or len(palette) <= plans.colours[index].max():
        raise EccvkitError(
            f"the palette has shape {palette.shape}; needed is a row of three for each of the "
            f"{plans.colours[index].max() + 1} room colours"
        )
    distances, rooms = cast_rays(plans, index, rays)
    colours = palette[plans.colours[index][rooms]] * np.exp(-distances / _FADE)[..., None]
    above = np.abs(np.arange(height) + 0.5 - height / 2) / (height / 2)
    is_wall = above[None, :, None] <= _HALF / (2 * distances[:, None])  # N, height, rays
    back = np.where(np.arange(height) < height / 2, _CEILING, _FLOOR)[None, :, None, None]
    picture = np.where(is_wall[..., None], colours[:, None], back)
    return np.moveaxis(picture, -1, 1)
