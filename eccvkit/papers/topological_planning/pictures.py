"""The figures of paper 28 that are its own: plans compared, walks, wavefront, graph creation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eccvkit.data.floor_plans import FloorPlans
from eccvkit.data.panoramas import panoramas
from eccvkit.papers.topological_planning.creation import explore
from eccvkit.viz import embed, graphs
from eccvkit.viz.style import GREY, PALETTE

#: Colours of ways: true, symbolic, learned.
TRUE, SYMBOLIC, LEARNED = PALETTE[2], PALETTE[3], PALETTE[0]


def walk(hops: np.ndarray, visible: np.ndarray, start: int, target: int) -> tuple[list, list]:
    """Nodes from ``start`` under next hops (i, t), and for each step whether its edge exists.

    Ends at the target, after the first step that cannot be made, or after N steps.
    """
    way, ok = [start], []
    while way[-1] != target and len(way) <= len(hops) and all(ok):
        there = int(hops[way[-1], target])
        if there in (-1, way[-1]):
            break
        ok.append(bool(visible[way[-1], there]))
        way.append(there)
    return way, ok


def map_panel(
    ax: Axes, plans: FloorPlans, m: int, weights: np.ndarray, title: str = "", **options
) -> Axes:
    """Floor plan ``m`` with a graph: true links, or probabilities as opacity."""
    graphs.floor_plan(ax, plans.walls[m], plans.rows, plans.columns, plans.colours[m])
    graphs.graph(ax, plans.positions[m], weights, **options)
    ax.set_title(title)
    return ax


def compared(
    plans: FloorPlans,
    m: int,
    start: int,
    target: int,
    ways: Mapping[str, tuple[np.ndarray, str, np.ndarray]],
) -> Figure:
    """Fig. 2: one panel per planner, with its way from start to target.

    Parameters
    ----------
    plans : FloorPlans
    m : int
        Which plan.
    start, target : int
    ways : mapping of title to (hops, colour, weights)
        Next hops (M, i, t), colour of the way, and links (M, N, N) to show.
    """
    figure, axes = plt.subplots(1, len(ways), figsize=(3.7 * len(ways), 4.7), squeeze=False)
    for ax, (title, (hops, colour, weights)) in zip(axes[0], ways.items()):
        map_panel(ax, plans, m, weights[m])
        nodes, ok = walk(hops[m], plans.visible[m], start, target)
        graphs.path(ax, plans.positions[m], nodes, colour, ok=ok)
        graphs.ends(ax, plans.positions[m], start, target)
        ax.set_title(f"{title}\n{verdict(plans, m, nodes, ok, target)}")
    return figure


def verdict(plans: FloorPlans, m: int, nodes: list, ok: list, target: int) -> str:
    """What became of a walk: metres, or why it failed."""
    if not all(ok):
        return "runs into a wall"
    if nodes[-1] != target:
        return "never arrives"
    places = plans.positions[m][nodes]
    return f"{np.linalg.norm(np.diff(places, axis=0), axis=1).sum():.1f} m"


def plan_with_strips(plans: FloorPlans, m: int) -> Figure:
    """A floor plan with its true and its uncertain graph, and the strips that its nodes see."""
    figure = plt.figure(figsize=(13, 5))
    grid = figure.add_gridspec(1, 3, width_ratios=(1, 1, 1.15))
    map_panel(figure.add_subplot(grid[0]), plans, m, plans.visible[m], "true links")
    map_panel(
        figure.add_subplot(grid[1]), plans, m, plans.probabilities[m], "opacity: probability $E$"
    )
    strips = panoramas(plans, m, graphs.rgb_palette(plans.vision.shape[-1]))
    cells = grid[2].subgridspec(len(strips), 1, hspace=0.15)
    for k, strip in enumerate(strips):
        ax = figure.add_subplot(cells[k])
        ax.imshow(np.moveaxis(strip, 0, -1), aspect="auto")
        ax.set(xticks=[], yticks=[])
        ax.set_ylabel(str(k), rotation=0, ha="right", va="center")
        if k == 0:
            ax.set_title("what each node sees all around")
    return figure


def creation_picture(track: np.ndarray, capacity: int, sigma: float, picks: Mapping) -> Figure:
    """Sect. 3.3: an explorer's track, the nodes kept by each rule, and the coverage of each.

    Parameters
    ----------
    track : (T, 2) array
    capacity : int
    sigma : float
    picks : mapping of title to callable
        See :func:`~eccvkit.papers.topological_planning.creation.explore`.
    """
    size = (5.2 * len(picks), 4.8)
    figure, axes = plt.subplots(
        1, len(picks), figsize=size, squeeze=False, sharex=True, sharey=True
    )
    for ax, (title, pick) in zip(axes[0], picks.items()):
        kept = track[explore(track, capacity, sigma, pick)]
        ax.plot(*track.T, color=GREY, lw=1, alpha=0.7, zorder=1)
        for place in kept:
            ax.add_patch(plt.Circle(place, sigma, color=PALETTE[0], alpha=0.12, lw=0))
        graphs.nodes(ax, kept, labels=False, colours=PALETTE[0], size=60)
        far = coverage(track, kept)
        ax.set(title=f"{title}\n{far:.1f} m from the track to the nearest node at worst")
        ax.set(xlabel="x in m", ylabel="y in m")
        ax.set_aspect("equal")
    return figure


def coverage(track: np.ndarray, kept: np.ndarray) -> float:
    """Largest distance in metres from a place of the track to the nearest node that was kept."""
    return float(np.linalg.norm(track[:, None] - kept[None], axis=-1).min(axis=1).max())


def wavefront(points: Sequence[np.ndarray], hops: np.ndarray, following: np.ndarray) -> Figure:
    """t-SNE of the latents after each round; above by hops to the target, below by next node.

    Parameters
    ----------
    points : sequence of (n, 2) array
        One per round.
    hops, following : (n,) int array
        True number of hops to the target, and true next node.
    """
    columns = len(points)
    figure, axes = plt.subplots(2, columns, figsize=(4.3 * columns, 7.6), squeeze=False)
    distance = plt.get_cmap("viridis", int(hops.max()) + 1)
    names = ["target", "1 hop", *(f"{k} hops" for k in range(2, int(hops.max()) + 1))]
    many = int(following.max()) + 1
    node = PALETTE if many <= len(PALETTE) else plt.get_cmap("turbo", many)(range(many))
    for k, xy in enumerate(points):
        for value, name in enumerate(names):
            own = xy[hops == value]
            axes[0, k].scatter(*own.T, s=11, color=distance(value), lw=0, label=name)
        for value in range(many):
            own = xy[following == value]
            axes[1, k].scatter(*own.T, s=11, color=node[value], lw=0, label=f"to {value}")
        embed.bare(axes[0, k], f"after round {k + 1}: hops to the target")
        embed.bare(axes[1, k], "the same, by the true next node")
    for ax in axes[:, -1]:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)
    return figure


def minimum_trace(ax: Axes, minima: np.ndarray, read: np.ndarray) -> Axes:
    """Running minimum of one node over all messages of all rounds, and what a probe reads.

    Parameters
    ----------
    minima, read : (rounds, j) array
    """
    rounds, n = minima.shape
    x = np.arange(rounds * n) + 1
    finite = np.isfinite(minima.ravel())
    ax.step(x[finite], minima.ravel()[finite], where="mid", color=TRUE, label="running minimum")
    ax.plot(x[finite], read.ravel()[finite], "o-", color=LEARNED, ms=4, lw=1.2, label="read from h")
    for k in range(1, rounds):
        ax.axvline(k * n + 0.5, color=GREY, ls="--", lw=1)
    ax.set_xlim(0.5, rounds * n + 0.5)
    return ax


def tracks(
    plans: FloorPlans,
    m: int,
    start: int,
    target: int,
    walks: Mapping[str, tuple[np.ndarray, str]],
) -> Figure:
    """Walks of the local controller in one floor plan; one panel each.

    Parameters
    ----------
    walks : mapping of title to (track, colour)
        Positions (T, 2) after each step, and the colour of the planner.
    """
    figure, axes = plt.subplots(1, len(walks), figsize=(3.7 * len(walks), 4.7), squeeze=False)
    for ax, (title, (track, colour)) in zip(axes[0], walks.items()):
        map_panel(ax, plans, m, plans.visible[m], title, colour="#bbbbbb")
        graphs.ends(ax, plans.positions[m], start, target)
        # Over the links and below the nodes, so that their numbers can be read.
        ax.plot(*track.T, "-", color=colour, lw=2.4, zorder=4.8)
        ax.plot(*track[-1], "o", color=colour, ms=7, zorder=5.5)
    return figure
