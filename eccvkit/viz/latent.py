"""Walks through a latent space: paths and grids of codes, and a figure for what they decode to.

Codes are tensors whose last axis is the latent one. What a code decodes to is the business of the
caller, who hands a function that draws one cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from eccvkit.errors import EccvkitError, unknown

PATHS = ("linear", "slerp")


def interpolate(z0: Tensor, z1: Tensor, steps: int, how: str = "linear") -> Tensor:
    """Codes on the way from ``z0`` to ``z1``, both ends included.

    Parameters
    ----------
    z0, z1 : Tensor
        (..., d)
    steps : int
        At least 2.
    how : {"linear", "slerp"}
        Straight, or spherical linear interpolation (Shoemake 1985): at constant angular speed, for
        codes whose length is typical, as those of a Gaussian prior are. Between equal directions
        both are the same.

    Returns
    -------
    Tensor
        (steps, ..., d)

    Raises
    ------
    UnknownName
        Another path.
    EccvkitError
        Fewer than two steps, or slerp between opposite codes, where the way is not determined.
    """
    if steps < 2:
        raise EccvkitError(f"interpolate: {steps} step(s); use 2 or more, both ends count")
    t = torch.linspace(0, 1, steps, dtype=z0.dtype, device=z0.device)
    t = t.reshape(-1, *[1] * z0.ndim)
    if how == "linear":
        return (1 - t) * z0 + t * z1
    if how == "slerp":
        angle = _angle(z0, z1)
        if (angle > torch.pi - 1e-3).any():
            raise EccvkitError("slerp between opposite codes has no direction: use how='linear'")
        # sinc(x) is sin(pi x)/(pi x), and stays finite where the angle vanishes.
        share0, share1 = ((s * torch.sinc(s * angle / torch.pi)) for s in (1 - t, t))
        return (share0 * z0 + share1 * z1) / torch.sinc(angle / torch.pi)
    raise unknown("interpolation", how, PATHS)


def _angle(z0: Tensor, z1: Tensor) -> Tensor:
    """Angle between codes, (..., 1). By atan2, because acos is inaccurate for small angles."""
    u0, u1 = (torch.nn.functional.normalize(z, dim=-1) for z in (z0, z1))
    return 2 * torch.atan2((u0 - u1).norm(dim=-1), (u0 + u1).norm(dim=-1))[..., None]


def swapped_corners(z0: Tensor, z1: Tensor, split: int) -> Tensor:
    """Corners of the grid that mixes two codes by parts (LIMP, Fig. 1).

    Parameters
    ----------
    z0, z1 : Tensor
        (d,) codes (first part | second part), such as (intrinsic | extrinsic).
    split : int
        Length of the first part.

    Returns
    -------
    Tensor
        (2, 2, d); entry [i, j] has the first part of code i and the second part of code j.
    """
    codes = torch.stack([z0, z1])
    first = codes[:, None, :split].expand(2, 2, -1)
    second = codes[None, :, split:].expand(2, 2, -1)
    return torch.cat([first, second], dim=-1)


def bilinear_codes(corners: Tensor, steps: int | tuple[int, int]) -> Tensor:
    """A grid of codes between four corners.

    Parameters
    ----------
    corners : Tensor
        (2, 2, ..., d): rows top and bottom, columns left and right; see :func:`swapped_corners`.
    steps : int or (int, int)
        Rows and columns of the grid, at least 2 each.

    Returns
    -------
    Tensor
        (rows, columns, ..., d)

    Raises
    ------
    EccvkitError
        Not two by two corners, or fewer than two steps.

    Examples
    --------
    >>> corners = swapped_corners(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 2.0]), split=1)
    >>> bilinear_codes(corners, 3)[:, :, 1]
    tensor([[0., 1., 2.],
            [0., 1., 2.],
            [0., 1., 2.]])
    """
    if corners.shape[:2] != (2, 2):
        raise EccvkitError(f"corners have shape {tuple(corners.shape)}: expected (2, 2, ..., d)")
    rows, columns = (steps, steps) if isinstance(steps, int) else steps
    left, right = interpolate(corners[0], corners[1], rows).unbind(1)
    return interpolate(left, right, columns).transpose(0, 1)


def latent_grid(
    n_rows: int,
    n_cols: int,
    draw_cell: Callable[[Axes, int, int], object],
    *,
    row_label: str = "",
    col_label: str = "",
    row_titles: Sequence[str] = (),
    col_titles: Sequence[str] = (),
    projection: str | None = None,
    cell: float = 1.3,
) -> Figure:
    """A grid of cells, each drawn by a callback: shapes, images, plots.

    Parameters
    ----------
    n_rows, n_cols : int
    draw_cell : callable
        ``draw_cell(ax, row, column)`` draws into empty axes without ticks.
    row_label, col_label : str
        What changes from row to row (written at the left) and from column to column (below).
    row_titles, col_titles : sequence of str
        One per row, to its left, and one per column, above it.
    projection : str, optional
        "3d" for :func:`eccvkit.viz.meshes.draw_mesh`.
    cell : float
        Side of a cell in inches.
    """
    margin = 0.09 * max((len(t) for t in row_titles), default=0) + (0.3 if row_label else 0)
    head = (0.3 if len(col_titles) else 0) + (0.3 if col_label else 0)
    figure, axes = plt.subplots(
        n_rows,
        n_cols,
        figsize=(n_cols * cell + margin, n_rows * cell + head),
        squeeze=False,
        subplot_kw={"projection": projection},
    )
    for i, row in enumerate(axes):
        for j, ax in enumerate(row):
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
            draw_cell(ax, i, j)
    for ax, text in zip(axes[0], col_titles):
        ax.set_title(text, fontsize="small")
    for ax, text in zip(axes[:, 0], row_titles):
        # An annotation, because 3D axes with hidden frames show no axis label.
        ax.annotate(
            text,
            (0, 0.5),
            (-4, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize="small",
        )
    figure.supylabel(row_label, fontsize="medium")
    figure.supxlabel(col_label, fontsize="medium")
    return figure
