"""The figures of paper 32 that no other chapter draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from torch import Tensor

from eccvkit.data.cameras import fundamental
from eccvkit.data.capsules import Picture, dress, render, shrink
from eccvkit.data.crowd import ViewDetections
from eccvkit.papers.crowded_mvpose.correspondence import feet_costs, feet_on_ground
from eccvkit.papers.crowded_mvpose.epipolar import epipolar_cost
from eccvkit.papers.crowded_mvpose.experiment import Scene
from eccvkit.papers.crowded_mvpose.matching import assign, feet_cost, feet_of, rectify
from eccvkit.papers.crowded_mvpose.triangulation import project
from eccvkit.study import Study
from eccvkit.viz.skeletons import draw_cameras, draw_floor, draw_skeletons, draw_skeletons_3d
from eccvkit.viz.style import GREY

#: Truth and estimate, in every figure of the chapter.
TRUTH, FOUND = "#0b5fa5", "#e07b00"
#: One marker per view.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def person_colours(count: int) -> list[str]:
    """As many colours as people, told apart by hue and lightness."""
    return [to_hex(plt.get_cmap("tab20")(k % 20)) for k in range(count)]


def feet_map(ax: Axes, scene: Scene, groups: np.ndarray | None = None) -> Axes:
    """Fig. 2: the feet of all views rectified to the ground, coloured by person, joined by group.

    Lines join the detections of one group; a line in black joins different people.

    Parameters
    ----------
    groups : (G, V) int array, optional
        Those of the scene if not given.
    """
    groups = scene.groups if groups is None else groups
    cameras, detections = scene.crowd.cameras, scene.detections
    colours = person_colours(len(scene.crowd))
    places = [feet_on_ground(d, c).mean(axis=1) for d, c in zip(detections, cameras)]
    for row in groups:
        members = [(v, i) for v, i in enumerate(row) if i >= 0]
        for (v, i), (u, j) in combinations(members, 2):
            same = detections[v].person[i] == detections[u].person[j]
            colour = colours[detections[v].person[i]] if same else "black"
            ends = np.array([places[v][i], places[u][j]])
            ax.plot(*ends.T, color=colour, lw=1.2 if same else 1.6, zorder=2 if same else 3)
    for v, (place, found) in enumerate(zip(places, detections)):
        shades = [colours[p] for p in found.person]
        ax.scatter(
            *place.T, c=shades, marker=MARKERS[v], s=38, edgecolors="black", lw=0.4, zorder=4
        )
        ax.scatter([], [], c=GREY, marker=MARKERS[v], s=38, label=f"view {v + 1}")
    true = feet_of_crowd(scene)
    ax.scatter(*true.T, marker="+", c="black", s=60, lw=1.3, zorder=5, label="truth")
    reach = 1.15 * np.abs(true).max() + 0.8
    draw_cameras(ax, cameras, size=0.3, distance=reach - 0.4)
    ax.set(xlabel="x in m", ylabel="y in m", aspect="equal", xlim=(-reach, reach))
    ax.set_ylim(-reach, reach)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def feet_of_crowd(scene: Scene) -> np.ndarray:
    """True midpoints of the feet on the ground (N, 2)."""
    return feet_of(scene.crowd.joints[..., :2]).mean(axis=1)


def ambiguity(
    scene: Scene, person: int, views: tuple[int, int], half_side: float, cells: int = 41
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What either cost says about one person's partner, were they anywhere on the ground.

    A copy of the person is put at every place of a grid and seen by the second view.

    Returns
    -------
    ticks : (n,) array
        Coordinates of the grid in metres.
    epipolar, feet : (n, n) arrays
        Pixels, and Eq. 4 in metres; rows are y.
    """
    first, second = (scene.crowd.cameras[v] for v in views)
    joints = scene.crowd.joints[person]
    origin = joints[17:, :2].mean(axis=0)
    ticks = np.linspace(-half_side, half_side, cells)
    x, y = np.meshgrid(ticks, ticks)
    shift = np.stack([x - origin[0], y - origin[1], np.zeros_like(x)], axis=-1).reshape(-1, 1, 3)
    seen, copies = first.project(joints[None]), second.project(joints + shift)
    epipolar = epipolar_cost(fundamental(first, second), seen, copies)[0]
    feet = [
        rectify(feet_of(pixels), np.linalg.inv(camera.ground))
        for pixels, camera in ((seen, first), (copies, second))
    ]
    return ticks, epipolar.reshape(cells, cells), feet_cost(*feet)[0].reshape(cells, cells)


def ambiguity_maps(
    axes: Sequence[Axes], scene: Scene, person: int, views: tuple[int, int], half_side: float
) -> tuple[float, float]:
    """Two maps of :func:`ambiguity`: a valley, and a well.

    Returns
    -------
    float, float
        Share of the ground where the epipolar cost is below 10 px, and Eq. 4 below 0.5 m.
    """
    ticks, epipolar, feet = ambiguity(scene, person, views, half_side)
    true = feet_of_crowd(scene)
    others = np.delete(true, person, axis=0)
    extent = (ticks[0], ticks[-1], ticks[0], ticks[-1])
    shows = (
        (axes[0], epipolar, 60.0, "epipolar, all joints", "mean distance in px", 10.0),
        (axes[1], feet, 3.0, "feet, Eq. 4", "cost in m", 0.5),
    )
    for ax, cost, top, title, label, level in shows:
        image = ax.imshow(cost, origin="lower", extent=extent, cmap="viridis", vmin=0, vmax=top)
        ax.contour(ticks, ticks, cost, levels=[level], colors="white", linewidths=1.5)
        ax.scatter(*others.T, c="white", s=34, edgecolors="black", lw=0.6, label="other people")
        ax.scatter(*true[person], marker="*", c="#ff4040", s=170, edgecolors="white", label="truth")
        ax.grid(visible=False)
        ax.set(xlabel="x in m", ylabel="y in m", title=title)
        ax.figure.colorbar(image, ax=ax, label=label, extend="max", shrink=0.85)
    axes[0].legend(loc="lower right")
    return float((epipolar < 10).mean()), float((feet < 0.5).mean())


def precision_curves(
    ax: Axes,
    study: Study,
    setting: str,
    densities: Sequence[int],
    colours: Mapping[str, str],
    measure: str = "precision",
) -> Axes:
    """Table 7 as curves: precision against the number of people, one line per matcher."""
    summary = study.summary().set_index(["variant", "metric"])
    for name, colour in colours.items():
        rows = summary.loc[[(name, f"{measure} {setting} N={n}") for n in densities]]
        ax.plot(densities, 100 * rows["mean"], "o-", color=colour, label=name)
        low, high = 100 * rows["low"], 100 * rows["high"]
        ax.fill_between(densities, low, high, color=colour, alpha=0.2, lw=0)
    ax.set(xlabel="people", ylabel=f"{measure} in %", title=setting, xticks=list(densities))
    return ax


def error_histograms(
    ax: Axes, errors: Mapping[str, np.ndarray], colours: Mapping[str, str]
) -> Axes:
    """Fig. 7: reprojection errors in pixels of some arms, on logarithmic axes."""
    edges = np.geomspace(0.1, 500, 60)
    for name, values in errors.items():
        shown = np.clip(values[np.isfinite(values)], edges[0], edges[-1])
        ax.hist(
            shown, edges, histtype="step", lw=2, color=colours[name],
            label=f"{name} (mean {values[np.isfinite(values)].mean():.1f} px)",
        )  # fmt: skip
    ax.set(xscale="log", xlabel="reprojection error in px", ylabel="joints in views")
    ax.legend(loc="upper left")
    return ax


def pictures_of(scene: Scene, factor: float, seed: int = 0) -> list[Picture]:
    """The rendered views of a scene."""
    rng = np.random.default_rng(seed)
    clothes = dress(len(scene.crowd), rng)
    cameras = (shrink(camera, factor) for camera in scene.crowd.cameras)
    return [render(camera, scene.crowd.joints, clothes) for camera in cameras]


def views_and_poses(
    scene: Scene, estimate: Tensor, *, half_side: float, factor: float = 2.0
) -> Figure:
    """Fig. 3: every view with detections, with reprojected estimates and truth; poses in space."""
    views = len(scene.crowd.cameras)
    figure = plt.figure(figsize=(2.9 * views, 7.6))
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.35, 1.0))
    axes = upper.subplots(2, views)
    reprojected, _ = project(scene.problem.cameras, estimate)
    for v, picture in enumerate(pictures_of(scene, factor)):
        for ax, pale in zip(axes[:, v], (0.25, 0.65)):
            ax.imshow(pale + (1 - pale) * picture.image)
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
        axes[0, v].set_title(f"view {v + 1}")
        colours = [person_colours(len(scene.crowd))[p] for p in scene.detections[v].person]
        found = smaller(scene.detections[v].joints, factor)
        draw_skeletons(axes[0, v], found, colours, width=1.2, dots=1.5)
        draw_skeletons(axes[1, v], smaller(scene.crowd.pixels[v], factor), TRUTH, width=1.3)
        draw_skeletons(axes[1, v], smaller(reprojected[:, :, v].numpy(), factor), FOUND, width=1.3)
        low, high = _around(smaller(scene.crowd.pixels[v], factor), picture.image.shape[:2])
        for ax in axes[:, v]:
            ax.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]))
    axes[0, 0].set_ylabel("detections")
    axes[1, 0].set_ylabel("truth and estimate")
    _poses_in_space(lower, scene, estimate, half_side)
    return figure


def _around(pixels: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a rectangle of 4 to 3 inside the image that shows all people."""
    low, high = pixels.min(axis=(0, 1)), pixels.max(axis=(0, 1))
    middle, extent = (low + high) / 2, 1.15 * (high - low)
    width = max(extent[0], extent[1] * 4 / 3)
    half = np.array([width, width * 3 / 4]) / 2
    return (middle - half).clip(-0.5), (middle + half).clip(max=np.array(size[::-1]) - 0.5)


def smaller(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Pixels of an image that is ``factor`` times smaller."""
    return (pixels + 0.5) / factor - 0.5


def _poses_in_space(figure, scene: Scene, estimate: Tensor, half_side: float) -> None:
    for k, (elevation, azimuth, title) in enumerate(
        ((12, -65, "in space"), (89, -90, "from above"))
    ):
        ax = figure.add_subplot(1, 2, k + 1, projection="3d")
        draw_floor(ax, half_side)
        draw_skeletons_3d(ax, scene.crowd.joints, TRUTH, label="truth")
        draw_skeletons_3d(ax, estimate.numpy(), FOUND, label="estimate")
        ax.view_init(elevation, azimuth)
        ax.set_title(title)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def one_person(axes: Sequence, scene: Scene, estimates: Mapping[str, Tensor], group: int) -> None:
    """Fig. 4: one person by several estimates, each beside the truth, from the same side."""
    truth = scene.truth[group].numpy()
    centre = truth[:, :2].mean(axis=0)
    for ax, (name, estimate) in zip(axes, estimates.items()):
        error = 1000 * (estimate[group] - scene.truth[group]).norm(dim=-1).nanmean()
        draw_floor(ax, 0.9, height=1.8, step=0.45)
        moved = estimate[group : group + 1].numpy() - [*centre, 0]
        draw_skeletons_3d(ax, truth[None] - [*centre, 0], TRUTH, width=2, label="truth")
        draw_skeletons_3d(ax, moved, FOUND, width=2, label="estimate")
        ax.view_init(8, -60)
        ax.set_title(f"{name}\n{error:.0f} mm")


def matching_panel(
    figure: Figure, detections: Sequence[ViewDetections], cameras: Sequence, half_side: float
) -> dict[str, tuple[int, int]]:
    """Two views: where the feet are, both cost matrices, and what is assigned.

    Rows and columns are sorted by person, so that right pairs lie on the diagonal. Black rings are
    right pairs, red crosses wrong ones.

    Returns
    -------
    dict of str to (int, int)
        Right and all pairs of either method.
    """
    first, second = detections
    axes = figure.subplots(1, 3, width_ratios=(1.1, 1, 1))
    feet = [feet_on_ground(d, c) for d, c in zip(detections, cameras)]
    costs = {
        "feet, Eq. 4 (m)": feet_costs(detections, cameras)[0, 1],
        "epipolar, all joints (px)": epipolar_cost(
            fundamental(*cameras), first.joints, second.joints
        ),
    }
    colours = person_colours(1 + int(max(first.person.max(), second.person.max())))
    for v, (found, own) in enumerate(zip(detections, feet)):
        for person, pair in zip(found.person, own):
            axes[0].plot(*pair.T, color=colours[person], lw=1.5)
            axes[0].plot(*pair.mean(axis=0), MARKERS[v], color=colours[person], ms=6, mec="black")
        axes[0].plot([], [], MARKERS[v], color=GREY, label=f"view {v + 1}")
    reach = half_side + 1.5
    draw_cameras(axes[0], cameras, distance=reach - 0.8)
    axes[0].set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="x in m",
                ylabel="y in m", title="feet on the ground")  # fmt: skip
    axes[0].legend(loc="lower left")
    rows, columns = np.argsort(first.person), np.argsort(second.person)
    counts = {}
    for ax, (name, cost) in zip(axes[1:], costs.items()):
        pairs = assign(cost)
        right = first.person[pairs[:, 0]] == second.person[pairs[:, 1]]
        counts[name] = int(right.sum()), len(pairs)
        shown = np.where(np.isfinite(cost), cost, np.nan)[np.ix_(rows, columns)]
        image = ax.imshow(shown, cmap="viridis_r", vmin=0, vmax=np.nanpercentile(shown, 80))
        place = np.argsort(rows)[pairs[:, 0]], np.argsort(columns)[pairs[:, 1]]
        ax.scatter(place[1][right], place[0][right], s=70, facecolors="none", edgecolors="black",
                   lw=2)  # fmt: skip
        ax.scatter(place[1][~right], place[0][~right], s=80, marker="x", c="#ff2020", lw=3)
        ax.grid(visible=False)
        ax.set(xlabel="people of view 2", ylabel="people of view 1", xticks=[], yticks=[],
               title=f"{name}: {counts[name][0]} of {counts[name][1]}")  # fmt: skip
        figure.colorbar(image, ax=ax, shrink=0.7, extend="max")
    return counts


def heatmap_rows(
    images: Tensor, maps: Tensor, joints: Sequence[int], titles: Sequence[str]
) -> Figure:
    """Crops, and the maps of some joints on top of them.

    Parameters
    ----------
    images : Tensor
        (n, 3, H, W) in [0, 1].
    maps : Tensor
        (n, J, h, w)
    joints : sequence of int
        One column each, after the crop.
    titles : sequence of str
        Of these columns.
    """
    count = len(images)
    figure, axes = plt.subplots(
        count, 1 + len(joints), figsize=(1.35 * (1 + len(joints)), 1.85 * count), squeeze=False
    )
    size = images.shape[-2:]
    large = torch.nn.functional.interpolate(maps, size=size, mode="bilinear")
    for row, image, own in zip(axes, images, large):
        picture = image.permute(1, 2, 0).clamp(0, 1)
        row[0].imshow(picture)
        for ax, joint in zip(row[1:], joints):
            ax.imshow(picture.mean(dim=-1) * 0.6, vmin=0, vmax=1)
            heat = own[joint].clamp(0, 1)
            ax.imshow(heat, cmap="inferno", vmin=0, vmax=0.9, alpha=0.15 + 0.85 * heat.numpy())
        for ax in row:
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
    axes[0, 0].set_title("crop", fontsize="small")
    for ax, title in zip(axes[0, 1:], titles):
        ax.set_title(title, fontsize="small")
    return figure
