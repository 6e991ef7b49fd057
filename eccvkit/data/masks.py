"""Procedural masks of membranes: the cell walls of a small Voronoi diagram, some of them cut open.

The topology of every mask is known: each cell is a hole, and each cut joins two cells and leaves an
almost-hole, a wall with a gap that one could close.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from eccvkit.errors import EccvkitError

#: Thickness of a wall in pixels, and the blur that softens its edge.
THICKNESS, BLUR = 2.0, 0.6
#: Fewest and most cells of a mask, and shortest and longest gap in pixels.
CELLS, GAP = (3, 6), (5.0, 7.0)
#: Seeds of cells keep this distance, and keep this far from the border, in units of the side.
SPACING, MARGIN = 0.28, 0.1


@dataclass(frozen=True)
class MembraneMasks:
    """Masks with their topology.

    Attributes
    ----------
    images : Tensor
        (n, 1, S, S) float32 in [0, 1]; walls are 1, threshold at 0.5.
    betti : Tensor
        (n,) int64 number of holes, counted on the thresholded image inside a frame of walls.
    cuts : Tensor
        (n,) int64 number of walls with a gap, 0 or 1.
    cells : Tensor
        (n,) int64 number of Voronoi cells.
    """

    images: Tensor
    betti: Tensor
    cuts: Tensor
    cells: Tensor

    def __len__(self) -> int:
        return len(self.images)


def voronoi_membranes(n: int, size: int = 32, *, cut: float = 0.35, seed: int = 0) -> MembraneMasks:
    """Draw masks of membranes.

    Three to six seeds are drawn with a minimum distance; the walls are the edges of their Voronoi
    diagram, two pixels thick and slightly blurred. With probability ``cut`` one wall gets a gap of
    5 to 7 pixels at its middle. Flips and transposition are random.

    Parameters
    ----------
    n : int
        Number of masks.
    size : int
        Side S in pixels, at least 24: in a smaller mask no wall is long enough for a gap.
    cut : float
        Probability of a gap.
    seed : int
        Same seed, same masks.

    Raises
    ------
    EccvkitError
        ``n``, ``size`` or ``cut`` out of range.

    Examples
    --------
    >>> masks = voronoi_membranes(4, cut=0.0)
    >>> tuple(masks.images.shape), bool((masks.betti == masks.cells).all())
    ((4, 1, 32, 32), True)
    """
    if n < 1 or size < 24 or not 0 <= cut <= 1:
        raise EccvkitError(
            f"voronoi_membranes: n={n}, size={size}, cut={cut}; use n of at least 1, "
            "size of at least 24 and a probability"
        )
    rng = np.random.default_rng(seed)
    images = np.empty((n, 1, size, size), dtype=np.float32)
    cuts, cells = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for i in range(n):
        seeds = _scatter(rng, size)
        walls, gap_made = _walls(seeds, size, rng, open_one=rng.random() < cut)
        image = ndimage.gaussian_filter(walls.astype(np.float64), BLUR)
        images[i, 0] = _turn(image.clip(0, 1), rng)
        cuts[i], cells[i] = gap_made, len(seeds)
    betti = np.array([count_holes(image[0] >= 0.5) for image in images])
    return MembraneMasks(*(torch.as_tensor(a) for a in (images, betti, cuts, cells)))


def count_holes(mask: np.ndarray) -> int:
    """Number of holes of a binary mask (H, W), with a frame of structure around it.

    Structure is 8-connected, so the background is 4-connected, and every component of it is a hole.
    """
    _, count = ndimage.label(~np.asarray(mask, dtype=bool))
    return count


def _scatter(rng: np.random.Generator, size: int) -> np.ndarray:
    """(K, 2) seeds of the cells, pairwise far apart; starts anew when there is no room left."""
    count = rng.integers(CELLS[0], CELLS[1] + 1)
    while True:
        points = np.empty((0, 2))
        for _ in range(20 * count):
            point = size * rng.uniform(MARGIN, 1 - MARGIN, 2)
            if (np.linalg.norm(points - point, axis=1) >= SPACING * size).all():
                points = np.vstack([points, point])
            if len(points) == count:
                return points


def _walls(
    seeds: np.ndarray, size: int, rng: np.random.Generator, open_one: bool
) -> tuple[np.ndarray, bool]:
    """Boolean walls (S, S), and whether a gap was made: no gap if every wall is too short."""
    pixels = np.stack(np.mgrid[:size, :size], axis=-1) + 0.5
    squared = ((pixels[:, :, None] - seeds) ** 2).sum(axis=-1)
    order = squared.argsort(axis=-1)
    first, second = order[..., 0], order[..., 1]
    near, far = (np.take_along_axis(squared, order[..., k : k + 1], -1)[..., 0] for k in (0, 1))
    # Distance to the bisector of the two nearest seeds.
    apart = np.linalg.norm(seeds[first] - seeds[second], axis=-1)
    walls = (far - near) / (2 * apart) <= THICKNESS / 2
    if not open_one:
        return walls, False
    gap = rng.uniform(*GAP)
    pairs = [(a, b) for a in range(len(seeds)) for b in range(a)]
    for a, b in rng.permutation(pairs):
        edge = walls & (np.minimum(first, second) == min(a, b))
        edge &= np.maximum(first, second) == max(a, b)
        normal = (seeds[a] - seeds[b]) / np.linalg.norm(seeds[a] - seeds[b])
        along = pixels @ np.array([-normal[1], normal[0]])
        if edge.any() and np.ptp(along[edge]) >= gap + 2 * THICKNESS:
            middle = (along[edge].max() + along[edge].min()) / 2
            return walls & ~(edge & (np.abs(along - middle) <= gap / 2)), True
    return walls, False


def _turn(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the eight symmetries of the square."""
    for axis in (0, 1):
        if rng.random() < 0.5:
            image = np.flip(image, axis)
    return image.T if rng.random() < 0.5 else image
