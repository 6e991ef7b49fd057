"""Functions on the image plane: sublevel sets, heat maps, landscapes, and critical pixels.

What :mod:`eccvkit.viz.topology` draws as diagrams is seen here in the image. Pixels are given as
(row, column), as numpy indexes and as gudhi's pairs are unravelled, and drawn with the column to
the right and the row downwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from numpy.typing import ArrayLike

from eccvkit.errors import EccvkitError
from eccvkit.viz.style import GREY, PALETTE

#: Marks of critical pixels.
HIGHLIGHT = PALETTE[3]
#: Heights, from low to high.
HEIGHTS = "viridis"


def sublevel_sets(
    axes: Sequence[Axes],
    f: ArrayLike,
    thresholds: Sequence[float],
    *,
    critical: ArrayLike | None = None,
    colour: str = "black",
    growth: str = PALETTE[9],
    unit: str = "",
) -> Sequence[Axes]:
    """Draw the growing sets of pixels with ``f <= t``, one per axes, in two colours.

    Parameters
    ----------
    axes : sequence of Axes
        As many as thresholds.
    f : array_like, (H, W)
        For example the distance to a structure, on which it is 0.
    thresholds : sequence of float
    critical : array_like, (k, 2), optional
        Pixels as (row, column): rings, filled from the threshold on at which they belong to the
        set.
    colour : str
        Of the structure, where ``f`` is at most 0.
    growth : str
        Of the pixels that the threshold adds.

    Raises
    ------
    EccvkitError
        ``f`` is no finite image, there are not as many axes as thresholds, or a critical pixel
        lies outside.
    """
    f = _image(f)
    pixels = _pixels(critical, f.shape)
    if len(axes) != len(thresholds):
        raise EccvkitError(f"{len(axes)} axes for {len(thresholds)} thresholds: give one for each")
    colours = ListedColormap(["white", growth, colour])
    for ax, t in zip(axes, thresholds):
        stage = (f <= t).astype(int) + ((f <= 0) & (f <= t))
        ax.imshow(stage, cmap=colours, vmin=0, vmax=2)
        for row, column in pixels:
            inside = f[row, column] <= t
            ax.plot(column, row, "o", ms=7, mec=HIGHLIGHT, mew=2, mfc=HIGHLIGHT if inside else "w")
        _plain(ax)
        ax.set_title(f"t = {t:g} {unit}".rstrip())
    return axes


def transform_map(
    ax: Axes,
    f: ArrayLike,
    critical: ArrayLike | None = None,
    *,
    vmax: float | None = None,
    label: str | None = "distance to the structure (px)",
) -> Axes:
    """Draw a distance transform, or any function on the pixels, as a heat map.

    Parameters
    ----------
    f : array_like, (H, W)
    critical : array_like, (k, 2), optional
        Pixels as (row, column), marked with a diamond.
    vmax : float, optional
        Value of the brightest colour, the same for maps that are to be compared.
    label : str, optional
        Of the colour bar; None leaves the bar out.

    Raises
    ------
    EccvkitError
        ``f`` is no finite image, or a critical pixel lies outside.
    """
    f = _image(f)
    pixels = _pixels(critical, f.shape)
    image = ax.imshow(f, cmap=HEIGHTS, vmin=min(f.min(), 0), vmax=vmax)
    ax.plot(pixels[:, 1], pixels[:, 0], "D", color=HIGHLIGHT, mec="white", ms=7)
    if label is not None:
        ax.figure.colorbar(image, ax=ax, label=label, shrink=0.8)
    _plain(ax)
    return ax


def surface(
    ax: Axes, f: ArrayLike, critical: ArrayLike | None = None, *, vmax: float | None = None
) -> Axes:
    """Draw a function on the pixels as a landscape, seen from the lower edge of the image.

    Parameters
    ----------
    ax : Axes
        With ``projection="3d"``.
    f : array_like, (H, W)
    critical : array_like, (k, 2), optional
        Pixels as (row, column), marked with a diamond that nothing hides.
    vmax : float, optional
        Height of the axis and value of the brightest colour.

    Raises
    ------
    EccvkitError
        ``ax`` is flat, ``f`` is no finite image, or a critical pixel lies outside.
    """
    if ax.name != "3d":
        raise EccvkitError('surface needs axes made with projection="3d"')
    f = _image(f)
    pixels = _pixels(critical, f.shape)
    low, high = min(f.min(), 0), f.max() if vmax is None else vmax
    rows, columns = np.indices(f.shape)
    # matplotlib sorts whole objects by distance, so a dot in a valley would vanish behind a hill.
    ax.computed_zorder = False
    ax.plot_surface(columns, rows, f, cmap=HEIGHTS, vmin=low, vmax=high, lw=0, rcount=100,
                    ccount=100)  # fmt: skip
    heights = f[pixels[:, 0], pixels[:, 1]]
    ax.scatter(pixels[:, 1], pixels[:, 0], heights, color=HIGHLIGHT, marker="D", s=45,
               edgecolor="white", depthshade=False, zorder=5)  # fmt: skip
    ax.view_init(elev=50, azim=-75)
    ax.set(ylim=(len(f) - 0.5, -0.5), zlim=(low, max(high, low + 1e-9)))
    ax.set(xticks=[], yticks=[])
    ax.set_box_aspect((f.shape[1], f.shape[0], 0.4 * max(f.shape)))
    return ax


def _image(f: ArrayLike) -> np.ndarray:
    f = np.asarray(f, dtype=float)
    if f.ndim != 2 or f.size == 0 or not np.isfinite(f).all():
        raise EccvkitError(f"expected one finite array (rows, columns), got shape {f.shape}")
    return f


def _pixels(critical: ArrayLike | None, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels as an integer array (k, 2), each inside the image."""
    if critical is None or np.size(critical) == 0:
        return np.empty((0, 2), dtype=int)
    pixels = np.asarray(critical).reshape(-1, 2).astype(int)
    if (pixels < 0).any() or (pixels >= shape).any():
        raise EccvkitError(
            f"a critical pixel lies outside the image of {shape[0]} rows and {shape[1]} columns: "
            "give (row, column) of the array that is drawn"
        )
    return pixels


def _plain(ax: Axes) -> None:
    """No ticks, and a thin frame: masks are white at the edge."""
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.8)
