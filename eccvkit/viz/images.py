"""Galleries of small images."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from eccvkit.errors import EccvkitError


def as_pictures(images: Tensor | np.ndarray) -> np.ndarray:
    """Turn (N, C, H, W) in [0, 1] with one or three channels into (N, H, W) or (N, H, W, 3).

    Raises
    ------
    EccvkitError
        Another number of channels or dimensions.
    """
    array = images.detach().cpu().numpy() if isinstance(images, Tensor) else np.asarray(images)
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise EccvkitError(f"images have shape {array.shape}; expected (N, 1 or 3, H, W)")
    return array[:, 0] if array.shape[1] == 1 else array.transpose(0, 2, 3, 1)


def image_grid(
    images: Tensor | np.ndarray,
    rows: int,
    columns: int,
    *,
    row_titles: Sequence[str] = (),
    titles: Sequence[str] = (),
    frames: Sequence[str] = (),
    cell: float = 0.8,
) -> Figure:
    """A grid of equal images, row by row.

    Parameters
    ----------
    images : (N, C, H, W)
        At most ``rows * columns`` of them; the rest of the grid stays empty.
    row_titles : sequence of str
        One per row, written to its left.
    titles : sequence of str
        One per image, above it.
    frames : sequence of str
        Colour of the frame of each image.
    cell : float
        Side of one image in inches.
    """
    pictures = as_pictures(images)
    margin = 0.09 * max((len(t) for t in row_titles), default=0)
    height = cell * (1.25 if len(titles) else 1.0)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * cell + margin, rows * height), squeeze=False
    )
    for i, ax in enumerate(axes.flat):
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        if i >= len(pictures):
            ax.set_visible(False)
            continue
        ax.imshow(pictures[i], vmin=0, vmax=1)
        if i < len(titles):
            ax.set_title(titles[i], fontsize="x-small", fontweight="normal")
        for spine in ax.spines.values():
            spine.set(visible=bool(frames), linewidth=2.5)
            if i < len(frames):
                spine.set_color(frames[i])
    for ax, text in zip(axes[:, 0], row_titles):
        ax.set_ylabel(text, rotation=0, ha="right", va="center")
    return figure
