"""Persistent homology in pictures: diagrams, barcodes, matchings and Betti numbers.

Everything takes arrays, whoever computed them. The filtrations themselves (sublevel sets, heat
maps, landscapes) are drawn by :mod:`eccvkit.viz.heights` and can be imported from here as well.
Highlighted features differ in colour and in shape, so that they can be told apart without colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from eccvkit.errors import EccvkitError
from eccvkit.viz.heights import HIGHLIGHT
from eccvkit.viz.heights import sublevel_sets as sublevel_sets
from eccvkit.viz.heights import surface as surface
from eccvkit.viz.heights import transform_map as transform_map
from eccvkit.viz.style import GREY, PALETTE, arm_colours

#: Features, unless they are highlighted.
COLOUR = PALETTE[0]


def persistence_diagram(
    ax: Axes,
    births: ArrayLike,
    deaths: ArrayLike,
    *,
    highlight: ArrayLike | None = None,
    limits: tuple[float, float] | None = None,
    diagonal: bool = True,
    colour: str = COLOUR,
    label: str | None = None,
    unit: str = "",
) -> Axes:
    """Draw a persistence diagram: one dot per feature, death against birth.

    Equal points become one larger dot with their number beside it. Features that never die lie on
    a dashed line at the top, marked as infinity. A diagram without points says so.

    Parameters
    ----------
    births, deaths : array_like, (n,)
        ``inf`` for a feature that never dies.
    highlight : array_like, optional
        Indices of the features to show as diamonds in another colour, or one bool per feature.
    limits : (float, float), optional
        Of both axes, the same for diagrams that are to be compared; finite points outside are not
        seen. Default: around the points.
    diagonal : bool
        Draw the diagonal and shade the half in which no feature can lie.
    colour : str
        Of the dots.
    label : str, optional
        For the legend.
    unit : str
        Of birth and death, behind the names of the axes.

    Raises
    ------
    EccvkitError
        Births and deaths are not of equal length, or hold NaN.
    """
    births, deaths = _features(births, deaths)
    special = _chosen(highlight, len(births))
    endless = np.isinf(deaths)
    low, high = limits or _limits(births, deaths)
    top, upper = _room_for_infinity(low, high, endless)
    if diagonal:
        ax.plot([low, upper], [low, upper], color=GREY, lw=1, zorder=1)
        ax.fill_between([low, upper], low, [low, upper], color=GREY, alpha=0.12, lw=0, zorder=0)
    heights = np.where(endless, top, deaths)
    _dots(ax, births[~special], heights[~special], colour, "o", label)
    _dots(ax, births[special], heights[special], HIGHLIGHT, "D", None)
    if not len(births):
        _note(ax, "no features")
    _ticks(ax.xaxis, low, high)
    _ticks(ax.yaxis, low, high, top if endless.any() else None)
    if endless.any():
        ax.axhline(top, color=GREY, lw=1, ls="--", zorder=1)
    ax.set(xlim=(low, upper), ylim=(low, upper), aspect="equal")
    ax.set(xlabel=_with_unit("birth", unit), ylabel=_with_unit("death", unit))
    return ax


def barcode(
    ax: Axes,
    births: ArrayLike,
    deaths: ArrayLike,
    *,
    highlight: ArrayLike | None = None,
    limits: tuple[float, float] | None = None,
    colour: str = COLOUR,
    unit: str = "",
) -> Axes:
    """Draw a barcode: one bar per feature from birth to death, sorted by birth, then death.

    Bars start with a dot, so that short ones are seen; those that never end point at a dashed line
    at the right. The parameters are those of :func:`persistence_diagram`; highlighted bars are
    thicker and start with a diamond.

    Raises
    ------
    EccvkitError
        Births and deaths are not of equal length, or hold NaN.
    """
    births, deaths = _features(births, deaths)
    special = _chosen(highlight, len(births))
    low, high = limits or _limits(births, deaths)
    endless = np.isinf(deaths)
    right, upper = _room_for_infinity(low, high, endless)
    for row, i in enumerate(np.lexsort((deaths, births))):
        tone, width, mark = (HIGHLIGHT, 4, "D") if special[i] else (colour, 2.5, "o")
        end = min(deaths[i], right)
        ax.plot([births[i], end], [row, row], color=tone, lw=width, solid_capstyle="butt")
        ax.plot(births[i], row, mark, color=tone, ms=5)
        if endless[i]:
            ax.plot(right, row, ">", color=tone, ms=6)
    if not len(births):
        _note(ax, "no features")
    _ticks(ax.xaxis, low, high, right if endless.any() else None)
    if endless.any():
        ax.axvline(right, color=GREY, lw=1, ls="--", zorder=1)
    ax.set(yticks=[], ylim=(max(len(births), 1) - 0.5, -0.5), xlim=(low, upper))
    ax.set(xlabel=_with_unit("threshold", unit), ylabel="features")
    return ax


def moving_dot(
    ax: Axes, trajectory: ArrayLike, *, colour: str = HIGHLIGHT, label: str | None = None
) -> Axes:
    """Draw how one feature moves through a diagram: from a ring over fading dots to a diamond.

    Parameters
    ----------
    ax : Axes
        Of a :func:`persistence_diagram`, or empty.
    trajectory : array_like, (steps, 2)
        Birth and death, in the order of the steps.
    label : str, optional
        For the legend.

    Raises
    ------
    EccvkitError
        Not a finite array of pairs.
    """
    path = np.asarray(trajectory, dtype=float)
    if path.size == 0:
        _note(ax, "no steps")
        return ax
    if path.ndim != 2 or path.shape[1] != 2 or not np.isfinite(path).all():
        raise EccvkitError(
            f"trajectory has shape {path.shape}: give finite pairs (birth, death), one per step"
        )
    ax.plot(*path.T, color=colour, lw=1, alpha=0.5, zorder=3)
    fading = np.linspace(0.25, 1, len(path))
    ax.scatter(*path.T, color=colour, s=14, alpha=fading, lw=0, zorder=3)
    ax.plot(*path[0], "o", mfc="white", mec=colour, mew=1.8, ms=9, zorder=4)
    ax.plot(*path[-1], "D", color=colour, mec="white", ms=8, zorder=5, label=label)
    return ax


def transport_plan(
    ax: Axes,
    gamma: ArrayLike,
    row_labels: Sequence[str] | None = None,
    col_labels: Sequence[str] | None = None,
    *,
    label: str | None = "mass",
) -> Axes:
    """Draw a transport plan as a heat map; a dot marks the largest entry of each row.

    Of equal entries the first is marked, as ``argmax`` chooses; a row without mass has no dot.

    Parameters
    ----------
    gamma : array_like, (n, m)
        Mass that goes from row to column.
    row_labels, col_labels : sequence of str, optional
        Names of the n rows and m columns; without them the axes count.
    label : str, optional
        Of the colour bar; None leaves the bar out.

    Raises
    ------
    EccvkitError
        ``gamma`` is no finite matrix, or labels do not fit it.
    """
    gamma = np.asarray(gamma, dtype=float)
    if gamma.ndim != 2 or gamma.size == 0 or not np.isfinite(gamma).all():
        raise EccvkitError(f"a plan is a finite matrix of masses, but this has shape {gamma.shape}")
    image = ax.imshow(gamma, cmap="Blues", vmin=0, aspect="equal")
    rows = np.flatnonzero(gamma.max(axis=1) > 0)
    ax.plot(gamma[rows].argmax(axis=1), rows, "o", color=HIGHLIGHT, mec="white", ms=9)
    for names, count, set_ticks in (
        (row_labels, gamma.shape[0], ax.set_yticks),
        (col_labels, gamma.shape[1], ax.set_xticks),
    ):
        if names is not None:
            if len(names) != count:
                raise EccvkitError(f"{len(names)} labels for {count} rows or columns of the plan")
            set_ticks(range(count), names)
    ax.grid(visible=False)
    if label is not None:
        ax.figure.colorbar(image, ax=ax, label=label, shrink=0.8)
    return ax


def betti_histogram(
    ax: Axes,
    numbers: Mapping[str, ArrayLike],
    colours: Mapping[str, str] | None = None,
    *,
    xlabel: str = "holes in an image",
) -> Axes:
    """Draw how often each Betti number occurs: shares of the images, arms side by side.

    Parameters
    ----------
    numbers : mapping of str to array_like of int, (n,)
        Arm to the Betti number of each of its images; arms may have different numbers of images.
    colours : mapping, optional
        See :func:`eccvkit.viz.style.arm_colours`.

    Raises
    ------
    EccvkitError
        An arm without images, or numbers that are not whole or are negative.
    """
    counts = {arm: _betti_numbers(arm, values) for arm, values in numbers.items()}
    if not counts:
        _note(ax, "no arms")
        return ax
    colours = colours or arm_colours(counts)
    bins = 1 + max(values.max() for values in counts.values())
    width = 0.84 / len(counts)
    for k, (arm, values) in enumerate(counts.items()):
        share = np.bincount(values, minlength=bins) / len(values)
        x = np.arange(bins) + (k - (len(counts) - 1) / 2) * width
        ax.bar(x, share, width, color=colours.get(arm, GREY), edgecolor="white", lw=0.5, label=arm)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(axis="x", visible=False)
    ax.set(xlim=(-0.6, bins - 0.4), xlabel=xlabel, ylabel="share of the images")
    ax.legend()
    return ax


def _features(births: ArrayLike, deaths: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    births, deaths = (np.asarray(a, dtype=float).reshape(-1) for a in (births, deaths))
    if len(births) != len(deaths):
        raise EccvkitError(f"{len(births)} births but {len(deaths)} deaths: give one of each")
    if not np.isfinite(births).all() or np.isnan(deaths).any():
        raise EccvkitError("births must be finite and deaths finite or inf: drop the others")
    return births, deaths


def _chosen(highlight: ArrayLike | None, n: int) -> np.ndarray:
    """One bool per feature, from indices or from such an array."""
    chosen = np.zeros(n, dtype=bool)
    if highlight is not None and np.size(highlight):
        try:
            chosen[np.asarray(highlight)] = True
        except IndexError as error:
            raise EccvkitError(
                f"highlight does not fit {n} features: give indices, or one bool per feature"
            ) from error
    return chosen


def _limits(births: np.ndarray, deaths: np.ndarray) -> tuple[float, float]:
    """Range of all finite values and zero, with a margin; the unit interval for no features."""
    values = np.concatenate([births, deaths[np.isfinite(deaths)], [0.0]])
    low, high = values.min(), values.max()
    span = (high - low) or 1.0
    return low - 0.05 * span, low + 1.08 * span


def _dots(
    ax: Axes, x: np.ndarray, y: np.ndarray, colour: str, marker: str, label: str | None
) -> None:
    """One dot per distinct point, its area growing with the number of points it stands for."""
    points = np.column_stack([x, y])
    # Distances that differ in the last bit are equal to the eye.
    rounded = np.round(points / max(np.abs(points).max(initial=0), 1e-300), 6)
    _, first, counts = np.unique(rounded, axis=0, return_index=True, return_counts=True)
    points = points[first]
    ax.scatter(*points.T, s=36 * np.sqrt(counts), color=colour, marker=marker, edgecolor="white",
               lw=0.8, alpha=0.9, label=label, zorder=3)  # fmt: skip
    for point, count in zip(points, counts):
        if count > 1:
            ax.annotate(f"{count}\N{MULTIPLICATION SIGN}", point, (7, 0), ha="left", va="center",
                        textcoords="offset points", fontsize="small", color=colour)  # fmt: skip


def _room_for_infinity(low: float, high: float, endless: np.ndarray) -> tuple[float, float]:
    """Where to draw infinity, and where the axis ends: at ``high`` if nothing is endless."""
    margin = 0.08 * (high - low)
    return high + margin, high + 2 * margin * bool(endless.any())


def _ticks(axis: Axis, low: float, high: float, infinity: float | None = None) -> None:
    """Some round numbers between ``low`` and ``high``, and a tick for infinity beyond them."""
    ticks = [
        t for t in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= t <= high
    ]
    names = [f"{t:g}" for t in ticks]
    if infinity is not None:
        ticks, names = [*ticks, infinity], [*names, "\N{INFINITY}"]
    axis.set_ticks(ticks, names)


def _note(ax: Axes, text: str) -> None:
    # Above the diagonal of a diagram.
    ax.text(0.4, 0.7, text, transform=ax.transAxes, ha="center", va="center", color=GREY)


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _betti_numbers(arm: str, values: ArrayLike) -> np.ndarray:
    values = np.asarray(values)
    whole = values.ndim == 1 and values.size and (values == np.floor(values)).all()
    if not whole or values.min() < 0:
        raise EccvkitError(f"{arm}: give the Betti number of each image, whole and at least 0")
    return values.astype(int)
