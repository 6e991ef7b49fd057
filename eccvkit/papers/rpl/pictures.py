"""The figures of paper 30 that are drawn more than once: feature plane (Fig. 4) and histogram."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from eccvkit.errors import EccvkitError
from eccvkit.papers.rpl.arms import OpenSetNet, PrototypeHead, ReciprocalHead
from eccvkit.papers.rpl.experiment import embed
from eccvkit.papers.rpl.tasks import Task
from eccvkit.viz.embed import scatter_classes
from eccvkit.viz.style import GREY, PALETTE


def feature_plane(
    ax: Axes, net: OpenSetNet, task: Task, *, margins: bool = False, legend: bool = False
) -> Axes:
    """Fig. 4, first row: test features in the plane, with the score as background.

    Known classes are coloured dots, unknown samples grey; triangles are reciprocal points, stars
    are prototypes, in the colour of their class. Darker background means "more known".

    Parameters
    ----------
    net : OpenSetNet
        With two-dimensional features.
    margins : bool
        Draw for each class the circle on which Eq. 8 wants its samples: radius sqrt(R) around its
        reciprocal point.

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
    pad = 0.15 * (high - low).max()
    box = np.stack([low - pad, high + pad])
    _score_background(ax, net, box)
    scatter_classes(ax, xy, labels, task.names, size=9, legend=legend)
    head = net.head
    if isinstance(head, ReciprocalHead):
        _mark(ax, head.points, "^")
        if margins:
            _margin_circles(ax, head)
    if isinstance(head, PrototypeHead):
        _mark(ax, head.prototypes, "*")
    ax.set(xlim=box[:, 0], ylim=box[:, 1], xlabel="feature 1", ylabel="feature 2")
    ax.grid(visible=False)
    return ax


def _score_background(ax: Axes, net: OpenSetNet, box: np.ndarray) -> None:
    x, y = (np.linspace(*box[:, axis], 120) for axis in (0, 1))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    device = next(net.parameters()).device
    with torch.no_grad():
        score = net.head.score(torch.as_tensor(grid, dtype=torch.float32, device=device))
    ax.contourf(x, y, score.cpu().numpy().reshape(120, 120), levels=12, cmap="Greys", alpha=0.45)


def _mark(ax: Axes, points: torch.Tensor, marker: str) -> None:
    for k, xy in enumerate(points.detach().cpu().numpy()):
        colour = PALETTE[k % len(PALETTE)]
        ax.scatter(*xy.T, marker=marker, s=130, c=colour, edgecolors="black", lw=1.2, zorder=5)


def _margin_circles(ax: Axes, head: ReciprocalHead) -> None:
    scale = head.config.dim if head.config.normalise else 1
    for k, (points, margin) in enumerate(zip(head.points.detach().cpu(), head.margins.tolist())):
        for x, y in points.tolist():
            radius = max(margin * scale, 0.0) ** 0.5
            ax.add_patch(Circle((x, y), radius, fill=False, ec=PALETTE[k % len(PALETTE)], ls="--"))


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
