"""The figures of paper 08 that are its own: Figs. 2 to 5, and the plane of persistence images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from eccvkit.data.masks import THICKNESS
from eccvkit.errors import EccvkitError
from eccvkit.papers.topogan.descent import Frame
from eccvkit.papers.topogan.matching import SetMatching
from eccvkit.papers.topogan.persistence import (
    LEAST_BIRTH,
    THRESHOLD,
    Diagram,
    almost_holes,
    diagrams,
    distance_transform,
    framed,
    persistence_diagram,
)
from eccvkit.viz import topology
from eccvkit.viz.heights import HIGHLIGHT
from eccvkit.viz.style import GREY


def _almost(diagram: Diagram, gap: float = 0.0) -> np.ndarray:
    """Which points are almost-holes, born later than 0 and not before ``gap``."""
    return (diagram.births > 0) & (diagram.births >= gap)


def _saddles(diagram: Diagram, inside_frame: bool = True, gap: float = 0.0) -> np.ndarray:
    """(k, 2) critical pixels of the almost-holes, in the framed image or in the mask."""
    return diagram.saddles[_almost(diagram, gap)] + int(inside_frame)


def pipeline(mask: np.ndarray, thresholds: Sequence[float]) -> Figure:
    """Fig. 2: mask, framed mask, distance transform, barcode, diagram; below, sublevel sets.

    Parameters
    ----------
    mask : (H, W) array in [0, 1]
    thresholds : sequence of five floats
    """
    mask = np.asarray(mask) >= THRESHOLD
    diagram, distance = persistence_diagram(mask), distance_transform(mask)
    figure, axes = plt.subplots(2, 5, figsize=(14, 5.9))
    top = axes[0]
    show_mask(top[0], mask, "mask")
    show_mask(top[1], framed(mask), "with a frame")
    topology.transform_map(top[2], distance, _saddles(diagram), label=None)
    top[2].set_title("distance transform")
    almost = _almost(diagram)
    topology.barcode(top[3], diagram.births, diagram.deaths, highlight=almost, unit="px")
    top[3].set(title="barcode", ylabel="holes")
    topology.persistence_diagram(
        top[4], diagram.births, diagram.deaths, highlight=almost, unit="px"
    )
    top[4].set_title("diagram")
    topology.sublevel_sets(axes[1], distance, thresholds, critical=_saddles(diagram), unit="px")
    return figure


def show_mask(ax: Axes, image: np.ndarray, title: str = "") -> Axes:
    """A mask in black on white, framed."""
    ax.imshow(1 - np.asarray(image, dtype=float), vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[], title=title)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.8)
    return ax


def descent_strip(frames: Sequence[Frame], columns: int = 5) -> Figure:
    """Fig. 4: iterations from left to right; image, transform, landscape, diagram from top.

    Raises
    ------
    EccvkitError
        Fewer frames than columns.
    """
    if len(frames) < columns:
        raise EccvkitError(f"{len(frames)} frames for {columns} columns: show fewer")
    shown = np.linspace(0, len(frames) - 1, columns).round().astype(int)
    names = ("image", "distance\ntransform", "the same as\nlandscape", "diagram")
    height = max(distance_transform(f.image >= THRESHOLD).max() for f in frames)
    limit = (-0.6, max(f.diagram.deaths.max(initial=1.0) for f in frames) + 1)
    figure = plt.figure(figsize=(2.5 * columns, 9.4))
    grid = figure.add_gridspec(4, columns, height_ratios=(1, 1, 1, 1.05))
    for column, step in enumerate(shown):
        frame = frames[step]
        distance = distance_transform(frame.image >= THRESHOLD)
        saddles = _saddles(frame.diagram)
        ax = show_mask(figure.add_subplot(grid[0, column]), frame.image, f"iteration {step}")
        ax.plot(saddles[:, 1] - 1, saddles[:, 0] - 1, "D", color=HIGHLIGHT, mec="white", ms=7)
        ax = figure.add_subplot(grid[1, column])
        topology.transform_map(ax, distance, saddles, vmax=height, label=None)
        ax = figure.add_subplot(grid[2, column], projection="3d")
        topology.surface(ax, distance, saddles, vmax=height)
        ax.set(zticks=[])
        ax.set_box_aspect((1, 1, 0.45), zoom=1.45)
        ax = figure.add_subplot(grid[3, column])
        diagram = frame.diagram
        topology.persistence_diagram(
            ax,
            diagram.births,
            diagram.deaths,
            highlight=_almost(diagram),
            limits=limit,
            unit="px",
        )
        _trail(ax, frames[: step + 1])
    for k, (name, left) in enumerate(zip(names, (-0.1, -0.1, 0.0, -0.4))):
        figure.axes[k].annotate(
            name, (left, 0.5), xycoords="axes fraction", rotation=90, ha="right", va="center"
        )
    return figure


def _trail(ax: Axes, frames: Sequence[Frame]) -> None:
    """The way of the largest birth so far, through the frames in which there is one."""
    path = []
    for frame in frames:
        almost = np.flatnonzero(_almost(frame.diagram))
        if len(almost):
            last = almost[frame.diagram.births[almost].argmax()]
            path.append((frame.diagram.births[last], frame.diagram.deaths[last]))
    if len(path) > 1:
        ax.plot(*np.transpose(path), color=HIGHLIGHT, lw=1.2, alpha=0.6, zorder=3)


def matching_picture(
    synthetic: Sequence[np.ndarray], real: Sequence[np.ndarray], matching: SetMatching
) -> Figure:
    """Fig. 3: the plan as a heat map between two rows of masks, with almost-holes marked."""
    n, m = matching.plan.shape
    figure = plt.figure(figsize=(13, 3.9))
    grid = figure.add_gridspec(1, 2, width_ratios=(1, 1.9))
    topology.transport_plan(
        ax := figure.add_subplot(grid[0]),
        matching.plan,
        [f"s{i}" for i in range(n)],
        [f"r{j}" for j in range(m)],
    )
    ax.set(xlabel="real diagrams", ylabel="synthetic diagrams", title="transport plan")
    pairs = grid[1].subgridspec(2, n)
    for i, j in enumerate(matching.partner):
        cost = matching.cost[i, j]
        _marked(figure.add_subplot(pairs[0, i]), synthetic[i], f"s{i}")
        _marked(figure.add_subplot(pairs[1, i]), real[j], f"r{j}\n{cost:.2f} px")
    return figure


def _marked(ax: Axes, image: np.ndarray, title: str = "") -> Axes:
    """A mask with the critical pixels of the almost-holes that rates count."""
    image = np.asarray(image, dtype=float)
    show_mask(ax, image)
    ax.set_title(title, fontsize="small", fontweight="normal")
    points = _saddles(persistence_diagram(image >= THRESHOLD), False, LEAST_BIRTH)
    ax.plot(points[:, 1], points[:, 0], "D", color=HIGHLIGHT, mec="white", ms=4.5, mew=0.7)
    return ax


def samples(rows: Mapping[str, Tensor], columns: int, cell: float = 1.05) -> Figure:
    """Fig. 5: masks of each arm in a row; trained arms share their noise column by column."""
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(cell * columns + 1.3, cell * len(rows)), squeeze=False
    )
    for line, (name, masks) in zip(axes, rows.items()):
        for ax, mask in zip(line, masks[:columns, 0].numpy()):
            _marked(ax, mask)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure


def persistence_images(many: Sequence[Diagram], reach: float = 12.0, side: int = 15) -> np.ndarray:
    """(n, side^2) persistence images (Adams et al. 2017): diagrams as vectors, for t-SNE.

    Points are smoothed on a grid of birth and life in [0, reach] pixels, weighted by their life.
    """
    from gudhi.representations import PersistenceImage

    transform = PersistenceImage(
        bandwidth=0.7,
        weight=lambda point: point[1],
        resolution=(side, side),
        im_range=[0.0, reach, 0.0, reach],
    )
    pairs = [np.stack([d.births, d.deaths], axis=1) if len(d) else np.zeros((1, 2)) for d in many]
    return transform.fit_transform(pairs)


def wall_with_gap(gap: float, size: int = 40) -> np.ndarray:
    """A mask (H, W) for the widget: two crossing walls, one with a gap of so many pixels."""
    mask = np.zeros((size, size), dtype=bool)
    half = round(THICKNESS / 2)
    column, row = round(0.45 * size), round(0.6 * size)
    mask[:, column - half : column + half] = True
    mask[row - half : row + half, :] = True
    middle = row / 2
    rows = np.abs(np.arange(size) + 0.5 - middle) < gap / 2
    mask[rows, column - half : column + half] = False
    return mask


def sublevel_picture(gap: float, threshold: float, size: int = 40) -> tuple[Figure, Diagram]:
    """The widget: a mask with a gap, its sublevel set at a threshold, and its diagram."""
    mask = wall_with_gap(gap, size)
    distance, diagram = distance_transform(mask), persistence_diagram(mask)
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.8))
    show_mask(axes[0], mask, f"mask, gap of {gap:g} px")
    topology.sublevel_sets(axes[1:2], distance, [threshold], critical=_saddles(diagram), unit="px")
    topology.persistence_diagram(
        axes[2],
        diagram.births,
        diagram.deaths,
        highlight=_almost(diagram),
        limits=(-0.8, size / 3),
        unit="px",
    )
    axes[2].axvline(threshold, color=GREY, ls="--", lw=1.2)
    axes[2].set_title("diagram; dashed: t")
    return figure, diagram


def gallery_titles(images: Tensor) -> list[str]:
    """Holes of each mask, and almost-holes that rates count, for a gallery."""
    return [f"{d.betti} holes, {almost_holes(d)} open" for d in diagrams(images)]
