"""The figures of paper 2 that no other chapter draws: strips between strips, planes of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from eccvkit.metrics.procrustes import procrustes
from eccvkit.papers.limp.evaluation import Between, encode, exact_geodesics, vertex_blend
from eccvkit.papers.limp.heat import heat_geodesics
from eccvkit.papers.limp.losses import mix
from eccvkit.papers.limp.network import ShapeVAE
from eccvkit.papers.limp.tasks import Task
from eccvkit.viz.embed import bare, project, scatter_classes
from eccvkit.viz.latent import bilinear_codes, latent_grid, swapped_corners
from eccvkit.viz.meshes import common_span, draw_mesh
from eccvkit.viz.style import PALETTE

#: Camera for strips: across the width and from above, so that every bend shows.
VIEW = {"elev": 28.0, "azim": -72.0}
#: Distortion in percent at which the colour scale ends, and the scale.
MAX_DISTORTION, CMAP = 12.0, "YlOrRd"


def laid_onto(shapes: Tensor, target: Tensor) -> Tensor:
    """Shapes (B, n, 3) moved onto others, mirror images allowed: the losses see neither."""
    return procrustes(shapes, target.expand_as(shapes), reflection=True).aligned


@torch.no_grad()
def vertex_distortion(task: Task, i: int, j: int, shapes: Tensor, alphas: Tensor) -> Tensor:
    """Geodesic distortion at every vertex of shapes between two training shapes, in percent.

    For each vertex the mean over all others of the difference between the exact distance and the
    mixture of the ends' distances, divided by the mean distance. The mean over the vertices is the
    interpolation error.

    Parameters
    ----------
    i, j : int
        The training shapes at the ends.
    shapes : Tensor
        (B, n, 3), at the shares ``alphas`` (B,) of the way.

    Returns
    -------
    Tensor
        (B, n)
    """
    everywhere = range(shapes.shape[1])
    ends = exact_geodesics(task.train.vertices[[i, j]], task.train.faces, everywhere)
    first, second = (end.expand(len(shapes), -1, -1) for end in ends)
    true = mix(first, second, alphas)
    found = exact_geodesics(shapes, task.train.faces, everywhere)
    return 100 * (found - true).abs().mean(1) / true.mean((1, 2)).unsqueeze(1)


def interpolation_strips(
    arms: Mapping[str, Between], task: Task, i: int, j: int, alphas: Sequence[float]
) -> tuple[Figure, dict[str, float]]:
    """Fig. 3: one row per arm, from training shape i to j, coloured by distortion.

    Returns
    -------
    Figure, dict of float
        And the mean distortion of each row in percent, without its ends.
    """
    task = replace(task, train=task.train.to("cpu"))
    pair, weights = torch.tensor([[i, j]]), torch.tensor(alphas)
    guide = torch.cat([vertex_blend(task)(pair, a) for a in alphas])
    rows = [
        laid_onto(torch.cat([between(pair, a).cpu() for a in alphas]), guide)
        for between in arms.values()
    ]
    values = [vertex_distortion(task, i, j, shapes, weights) for shapes in rows]
    span = common_span(torch.cat(rows), **VIEW)

    def cell(ax, row: int, column: int) -> None:
        _draw(ax, rows[row][column], task.train.faces, values[row][column], span)

    titles = [rf"$\alpha={alpha:g}$" for alpha in alphas]
    figure = latent_grid(
        len(rows), len(alphas), cell, row_titles=list(arms), col_titles=titles,
        projection="3d", cell=1.55,
    )  # fmt: skip
    _distortion_bar(figure)
    inner = [k for k, alpha in enumerate(alphas) if 0 < alpha < 1]
    return figure, {name: value[inner].mean().item() for name, value in zip(arms, values)}


def code_grid(net: ShapeVAE, task: Task, i: int, j: int, steps: int = 5) -> Figure:
    """Fig. 1: decodings between the codes of two training shapes, identity down and pose across.

    Colour is the distortion against the mixture of geodesics that the identity of the row asks for:
    a change of pose should leave it at zero. The training shapes themselves stand beside their
    corners, uncoloured.
    """
    codes = encode(net, task.train.vertices[[i, j]])
    corners = swapped_corners(codes[0], codes[1], codes.shape[1] - net.extrinsic)
    grid = bilinear_codes(corners, steps)
    with torch.no_grad():
        shapes = net.decode(grid.flatten(0, 1)).cpu()
    given = task.train.vertices[[i, j]].cpu()
    shapes = upright(shapes, steps, given[0])
    given[1:] = laid_onto(given[1:], shapes[-1])
    task = replace(task, train=task.train.to("cpu"))
    alphas = torch.linspace(0, 1, steps).repeat_interleave(steps)
    values = vertex_distortion(task, i, j, shapes, alphas)
    span = common_span(torch.cat([shapes, given]), **VIEW)
    beside = {(0, 0): given[0], (steps - 1, steps + 1): given[1]}

    def cell(ax, row: int, column: int) -> None:
        k = row * steps + column - 1
        if (row, column) in beside:
            draw_mesh(ax, beside[row, column], task.train.faces, span=span, **VIEW)
        elif 0 < column <= steps:
            _draw(ax, shapes[k], task.train.faces, values[k], span)
        else:
            ax.set_axis_off()

    titles = [f"{share:g}" for share in torch.linspace(0, 1, steps).tolist()]
    figure = latent_grid(
        steps, steps + 2, cell, row_titles=titles, col_titles=["first", *titles, "second"],
        row_label="share of the second identity", col_label="share of the second pose",
        projection="3d", cell=1.5,
    )  # fmt: skip
    _distortion_bar(figure)
    return figure


def upright(shapes: Tensor, columns: int, first: Tensor) -> Tensor:
    """Turn the shapes of a grid so that neighbours agree: decodings have no fixed orientation.

    Parameters
    ----------
    shapes : Tensor
        (rows * columns, n, 3), row by row.
    columns : int
    first : Tensor
        (n, 3) what the first shape is laid onto.
    """
    turned = shapes.clone()
    for k in range(len(shapes)):
        # Along the row; a new row follows the one above.
        before = turned[k - 1] if k % columns else turned[k - columns] if k else first
        turned[k] = laid_onto(shapes[k : k + 1], before)[0]
    return turned


def code_planes(arms: Mapping[str, ShapeVAE], task: Task, method: str, seed: int = 0) -> Figure:
    """Fig. 6: both parts of the codes in the plane, each coloured by identity and by pose.

    Training shapes, and held-out ones as rings. One row per arm.
    """
    labels = {
        "identity": torch.cat([task.train.subject, task.test.subject]).cpu().numpy(),
        "pose": torch.cat([task.train.pose, task.test.pose]).cpu().numpy(),
    }
    figure, axes = plt.subplots(len(arms), 4, figsize=(13, 3.1 * len(arms) + 0.5), squeeze=False)
    for line, (name, net) in zip(axes, arms.items()):
        codes = torch.cat([encode(net, part.vertices) for part in (task.train, task.test)]).cpu()
        parts = {"int": codes[:, : -net.extrinsic], "ext": codes[:, -net.extrinsic :]}
        for start, (part, code) in zip((0, 2), parts.items()):
            plane = project(code, method, seed)
            for ax, (what, label) in zip(line[start : start + 2], labels.items()):
                names = [f"{what} {k}" for k in range(label.max() + 1)]
                scatter_classes(ax, plane, label, names, size=42, legend=False)
                held_out = plane[len(task.train) :]
                ax.scatter(*held_out.T, s=16, c="white", lw=0, zorder=3)
                bare(ax, rf"$z^{{{part}}}$ by {what}")
        line[0].set_ylabel(name)
    for start in (0, 1):
        handles, names = axes[-1, start].get_legend_handles_labels()
        figure.legend(
            handles, names, loc=("outside lower left", "outside lower right")[start], ncols=4,
        )  # fmt: skip
    return figure


def isolines(vertices: Tensor, faces: Tensor, flat: Tensor, source: int) -> Figure:
    """Geodesic distance from one vertex: exact, and by the heat method, on the strip and flat.

    Parameters
    ----------
    vertices : Tensor
        (n, 3) bent strip.
    flat : Tensor
        (n, 2) the same sheet before bending.
    """
    exact = exact_geodesics(vertices[None], faces, [source])[0, 0]
    heat = heat_geodesics(vertices[None], faces)[0, source]
    levels = torch.arange(0.1, float(exact.max()), 0.1).numpy()
    lines = [(exact, levels, "black"), (heat, levels, PALETTE[1])]
    figure = plt.figure(figsize=(13, 3.9))
    bent = figure.add_subplot(1, 3, 1, projection="3d")
    look = {"cmap": "Blues", "vmin": -0.2, "vmax": 1.6}
    draw_mesh(bent, vertices, faces, exact, isolines=lines, **look, **VIEW)
    bent.set_title("on the strip")
    sheet = torch.cat([flat, torch.zeros(len(flat), 1)], dim=1)
    above = figure.add_subplot(1, 3, 2, projection="3d")
    draw_mesh(above, sheet, faces, exact, isolines=lines, **look, elev=90, azim=-90)
    above.set_title("unrolled")
    compare = figure.add_subplot(1, 3, 3)
    compare.plot(exact, heat, ".", color=PALETTE[1])
    compare.plot([0, exact.max()], [0, exact.max()], color="black", lw=1)
    compare.set(xlabel="exact distance", ylabel="heat method", title="every vertex")
    for colour, name in (("black", "exact"), (PALETTE[1], "heat method")):
        above.plot([], [], color=colour, label=name)
    above.legend(loc="lower center", ncols=2)
    return figure


def _draw(ax, shape: Tensor, faces: Tensor, values: Tensor, span: float) -> None:
    draw_mesh(
        ax, shape, faces, values, cmap=CMAP, vmin=0, vmax=MAX_DISTORTION, span=span, **VIEW
    )  # fmt: skip


def _distortion_bar(figure: Figure) -> None:
    scale = ScalarMappable(Normalize(0, MAX_DISTORTION), CMAP)
    figure.colorbar(
        scale, ax=figure.axes, label="geodesic distortion in %", extend="max", shrink=0.7, aspect=18
    )
