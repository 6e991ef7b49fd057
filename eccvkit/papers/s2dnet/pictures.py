"""The figures of paper 37: pipeline (Fig. 2), accuracy (Fig. 3, Table 1), maps (Fig. 4), pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.ticker import PercentFormatter
from torch import Tensor

from eccvkit.data.homography_pairs import Pairs, change_light, inside, random_homographies, warp
from eccvkit.data.stereo import StereoPair
from eccvkit.metrics.matching import THRESHOLDS
from eccvkit.papers.s2dnet.arms import Matcher
from eccvkit.papers.s2dnet.claims import DETECTOR_AXIS, TAU_ALONE_AXIS, TAU_AXIS
from eccvkit.papers.s2dnet.experiment import LEVEL_NAMES
from eccvkit.papers.s2dnet.matching import (
    best_pixel,
    check_keypoints,
    log_probabilities,
    sample_descriptors,
)
from eccvkit.study import Study
from eccvkit.viz.curves import sweep
from eccvkit.viz.style import GREY, PALETTE

#: Colours of a map: so few that the stored picture stays small, and enough for the eye.
SHADES = plt.get_cmap("magma", 20)
#: Colours of a keypoint, its true place, and what was found, in every picture.
KEYPOINT, TRUTH, FOUND = PALETTE[1], PALETTE[2], PALETTE[3]


def picture(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] as (H, W, 3)."""
    return image.detach().cpu().permute(1, 2, 0).clamp(0, 1).numpy()


def bare(ax: Axes, title: str = "") -> Axes:
    """No ticks, no grid."""
    ax.set(xticks=[], yticks=[], title=title)
    ax.grid(visible=False)
    return ax


def mark(ax: Axes, point: Sequence[float], colour: str, marker: str = "+") -> None:
    """One point (x, y) with a white rim, readable on any image."""
    style = {"marker": marker, "s": 110, "linewidths": 2.2}
    if marker == "o":
        style["facecolors"] = "none"
    for rim, width in (("white", 4.5), (colour, 2.2)):
        own = {"edgecolors": rim} if marker == "o" else {"c": rim}
        ax.scatter(*point, **(style | own | {"linewidths": width}), zorder=5)


@torch.no_grad()
def maps_of_keypoint(
    matcher: Matcher, first: Tensor, second: Tensor, keypoint: Sequence[float]
) -> dict[str, Tensor]:
    """The correspondence map of every level, their sum, and its softmax, each (H, W).

    Parameters
    ----------
    matcher : Matcher
        Of the classification loss.
    first, second : Tensor
        (3, H, W)
    keypoint : (float, float)
        (x, y) in the first image.
    """
    matcher.eval()
    sizes = tuple(first.shape[-2:]), tuple(second.shape[-2:])
    kp = torch.tensor(keypoint, dtype=torch.float32, device=first.device).reshape(1, 1, 2)
    check_keypoints(kp, sizes[0])
    a, b = matcher.features(first[None], second[None])
    maps = {
        f"{name} (stride {stride})": matcher.similarity(a, b, sizes, (m,))(kp)
        for m, (name, stride) in enumerate(zip(LEVEL_NAMES, matcher.strides))
    }
    maps["sum"] = matcher.similarity(a, b, sizes)(kp)
    maps["softmax"] = log_probabilities(maps["sum"]).exp()
    return {name: values[0, 0].cpu() for name, values in maps.items()}


def correspondence_maps(
    matcher: Matcher,
    pairs: Pairs | StereoPair,
    rows: Sequence[tuple[int, Sequence[float]]],
) -> Figure:
    """Fig. 4: keypoint, map of every level, their sum, its softmax, and B, one pair per row.

    Levels and sum have a scale of their own, from the lowest to the highest value; the softmax has
    the same scale everywhere, the square root of the probability from 0 to 1.

    Parameters
    ----------
    rows : sequence of (int, (float, float))
        Index of the pair and keypoint (x, y) of its first image.
    """
    columns = 4 + len(matcher.strides)
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(1.02 * columns, 1.2 * len(rows) + 0.35), squeeze=False
    )
    for k, (row, (index, keypoint)) in enumerate(zip(axes, rows)):
        map_row(row, matcher, pairs, index, keypoint, titles=k == 0)
    return figure


def map_row(
    axes: Sequence[Axes],
    matcher: Matcher,
    pairs: Pairs | StereoPair,
    index: int,
    keypoint: Sequence[float],
    *,
    titles: bool = True,
) -> None:
    """One row of :func:`correspondence_maps`, into four more axes than there are levels."""
    first, second = pairs.first[index], pairs.second[index]
    maps = maps_of_keypoint(matcher, first, second, keypoint)
    axes[0].imshow(picture(first))
    mark(axes[0], keypoint, KEYPOINT)
    for ax, (name, values) in zip(axes[1:], maps.items()):
        scale = {"norm": PowerNorm(0.5, 0, 1)} if name == "softmax" else {}
        ax.imshow(values.numpy(), cmap=SHADES, **scale)
        bare(ax, name.replace(" (", "\n(") if titles else "")
    found = best_pixel(maps["sum"][None, None])
    axes[-1].imshow(picture(second))
    truth = _truth(pairs, index, keypoint)
    if truth is not None:
        mark(axes[-1], truth, TRUTH, "o")
    mark(axes[-1], found.points[0, 0].tolist(), FOUND)
    bare(axes[0], "A and\nkeypoint" if titles else "")
    bare(axes[-1], "B: found +\ntrue o" if titles else "")
    for ax in axes:
        ax.title.set_fontsize("small")
        ax.xaxis.label.set_fontsize("small")
    axes[-2].set_xlabel(f"p = {found.confidence.item():.2f}")
    axes[-1].set_xlabel("" if truth else "not in B")


def _truth(pairs: Pairs | StereoPair, index: int, keypoint: Sequence[float]) -> list[float] | None:
    """The true place of a keypoint, if it is known and inside B."""
    points = torch.zeros(len(pairs), 1, 2)
    points[index, 0] = torch.tensor(keypoint)
    located, known = pairs.truth(points)
    visible = known & inside(located, pairs.second.shape[-2:], -0.5)
    return located[index, 0].tolist() if bool(visible[index, 0]) else None


def match_lines(
    ax: Axes,
    first: Tensor,
    second: Tensor,
    keypoints: Tensor,
    points: Tensor,
    errors: Tensor,
    *,
    within: float = 3.0,
) -> Axes:
    """Both images side by side, a line per match: blue within ``within`` pixels, orange beyond.

    The images are pale and grey, so that the lines are seen and the stored picture is small.

    Parameters
    ----------
    first, second : Tensor
        (3, H, W) of equal height.
    keypoints, points : Tensor
        (K, 2)
    errors : Tensor
        (K,) in pixels.
    """
    gap = np.ones((first.shape[1], 4))
    both = np.concatenate([picture(first).mean(axis=2), gap, picture(second).mean(axis=2)], axis=1)
    ax.imshow(0.3 + 0.7 * np.round(10 * both) / 10, cmap="gray", vmin=0, vmax=1)
    shift = first.shape[-1] + 4
    for (x, y), (u, v), error in zip(keypoints.tolist(), points.tolist(), errors.tolist()):
        colour = PALETTE[0] if error <= within else PALETTE[1]
        ax.plot([x, u + shift], [y, v], "-", color=colour, lw=0.9, alpha=0.8)
    return bare(ax)


def accuracy_curves(
    ax: Axes,
    study: Study,
    arms: Sequence[str],
    colours: Mapping[str, str],
    test: str = "",
    *,
    title: str = "",
) -> Axes:
    """Fig. 3: MMA against the threshold, means with their 95% intervals, arms side by side.

    Parameters
    ----------
    test : str
        "" for both synthetic sets together, else "illum", "view" or "stereo".
    """
    summary = study.summary().set_index(["variant", "metric"])
    suffix = f" {test}" if test else ""
    names = [f"mma@{t}{suffix}" for t in THRESHOLDS]
    # Evenly spaced thresholds, and a small shift per arm: intervals that coincide stay readable.
    at = np.arange(len(THRESHOLDS))
    for k, arm in enumerate(arms):
        rows = 100 * summary.loc[[(arm, name) for name in names], ["mean", "low", "high"]]
        spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["mean"].to_numpy())
        shift = 0.11 * (k - (len(arms) - 1) / 2)
        ax.errorbar(
            at + shift, rows["mean"], np.nan_to_num(spread), fmt="o-", ms=4, lw=1.5, elinewidth=1.2,
            color=colours.get(arm, GREY), label=arm,
        )  # fmt: skip
    ax.set(xlabel="threshold in pixels", ylabel="MMA in %", title=title or test or "both")
    ax.set_xticks(at, THRESHOLDS)
    ax.grid(axis="x", visible=False)
    return ax


def detector_bars(ax: Axes, study: Study, metric: str = "mma@1") -> Axes:
    """Table 1a: sparse-to-sparse and sparse-to-dense accuracy for each detector, with intervals."""
    summary = study.summary()
    summary = summary[summary["metric"] == metric].set_index("variant")
    at = np.arange(len(DETECTOR_AXIS))
    for k, (name, colour) in enumerate((("sparse-to-sparse", GREY), ("sparse-to-dense", FOUND))):
        rows = (
            100 * summary.loc[[arms[k] for arms in DETECTOR_AXIS.values()], ["mean", "low", "high"]]
        )
        spread = np.abs(rows[["low", "high"]].to_numpy().T - rows["mean"].to_numpy())
        spread = np.nan_to_num(spread)
        ax.bar(at + 0.38 * (k - 0.5), rows["mean"], 0.36, yerr=spread, color=colour, label=name)
    ax.set_xticks(at, list(DETECTOR_AXIS))
    ax.set(ylabel=f"MMA at {metric.partition('@')[2]} px in %")
    ax.set_ylim(0, 122)
    ax.set_yticks(range(0, 101, 20))
    ax.grid(axis="x", visible=False)
    # Above the bars: no interval reaches there.
    ax.legend(loc="upper center", ncols=2)
    return ax


def threshold_sweep(axes: Sequence[Axes], study: Study) -> None:
    """Accuracy, share of right ones, number of matches, and empty pairs against tau; four axes."""
    titles = {
        "mma@1": "MMA at 1 px",
        "precision@1": "right of all matches, 1 px",
        "matches": "matches per pair",
        "empty": "pairs without a match",
    }
    lines = {"after the cyclic check": TAU_AXIS, "without it": TAU_ALONE_AXIS}
    for ax, (metric, title) in zip(axes, titles.items()):
        for (label, axis), colour in zip(lines.items(), (PALETTE[3], GREY)):
            sweep(ax, study, axis, metric, colour=colour, label=label)
        ax.set(xlabel=r"confidence threshold $\tau$", ylabel="", title=title)
        # 0.05 has a marker; its label would touch its neighbours'.
        ax.set_xticks([tau for tau in TAU_AXIS.values() if tau != 0.05])
        if metric != "matches":
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def pose_curve(ax: Axes, table: pd.DataFrame) -> Axes:
    """Fig. 1, left: error of the camera's position against the noise on its keypoints.

    Parameters
    ----------
    table : pandas.DataFrame
        See :func:`eccvkit.papers.s2dnet.pose.pose_noise`.
    """
    groups = table.groupby("sigma")["metres"]
    low, middle, high = (100 * groups.quantile(q) for q in (0.1, 0.5, 0.9))
    ax.plot(middle.index, middle, "o-", color=PALETTE[0], label="median")
    ax.fill_between(middle.index, low, high, color=PALETTE[0], alpha=0.2, lw=0, label="10% to 90%")
    ax.set(xlabel="noise on keypoints in pixels", ylabel="error of position in cm")
    ax.legend()
    return ax


def pipeline(ax: Axes) -> Axes:
    """Fig. 2: the matching pipeline as a diagram, with the paper's sizes for a 512 x 512 crop."""
    ax.set(xlim=(0, 12.4), ylim=(0, 5.2))
    levels = (("conv1_2", 512, 4.1), ("conv3_3", 128, 2.6), ("conv5_3", 32, 1.1))
    _box(ax, 0.1, 3.0, 1.6, 1.2, "image A\nkeypoints", PALETTE[1])
    _box(ax, 0.1, 0.9, 1.6, 1.2, "image B\nall pixels", PALETTE[2])
    for (name, side, y), shade in zip(levels, (0.25, 0.5, 0.8)):
        _box(
            ax, 2.7, y - 0.45, 2.3, 0.9, f"{name} + adaptation\n128 x {side} x {side}", GREY, shade
        )
        _arrow(ax, (1.75, 3.6), (2.65, y + 0.15), PALETTE[1])
        _arrow(ax, (1.75, 1.5), (2.65, y - 0.15), PALETTE[2])
        _box(ax, 5.8, y - 0.45, 1.9, 0.9, f"descriptor * map\n{side} x {side}", PALETTE[0], shade)
        _arrow(ax, (5.05, y), (5.75, y))
        _arrow(ax, (7.75, y), (8.95, 2.75 + 0.25 * (y - 2.6)))
    ax.text(8.3, 4.35, "upsample\nto B", ha="center", va="center", fontsize="small")
    _box(ax, 9.0, 2.1, 1.1, 1.0, "sum\n512 x 512", PALETTE[0])
    _arrow(ax, (10.15, 2.6), (10.65, 2.6))
    _box(ax, 10.7, 2.1, 1.6, 1.0, "softmax over\n262,144 pixels", FOUND)
    ax.set_axis_off()
    return ax


def _box(
    ax: Axes, x: float, y: float, w: float, h: float, text: str, colour: str, alpha: float = 0.45
) -> None:
    ax.add_patch(Rectangle((x, y), w, h, facecolor=colour, alpha=alpha * 0.6, edgecolor="none"))
    ax.add_patch(Rectangle((x, y), w, h, facecolor="none", edgecolor=colour, linewidth=1.5))
    ax.text(x + w / 2, y + h / 2, text, ha="center", va="center", fontsize="small")


def _arrow(ax: Axes, start: tuple, end: tuple, colour: str = "#444444") -> None:
    ax.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=10, color=colour, lw=1.2)
    )


@torch.no_grad()
def warped_descriptors(
    matcher: Matcher, image: Tensor, keypoints: Tensor, *, warps: int = 10, seed: int = 0
) -> tuple[list[np.ndarray], np.ndarray]:
    """Descriptors of the same keypoints in several warps of one image, for each level.

    Parameters
    ----------
    image : Tensor
        (3, H, W)
    keypoints : Tensor
        (K, 2)
    warps : int
        How often the image is warped and gets another light.
    seed : int

    Returns
    -------
    descriptors : list of ndarray
        (n, d) per level, for every place where a keypoint is visible.
    labels : ndarray
        (n,) index of the keypoint.
    """
    matcher.eval()
    draw = torch.Generator().manual_seed(seed)
    size = tuple(image.shape[-2:])
    homographies = random_homographies(warps, min(size), draw)
    copies = image.cpu()[None].expand(warps, -1, -1, -1)
    warped = change_light(warp(copies, homographies, size), draw)
    pairs = Pairs(copies, warped, homographies)
    located, _ = pairs.truth(keypoints.cpu()[None].expand(warps, -1, -1))
    visible = inside(located, size, 2.0)
    safe = torch.where(visible[..., None], located, 0.0).to(image.device)
    descriptors = [
        sample_descriptors(level, safe, stride).cpu()[visible].numpy()
        for level, stride in zip(matcher.network(warped.to(image.device)), matcher.strides)
    ]
    labels = torch.arange(len(keypoints)).expand(warps, -1)[visible].numpy()
    return descriptors, labels
