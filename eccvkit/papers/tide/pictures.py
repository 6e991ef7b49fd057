"""Pictures of paper 33, except the two-panel figure (Fig. 3), which is in its report.

Error types on images (Fig. 1), stacked curves (Fig. 2), weights per size (Fig. 5), and the most
confident errors (Fig. 7).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from eccvkit.data.detections import GroundTruth
from eccvkit.metrics.detection import RECALLS
from eccvkit.papers.tide.analysis import Analysis
from eccvkit.papers.tide.bins import MEANING, TYPES
from eccvkit.viz.images import as_pictures
from eccvkit.viz.style import PALETTE

#: The colour of each kind of error, everywhere.
COLOURS = dict(zip(TYPES, PALETTE))
#: Boxes on images: annotated objects, true positives, false positives.
OBJECT, CORRECT, FALSE = "#39ff6a", "#4db8ff", "#ff3b30"
#: Where the overlap lies that defines each kind, and with an object of which class (Sect. 2.2).
_RANGES = {
    "Cls": ("wrong class", 0.5, 1.0),
    "Loc": ("right class", 0.1, 0.5),
    "Both": ("wrong class", 0.1, 0.5),
    "Dupe": ("right class", 0.5, 1.0),
    "Bkg": ("any class", 0.0, 0.1),
}


def examples(analysis: Analysis, least_side: float = 14.0) -> dict[str, int]:
    """The most confident error of each kind whose box is large enough to be seen.

    Returns
    -------
    dict of str to int
        Position in ``analysis.pairs.rows``; for "Miss" a row of the ground truth, the largest
        object. Kinds that do not occur are left out.
    """
    rows, det, gt = analysis.pairs.rows, analysis.dataset.det, analysis.dataset.gt
    large = det.box[rows, 2:].min(axis=1) >= least_side
    chosen = {}
    for name in TYPES[:-1]:
        mine = analysis.errors.of(name)
        mine = mine[large[mine]] if large[mine].any() else mine
        if len(mine):
            chosen[name] = int(mine[det.score[rows[mine]].argmax()])
    missed = np.flatnonzero(analysis.errors.missed)
    if len(missed):
        chosen["Miss"] = int(missed[gt.box[missed, 2:].prod(axis=1).argmax()])
    return chosen


def overlap_of(analysis: Analysis, position: int, kind: str) -> float:
    """Largest overlap of a detection with the objects that the definition of its kind looks at."""
    pairs = analysis.pairs
    mine = pairs.det == position
    of_class = {"right class": pairs.same_class, "wrong class": ~pairs.same_class}
    mine &= of_class.get(_RANGES[kind][0], True)
    return float(pairs.iou[mine].max(initial=0.0))


def error_types(analysis: Analysis, images: Tensor) -> Figure:
    """Fig. 1: one example of each kind, and below it the overlap that defines the kind.

    Parameters
    ----------
    analysis : Analysis
    images : Tensor (N, 3, H, W)
        In the order of the data set.
    """
    chosen = examples(analysis)
    figure, axes = plt.subplots(
        2, len(TYPES), figsize=(14, 4.3), height_ratios=(6, 1), squeeze=False
    )
    for ax, bar, name in zip(*axes, TYPES):
        ax.set_title(f"{name}\n{textwrap.fill(MEANING[name], 22)}", fontsize="small")
        bare_image(ax)
        if name not in chosen:
            ax.text(0.5, 0.5, "none here", ha="center", transform=ax.transAxes)
        else:
            _draw_example(ax, analysis, images, name, chosen[name])
        _draw_range(bar, analysis, name, chosen.get(name))
    return figure


def _draw_example(ax: Axes, analysis: Analysis, images: Tensor, name: str, which: int) -> None:
    dataset, rows = analysis.dataset, analysis.pairs.rows
    det, gt, names = dataset.det, dataset.gt, dataset.categories
    if name == "Miss":
        image, box = gt.image[which], gt.box[which]
    else:
        row = rows[which]
        image, box = det.image[row], det.box[row]
    ax.imshow(as_pictures(images[image : image + 1].cpu())[0], vmin=0, vmax=1)
    for i in np.flatnonzero(gt.image == image):
        if name != "Miss" or i != which:
            draw_box(ax, gt.box[i], OBJECT, names[gt.category[i]])
    if name == "Dupe":
        first = rows[np.flatnonzero(analysis.found == analysis.errors.object[which])[0]]
        draw_box(ax, det.box[first], CORRECT, f"{det.score[first]:.2f}", above=False)
    if name == "Miss":
        draw_box(ax, box, FALSE, f"{names[gt.category[which]]}, missed", style="--")
    else:
        label = f"{names[det.category[row]]} {det.score[row]:.2f}"
        draw_box(ax, box, FALSE, label, above=False, style="--")
    zoom(ax, box, images.shape[-1])


def _draw_range(ax: Axes, analysis: Analysis, name: str, position: int | None) -> None:
    ax.set(xlim=(0, 1), ylim=(0, 1), yticks=[])
    ax.set_xticks(
        [0, analysis.t_b, analysis.t_f, 1], ["0", "$t_b$", "$t_f$", "1"], fontsize="small"
    )
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    if name not in _RANGES:
        ax.set_xlabel("no detection", fontsize="small")
        return
    whose, low, high = _RANGES[name]
    ax.barh(0.5, high - low, left=low, height=0.7, color="#ff9f1c")
    ax.set_xlabel(f"IoU, {whose}", fontsize="small")
    if position is not None:
        ax.plot(overlap_of(analysis, position, name), 0.5, "o", color="black", ms=6)


def draw_box(
    ax: Axes,
    box: Sequence[float],
    colour: str,
    text: str = "",
    *,
    above: bool = True,
    style: str = "-",
) -> None:
    """A frame around (x, y, width, height) in pixels, with a text above or below it.

    A text that would leave the upper edge of the picture stands inside the frame.
    """
    x, y, w, h = box
    inside = above and y < 8
    frame = Rectangle((x - 0.5, y - 0.5), w, h, fill=False, ec=colour, lw=1.8, ls=style)
    ax.add_patch(frame)
    if text:
        ax.text(
            x - 0.5,
            max(y, 0) if inside else y - 1 if above else y + h,
            text,
            color="black",
            fontsize=6.5,
            va="bottom" if above and not inside else "top",
            clip_on=True,
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8},
        )


def zoom(ax: Axes, box: Sequence[float], side: int, factor: float = 2.2, least: float = 44) -> None:
    """Show a square window around a box, inside the image."""
    x, y, w, h = box
    size = min(side, max(least, factor * max(w, h)))
    left, top = (float(np.clip(c - size / 2, 0, side - size)) for c in (x + w / 2, y + h / 2))
    ax.set(xlim=(left - 0.5, left + size - 0.5), ylim=(top + size - 0.5, top - 0.5))


def bare_image(ax: Axes) -> None:
    """No ticks and no grid."""
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)


def stacked_curves(ax: Axes, analysis: Analysis, order: Sequence[str]) -> Axes:
    """Fig. 2: precision against recall as one oracle after another acts; areas are Eq. 4's weights.

    Precision is the mean over the categories at each of the 101 recalls.
    """
    below = np.nanmean(analysis.curves(), axis=0)
    ax.fill_between(RECALLS, below, color="#e6e6e6", lw=0)
    ax.plot(RECALLS, below, color="black", lw=1.5, label=f"as it is: {analysis.ap():.1f}")
    for i, name in enumerate(order):
        above = _mean_curve(analysis, order[: i + 1])
        weight = analysis.ap(order[: i + 1]) - analysis.ap(order[:i])
        ax.fill_between(
            RECALLS, below, above, color=COLOURS[name], lw=0, label=f"{name} +{weight:.1f}"
        )
        below = above
    ax.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="recall", ylabel="precision")
    ax.legend(loc="lower left")
    return ax


def _mean_curve(analysis: Analysis, oracles: Iterable[str]) -> np.ndarray:
    curves = analysis.curves(oracles)
    kept = ~np.isnan(curves).all(axis=1)
    return curves[kept].mean(axis=0) if kept.any() else np.ones(len(RECALLS))


def places(ax: Axes, table: pd.DataFrame) -> Axes:
    """Mean progressive weight of each kind against its place in the order.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`eccvkit.papers.tide.weights.by_position`.
    """
    for name, row in table.iterrows():
        ax.plot(row.index, row.values, "o-", color=COLOURS[name], label=name)
    ax.set(xlabel="place in the order of repair", ylabel="mean progressive weight (points)")
    ax.set_xticks(table.columns)
    points_axis(ax)
    ax.legend(ncols=2)
    return ax


def points_axis(ax: Axes) -> None:
    """Make the vertical axis linear below 1 point and logarithmic above, with plain numbers.

    Call it when everything is drawn.
    """
    ax.set_yscale("symlog", linthresh=1)
    ticks = [tick for tick in (0, 0.5, 1, 2, 5, 10, 20, 50, 100) if tick <= ax.get_ylim()[1]]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()


def size_bars(axes: Sequence[Axes], weights: Mapping[str, pd.DataFrame], colours) -> None:
    """Fig. 5: one panel per kind of error, grouped bars of the size bins, one bar per detector.

    Parameters
    ----------
    axes : sequence of Axes
        One per row of the tables.
    weights : mapping of str to pandas.DataFrame
        For each detector the table of :func:`eccvkit.papers.tide.weights.restricted`.
    colours : mapping of str to str
        Per detector.
    """
    width = 0.8 / len(weights)
    for k, (detector, table) in enumerate(weights.items()):
        for ax, (name, row) in zip(axes, table.iterrows()):
            x = np.arange(len(row)) + (k - (len(weights) - 1) / 2) * width
            bars = ax.bar(x, row, width, color=colours[detector], label=detector)
            ax.bar_label(bars, fmt="%.1f", fontsize="x-small", padding=1)
            ax.set_xticks(range(len(row)), row.index)
            ax.set_title(name)
            ax.axhline(0, color="black", lw=0.8)
            ax.grid(axis="x", visible=False)


def most_confident(analysis: Analysis, kind: str, most: int = 100) -> np.ndarray:
    """Positions of the most confident errors of a kind, by falling score."""
    mine = analysis.errors.of(kind)
    score = analysis.dataset.det.score[analysis.pairs.rows[mine]]
    return mine[np.argsort(-score, kind="stable")[:most]]


def confident_errors(
    axes: Sequence[Axes],
    analysis: Analysis,
    images: Tensor,
    kind: str,
    every_object: GroundTruth,
) -> None:
    """Fig. 7: the most confident errors of a kind, with the annotations and those that are missing.

    Parameters
    ----------
    axes : sequence of Axes
        One per error.
    analysis : Analysis
        On incomplete annotations.
    images : Tensor (N, 3, H, W)
    kind : str
    every_object : GroundTruth
        The complete annotations; what is not in the analysis is drawn white and dotted.
    """
    dataset = analysis.dataset
    known = {tuple(row) for row in np.c_[dataset.gt.image, dataset.gt.box].tolist()}
    for ax, position in zip(axes, most_confident(analysis, kind, len(axes))):
        row = analysis.pairs.rows[position]
        image, box = dataset.det.image[row], dataset.det.box[row]
        ax.imshow(as_pictures(images[image : image + 1].cpu())[0], vmin=0, vmax=1)
        for i in np.flatnonzero(every_object.image == image):
            if (float(image), *every_object.box[i].tolist()) in known:
                draw_box(ax, every_object.box[i], OBJECT)
            else:
                draw_box(ax, every_object.box[i], "white", style=":")
        draw_box(ax, box, FALSE, style="--")
        zoom(ax, box, images.shape[-1])
        label = dataset.categories[dataset.det.category[row]]
        ax.set_title(f"{label} {dataset.det.score[row]:.2f}", fontsize="x-small")
    for ax in axes:
        bare_image(ax)


def explained(analysis: Analysis, kind: str, every_object: GroundTruth, most: int = 100) -> float:
    """Share of the most confident errors of a kind that complete annotations would not call errors.

    Such a detection overlaps an object of its class by at least ``t_f`` that the analysis does not
    know.

    Returns
    -------
    float
        In [0, 1]; NaN without errors of this kind.
    """
    from eccvkit.metrics.detection import box_iou_pairs

    dataset = analysis.dataset
    known = {tuple(row) for row in np.c_[dataset.gt.image, dataset.gt.box].tolist()}
    rows = analysis.pairs.rows[most_confident(analysis, kind, most)]
    excused = []
    for row in rows:
        same = every_object.image == dataset.det.image[row]
        same &= every_object.category == dataset.det.category[row]
        box = every_object.box[same]
        iou = box_iou_pairs(np.repeat(dataset.det.box[row][None], len(box), axis=0), box)
        unknown = [(float(dataset.det.image[row]), *b) not in known for b in box.tolist()]
        excused.append(bool((iou[unknown] >= analysis.t_f).any()))
    return float(np.mean(excused)) if excused else float("nan")


def mask_overlay(ax: Axes, image: Tensor, masks: Sequence[dict], boxes, texts, colours) -> Axes:
    """An image with soft-edged masks and frames of some detections."""
    from pycocotools import mask as coco_mask

    picture = as_pictures(image.unsqueeze(0).cpu())[0].copy()
    for code, colour in zip(masks, colours):
        inside = coco_mask.decode(code).astype(bool)
        tint = np.array(plt.matplotlib.colors.to_rgb(colour))
        picture[inside] = 0.45 * picture[inside] + 0.55 * tint
    ax.imshow(picture, vmin=0, vmax=1)
    for box, text, colour in zip(boxes, texts, colours):
        draw_box(ax, box, colour, text)
    bare_image(ax)
    return ax
