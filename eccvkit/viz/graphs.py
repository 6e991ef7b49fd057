"""Graphs and floor plans: edges as opaque as they are probable, ways, rooms and walls."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from eccvkit.errors import EccvkitError

#: Colour of edges and nodes; colours of rooms by index, in the order of their distinctness.
INK = "#333333"
ROOM_COLOURS = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#9467bd",
    "#d55e00", "#0072b2", "#8c564b", "#7f7f7f", "#bcbd22", "#17becf",
    "#ffb6c1", "#98df8a", "#c5b0d5", "#c49c94",
)  # fmt: skip


def rgb_palette(count: int) -> np.ndarray:
    """(count, 3) colours of rooms in [0, 1].

    Raises
    ------
    EccvkitError
        More than there are in :data:`ROOM_COLOURS`.
    """
    if count > len(ROOM_COLOURS):
        raise EccvkitError(f"{count} rooms but only {len(ROOM_COLOURS)} colours: show fewer rooms")
    return np.array([to_rgba(c)[:3] for c in ROOM_COLOURS[:count]])


def floor_plan(
    ax: Axes,
    walls: np.ndarray,
    rows: int,
    columns: int,
    colours: Sequence[int],
    *,
    room: float = 4.0,
) -> Axes:
    """Rooms in pale colours, walls in black; y grows downwards, as rows do.

    Parameters
    ----------
    walls : (S, 4) array
        Pieces ``x0 y0 x1 y1`` of inner walls; rows with NaN are left out.
    rows, columns : int
    colours : sequence of int
        Index of each room's colour.
    room : float
        Side of a room.
    """
    palette = rgb_palette(max(colours) + 1)
    for k, colour in enumerate(colours):
        corner = (room * (k % columns), room * (k // columns))
        ax.add_patch(Rectangle(corner, room, room, color=palette[colour], alpha=0.3, lw=0))
    pieces = walls[np.isfinite(walls).all(axis=-1)].reshape(-1, 2, 2)
    ax.add_collection(LineCollection(pieces, colors="black", lw=3, capstyle="butt", zorder=2))
    outer = Rectangle((0, 0), room * columns, room * rows, fill=False, ec="black", lw=3, zorder=2)
    ax.add_patch(outer)
    ax.set(xlim=(-0.2, room * columns + 0.2), ylim=(room * rows + 0.2, -0.2), xticks=[], yticks=[])
    ax.set_aspect("equal")
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def graph(
    ax: Axes,
    positions: np.ndarray,
    weights: np.ndarray,
    *,
    labels: bool = True,
    colour: str = INK,
    least: float = 0.03,
) -> Axes:
    """Nodes, and edges whose opacity is their weight (Figs. 1 and 2 of paper 28).

    Parameters
    ----------
    positions : (N, 2) array
    weights : (N, N) array
        Symmetric, in [0, 1]; boolean for a graph that is certain.
    labels : bool
        Number the nodes.
    colour : str
        Of the edges.
    least : float
        Edges with less weight are left out.
    """
    n = len(positions)
    first, second = np.triu_indices(n, k=1)
    weight = np.clip(np.asarray(weights, dtype=float)[first, second], 0, 1)
    shown = weight > least
    ends = np.stack([positions[first], positions[second]], axis=1)[shown]
    rgba = np.tile(to_rgba(colour), (int(shown.sum()), 1))
    rgba[:, 3] = weight[shown]
    ax.add_collection(LineCollection(ends, colors=rgba, lw=1.8, zorder=3))
    nodes(ax, positions, labels=labels)
    return ax


def nodes(
    ax: Axes,
    positions: np.ndarray,
    *,
    labels: bool = True,
    colours: str | np.ndarray = "white",
    size: float = 150,
) -> None:
    """Nodes as circles, numbered from 0."""
    ax.scatter(*positions.T, s=size, c=colours, edgecolors=INK, lw=1.2, zorder=5)
    if labels:
        for k, (x, y) in enumerate(positions):
            ax.text(x, y, str(k), ha="center", va="center_baseline", fontsize=7.5, zorder=6)


def path(
    ax: Axes,
    positions: np.ndarray,
    way: Sequence[int],
    colour: str,
    *,
    ok: Sequence[bool] | None = None,
    label: str | None = None,
    shift: float = 0.0,
) -> Axes:
    """A way through nodes as arrows; steps that cannot be walked are dashed and end in a cross.

    Parameters
    ----------
    positions : (N, 2) array
    way : sequence of int
        Nodes from start to end.
    colour : str
    ok : sequence of bool, optional
        For each step, whether the edge exists.
    label : str, optional
        For the legend.
    shift : float
        Sideways, so that two ways along the same edges stay apart.
    """
    steps = list(pairwise(way))
    ok = [True] * len(steps) if ok is None else ok
    for (i, j), free in zip(steps, ok):
        along = positions[j] - positions[i]
        length = max(float(np.linalg.norm(along)), 1e-9)
        off = shift * np.array([-along[1], along[0]]) / length
        style = {"arrowstyle": "-|>", "color": colour, "lw": 2.6, "shrinkA": 6, "shrinkB": 6}
        style |= {} if free else {"linestyle": (0, (2.5, 1.5))}
        ax.annotate("", positions[j] + off, positions[i] + off, arrowprops=style, zorder=4)
        if not free:
            middle = (positions[i] + positions[j]) / 2 + off
            ax.plot(*middle, "x", color=colour, ms=9, mew=3, zorder=7)
    if label is not None:
        ax.plot([], [], color=colour, lw=2.6, label=label)
    return ax


def ends(ax: Axes, positions: np.ndarray, start: int, target: int) -> None:
    """Mark the start with a square and the target with a star."""
    ax.scatter(*positions[start], marker="s", s=230, fc="none", ec=INK, lw=2.2, zorder=5)
    ax.scatter(*positions[target], marker="*", s=700, c="gold", ec=INK, lw=1.2, zorder=4.5)
