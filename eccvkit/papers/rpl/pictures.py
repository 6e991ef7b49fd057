"""The figures of paper 30 that are drawn more than once: feature plane (Fig. 4) and histogram."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle
from torch import Tensor

from eccvkit.errors import EccvkitError
from eccvkit.papers.rpl.arms import OpenSetNet, PrototypeHead, ReciprocalHead
from eccvkit.papers.rpl.experiment import embed
from eccvkit.papers.rpl.tasks import Task
from eccvkit.viz.embed import scatter_classes
from eccvkit.viz.style import GREY, PALETTE

#: Background of the score: pale enough for grey dots to stay visible.
_SCORE_MAP = LinearSegmentedColormap.from_list("score", ["#ffffff", "#a9c9e8"])


def feature_plane(
    ax: Axes,
    net: OpenSetNet,
    task: Task,
    *,
    margins: bool = False,
    reach: float | None = None,
    legend: bool = False,
) -> Axes:
    """Fig. 4, first row: test features in the plane, with the score as background.

    Known classes are coloured dots, unknown samples grey; triangles are reciprocal points, stars
    are prototypes, in the colour of their class. Deeper blue means "more known".

    Parameters
    ----------
    net : OpenSetNet
        With two-dimensional features.
    margins : bool
        Draw for each class the circle on which Eq. 8 wants its samples, see :func:`draw_points`.
    reach : float, optional
        Half the side of the square shown, around the origin; fitted to the features if not given.
    legend : bool
        Name the classes below the axes.

    Raises
    ------
    EccvkitError
        The features are not two-dimensional.
    """
    known, _ = embed(net, task.test[0])
    outside, _ = embed(net, task.outsiders[0])
    if known.shape[1] != 2:
        raise EccvkitError(f"feature_plane needs 2 features, got {known.shape[1]}: use dim=2")
    xy = torch.cat([known, outside]).cpu().numpy()
    labels = np.r_[task.test[1].cpu().numpy(), np.full(len(outside), -1)]
    low, high = np.percentile(xy, 0.5, axis=0), np.percentile(xy, 99.5, axis=0)
    centre = (low + high) / 2 if reach is None else np.zeros(2)
    half = reach or 0.62 * (high - low).max()
    draw_score(ax, net.head.score, centre, half, next(net.parameters()).device)
    scatter_classes(ax, xy, labels, task.names, size=9, legend=False)
    head = net.head
    if isinstance(head, ReciprocalHead):
        scale = head.config.dim if head.config.normalise else 1
        draw_points(ax, head.points, "^", scale * head.margins if margins else None)
    if isinstance(head, PrototypeHead):
        draw_points(ax, head.prototypes, "*")
    if legend:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, markerscale=2)
    return ax


def draw_score(
    ax: Axes, score, centre: np.ndarray, half: float, device: torch.device | str = "cpu"
) -> None:
    """Shade a square of the feature plane by the score ``score(features) -> (B,)``, and frame it.

    Parameters
    ----------
    score : callable
        Maps features (B, 2) to scores (B,).
    centre, half : (2,) array, float
        The square shown.
    """
    x, y = (np.linspace(c - half, c + half, 120) for c in centre)
    grid = torch.as_tensor(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2), dtype=torch.float32)
    with torch.no_grad():
        values = score(grid.to(device)).cpu().numpy().reshape(120, 120)
    ax.contourf(x, y, values, levels=12, cmap=_SCORE_MAP)
    ax.set(xlim=x[[0, -1]], ylim=y[[0, -1]], xlabel="feature 1", ylabel="feature 2")
    ax.set_aspect("equal")
    ax.grid(visible=False)


def draw_points(ax: Axes, points: Tensor, marker: str, margins: Tensor | None = None) -> None:
    """Mark reciprocal points or prototypes (N, M, 2) in the colour of their class.

    Parameters
    ----------
    margins : (N,) Tensor, optional
        Also draw the circle where Eq. 8 wants the class: distances are squared, so its radius is
        the square root of the margin.
    """
    for k, own in enumerate(points.detach().cpu().numpy()):
        colour = PALETTE[k % len(PALETTE)]
        ax.scatter(*own.T, marker=marker, s=130, c=colour, edgecolors="black", lw=1.2, zorder=5)
        if margins is not None:
            radius = float(margins[k].detach().clamp(min=0).sqrt())
            for x, y in own:
                ax.add_patch(Circle((x, y), radius, fill=False, ec=colour, ls="--"))


def score_histogram(ax: Axes, net: OpenSetNet, task: Task, label: str) -> Axes:
    """Fig. 4, second row: how the score is distributed over known and unknown test samples."""
    scores = [
        net.head.score(embed(net, images)[0]).detach().cpu().numpy()
        for images in (task.test[0], task.outsiders[0])
    ]
    bins = np.histogram_bin_edges(np.concatenate(scores), bins=36)
    for values, colour, name in zip(scores, (PALETTE[0], GREY), ("known", "unknown")):
        ax.hist(values, bins, density=True, color=colour, alpha=0.6, label=name)
    ax.set(xlabel=label, ylabel="density")
    ax.legend()
    return ax
