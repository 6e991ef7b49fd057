"""Timelines: which event is on in which second, and values over time as coloured cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike

from eccvkit.errors import EccvkitError
from eccvkit.metrics.events import intervals
from eccvkit.viz.style import PALETTE


def class_colours(classes: int) -> list[str]:
    """One colour per class, repeated after ten."""
    return [PALETTE[k % len(PALETTE)] for k in range(classes)]


def _text_colour(colour: str, faint: bool) -> str:
    """Black on pale bars, white on deep ones."""
    red, green, blue = to_rgb(colour)
    return "black" if faint or 0.3 * red + 0.59 * green + 0.11 * blue > 0.6 else "white"


def timeline(
    ax: Axes,
    rows: Mapping[str, ArrayLike],
    names: Sequence[str],
    *,
    classes: Sequence[int] | None = None,
    seconds: float = 1.0,
    faint: Sequence[str] = (),
) -> Axes:
    """Draw events as bars: one lane per row and class, time to the right.

    Parameters
    ----------
    rows : mapping of str to (T, C) bool
        From top to bottom, for example "heard, truth" and "heard, found".
    names : sequence of str
        Of all classes; written into the bars.
    classes : sequence of int, optional
        Which classes get a lane; those active in any row if not given. With none, the rows stay
        empty.
    seconds : float
        Length of a snippet.
    faint : sequence of str
        Rows drawn paler than the others, for example what is predicted.

    Raises
    ------
    EccvkitError
        No rows, or rows of different shapes.
    """
    tables = {name: np.asarray(row, dtype=bool) for name, row in rows.items()}
    shapes = {table.shape for table in tables.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise EccvkitError(
            f"timeline: rows have shapes {sorted(shapes)}; give at least one, all "
            "(snippets, classes)"
        )
    ((t, c),) = shapes
    if classes is None:
        classes = np.flatnonzero(np.any([table.any(axis=0) for table in tables.values()], axis=0))
    colours = class_colours(c)
    lanes = max(len(classes), 1)
    for level, (row, table) in enumerate(tables.items()):
        if level % 2:
            ax.axhspan(level, level + 1, color="#f3f3f3", zorder=0)
        for lane, k in enumerate(classes):
            for onset, offset in intervals(table[:, k]):
                height = 0.84 / lanes
                bottom = level + 0.08 + lane * height
                ax.broken_barh(
                    [(onset * seconds, (offset - onset) * seconds)],
                    (bottom, 0.9 * height),
                    facecolor=colours[k],
                    alpha=0.55 if row in faint else 1.0,
                    zorder=2,
                )
                ax.text(
                    (onset + offset) / 2 * seconds,
                    bottom + 0.45 * height,
                    names[k],
                    ha="center",
                    va="center",
                    fontsize="x-small",
                    color=_text_colour(colours[k], row in faint),
                    clip_on=True,
                    zorder=3,
                )
    ax.set_yticks(np.arange(len(tables)) + 0.5, list(tables))
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(0, t * seconds), ylim=(len(tables), 0), xlabel="time, s")
    ax.set_xticks(np.arange(t + 1) * seconds)
    ax.grid(axis="y", visible=False)
    return ax


def heat_rows(
    ax: Axes,
    values: ArrayLike,
    labels: Sequence[str],
    *,
    vmax: float = 1.0,
    write: bool = False,
    cmap: str = "Blues",
) -> Axes:
    """Values over time as coloured cells: one row per label, time to the right.

    Parameters
    ----------
    values : (rows, T) array
    labels : sequence of str
        One per row.
    vmax : float
        The value of the deepest colour; the palest is 0.
    write : bool
        Write the values into the cells.

    Raises
    ------
    EccvkitError
        Another number of labels than rows.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or len(values) != len(labels):
        raise EccvkitError(
            f"heat_rows: values of shape {values.shape} and {len(labels)} labels; give one label "
            "per row"
        )
    rows, t = values.shape
    ax.imshow(values, cmap=cmap, vmin=0, vmax=vmax, aspect="auto", extent=(0, t, rows, 0))
    ax.set_yticks(np.arange(rows) + 0.5, labels)
    ax.set_xticks(np.arange(t + 1))
    ax.tick_params(length=0)
    ax.set(xlabel="time, s")
    ax.grid(visible=False)
    if write:
        for i, j in np.ndindex(rows, t):
            ax.text(
                j + 0.5,
                i + 0.5,
                f"{values[i, j]:.2f}".removeprefix("0"),
                ha="center",
                va="center",
                fontsize="x-small",
                color="white" if values[i, j] > 0.6 * vmax else "black",
            )
    return ax
