"""Procedural colour textures for matching: noise, cells, strokes, and tiles that repeat.

Photographs that ship with the dependencies are few; textures give training any number of source
images. Repeated tiles are there for their ambiguity: several places look alike nearby, and only
the context tells them apart.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from eccvkit.errors import EccvkitError, unknown

#: Fewest and most cells along a side, strokes per image, and repetitions of a tile along a side.
CELLS, STROKES, REPEATS = (5, 14), (40, 120), (3, 6)
#: Contrast of the faint noise that tells repeated tiles apart.
TILE_NOISE = 0.06


def texture(kind: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """One texture as float32 (size, size, 3) in [0, 1].

    Parameters
    ----------
    kind : {"noise", "cells", "strokes", "tiles"}
        Smooth noise of several octaves, Voronoi cells, random strokes that look like writing, or
        one of the three repeated like tiles of a floor.
    size : int
        Side in pixels, at least 16.
    rng : numpy.random.Generator

    Raises
    ------
    UnknownName
        No such kind.
    EccvkitError
        The side is too small.
    """
    if kind not in KINDS:
        raise unknown("texture", kind, KINDS)
    if size < 16:
        raise EccvkitError(f"texture: size is {size}; use 16 or more pixels")
    return np.clip(KINDS[kind](size, rng), 0, 1).astype(np.float32)


def _octaves(size: int, rng: np.random.Generator) -> np.ndarray:
    """Sum of smoothly interpolated random grids, each half as strong as the coarser one (S, S)."""
    total = np.zeros((size, size))
    cells, weight = 4, 1.0
    while cells <= size // 2:
        grid = rng.standard_normal((cells + 3, cells + 3))
        at = np.linspace(1, cells + 1, size)
        total += weight * ndimage.map_coordinates(grid, np.meshgrid(at, at, indexing="ij"), order=3)
        cells, weight = 2 * cells, 0.6 * weight
    return total


def _spread(values: np.ndarray) -> np.ndarray:
    """Shift and scale so that the middle 98 percent fill [0, 1]."""
    low, high = np.percentile(values, (1, 99))
    return (values - low) / max(high - low, 1e-9)


def _noise(size: int, rng: np.random.Generator) -> np.ndarray:
    shades = np.stack([_spread(_octaves(size, rng)) for _ in range(2)], axis=-1)
    # Two fields mixed into three channels: colours vary, but not independently.
    mix = rng.dirichlet((1.0, 1.0), size=3).T
    return shades @ mix


def _cells(size: int, rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(CELLS[0], CELLS[1] + 1)) ** 2
    seeds = rng.uniform(0, size, (count, 2))
    pixels = np.stack(np.mgrid[:size, :size], axis=-1).astype(float)
    nearest = _nearest(pixels.reshape(-1, 2), seeds).reshape(size, size)
    colours = rng.uniform(0.1, 0.9, (count, 3))
    return colours[nearest] + 0.08 * _octaves(size, rng)[..., None]


def _nearest(points: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    return cKDTree(seeds).query(points)[1]


def _strokes(size: int, rng: np.random.Generator) -> np.ndarray:
    from skimage.draw import line_aa

    ground, ink = rng.uniform(0.65, 1, 3), rng.uniform(0, 0.35, 3)
    cover = np.zeros((size, size))
    for _ in range(int(rng.integers(*STROKES))):
        start = rng.uniform(0, size, 2)
        end = start + rng.normal(0, size / 12, 2)
        rows, columns, value = line_aa(*start.astype(int), *end.astype(int))
        inside = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
        rows, columns = rows[inside], columns[inside]
        cover[rows, columns] = np.maximum(cover[rows, columns], value[inside])
    cover = np.clip(1.6 * ndimage.gaussian_filter(cover, 0.6), 0, 1)[..., None]
    return ground * (1 - cover) + ink * cover


def _tiles(size: int, rng: np.random.Generator) -> np.ndarray:
    repeats = int(rng.integers(REPEATS[0], REPEATS[1] + 1))
    side = max(16, -(-size // repeats))
    tile = (_noise, _cells, _strokes)[rng.integers(3)](side, rng)
    times = -(-size // side)
    floor = np.tile(tile, (times, times, 1))[:size, :size]
    return floor + TILE_NOISE * _octaves(size, rng)[..., None]


#: Kinds of texture by name.
KINDS = {"noise": _noise, "cells": _cells, "strokes": _strokes, "tiles": _tiles}
