"""The figures of paper 26: scenes, parsing timelines, attention, the path of the bias, features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from eccvkit.data.av_render import frames, log_mel, waveform
from eccvkit.data.av_scenes import SnippetLabels
from eccvkit.papers.avvp.pooling import AUDIO, VISUAL, attention_tensors
from eccvkit.training import History
from eccvkit.viz.embed import bare, project
from eccvkit.viz.style import GREY, PALETTE
from eccvkit.viz.timelines import heat_rows, timeline


def scene(truth: SnippetLabels, index: int, names: Sequence[str]) -> Figure:
    """One video as a person meets it: its sound, its pictures, and what is heard and seen when."""
    heard, seen = truth.audio[index], truth.visual[index]
    t = len(heard)
    figure, (sound, pictures, lanes) = plt.subplots(
        3, 1, figsize=(10, 5.2), height_ratios=(1.1, 0.9, 1.5)
    )
    mel = log_mel(waveform(heard))
    sound.imshow(mel, origin="lower", aspect="auto", cmap="magma", extent=(0, t, 0, 1))
    sound.set(yticks=[], ylabel="pitch", title="sound: power over time and pitch")
    strip = np.concatenate(list(frames(seen)), axis=1)
    pictures.imshow(strip, aspect="auto", extent=(0, t, 0, 1), vmin=0, vmax=1)
    pictures.set(yticks=[], title="pictures: one per second")
    for ax in (sound, pictures):
        ax.set_xticks(np.arange(t + 1), [])
        ax.grid(visible=False)
    for x in range(1, t):
        pictures.axvline(x, color="white", lw=1.5)
    timeline(lanes, {"heard": heard, "seen": seen, "heard and seen": heard & seen}, names)
    lanes.set_title("what has to be found")
    return figure


def parsing_rows(
    truth: SnippetLabels, parsed: tuple[np.ndarray, np.ndarray], index: int
) -> dict[str, np.ndarray]:
    """Rows for :func:`eccvkit.viz.timelines.timeline`: truth and prediction of each event type."""
    heard, seen = parsed[0][index], parsed[1][index]
    return {
        "heard, truth": truth.audio[index],
        "heard, found": heard,
        "seen, truth": truth.visual[index],
        "seen, found": seen,
        "both, truth": truth.audio_visual[index],
        "both, found": heard & seen,
    }


#: Rows of :func:`parsing_rows` that are predictions.
FOUND = ("heard, found", "seen, found", "both, found")


def attention_rows(
    axes: Sequence[Axes],
    p: Tensor,
    f_tp: Tensor,
    f_av: Tensor,
    class_index: int,
    on: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Fig. 4 with numbers: P, W_tp, W_av and their product for one video and one class.

    Parameters
    ----------
    axes : four Axes
    p, f_tp, f_av : (T, 2, C) Tensor
        One video of :class:`~eccvkit.papers.avvp.network.Instances`.
    class_index : int
    on : pair of (T,) bool, optional
        Seconds in which the class is heard, and seen: underlined.
    """
    w_tp, w_av = (w[0] for w in attention_tensors(f_tp[None], f_av[None]))
    product = p * w_tp * w_av
    shown = {
        "instance probability P": (p, 1.0),
        r"$W_{tp}$: each row sums to 1": (w_tp, 0.5),
        r"$W_{av}$: each column sums to 1": (w_av, 1.0),
        r"product, sums to $\bar p$ = " + f"{product[..., class_index].sum():.2f}": (product, 0.5),
    }
    for ax, (title, (values, vmax)) in zip(axes, shown.items(), strict=True):
        rows = values[:, [AUDIO, VISUAL], class_index].T.detach().numpy()
        heat_rows(ax, rows, ["audio", "visual"], vmax=vmax, write=True)
        ax.set_title(title)
        for row, active in enumerate(on or ()):
            for second in np.flatnonzero(active):
                ax.plot([second + 0.08, second + 0.92], [row + 0.93] * 2, color=PALETTE[3], lw=4)


def bias_path(
    ax: Axes, histories: Mapping[str, History], colours: Mapping[str, str], marks: Sequence[int]
) -> Axes:
    """Audio against visual F-score during training, one line per arm; some epochs are numbered."""
    for arm, history in histories.items():
        frame = history.frame
        x, y = 100 * frame["segment audio"], 100 * frame["segment visual"]
        ax.plot(x, y, "o-", ms=4, lw=1.5, color=colours.get(arm, GREY), label=arm)
        for n, epoch in enumerate(frame["epoch"]):
            if epoch in marks:
                ax.annotate(
                    str(epoch),
                    (x[n], y[n]),
                    xytext=(5, -11),
                    textcoords="offset points",
                    fontsize="small",
                    color=colours.get(arm, GREY),
                )
    ax.axline((0, 0), slope=1, color="black", lw=1, ls="--")
    ax.set(
        xlabel="audio F-score, %, segments",
        ylabel="visual F-score, %, segments",
        title="during training (numbers: epochs)",
    )
    top = 1.08 * max(ax.get_xlim()[1], ax.get_ylim()[1])
    ax.set(xlim=(0, top), ylim=(0, top), aspect="equal")
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
    return ax


def feature_plane(
    ax: Axes,
    features: Tensor,
    truth: SnippetLabels,
    names: Sequence[str],
    *,
    most: int = 500,
    seed: int = 0,
    legend: bool = False,
) -> Axes:
    """t-SNE of snippet features (N, T, 2, d): colour is the class, the marker is the modality.

    Only snippets in which exactly one class is on in their own modality are drawn.
    """
    rng = np.random.default_rng(seed)
    points, labels, modality = [], [], []
    for m, active in ((AUDIO, truth.audio), (VISUAL, truth.visual)):
        where = np.argwhere(active.sum(axis=2) == 1)
        where = where[rng.permutation(len(where))[: most // 2]]
        n, t = where.T
        points.append(features[n, t, m].numpy())
        labels.append(active[n, t].argmax(axis=1))
        modality.append(np.full(len(where), m))
    labels, modality = np.concatenate(labels), np.concatenate(modality)
    xy = project(np.concatenate(points), "tsne", seed)
    for k in np.unique(labels):
        for m, marker in ((AUDIO, "o"), (VISUAL, "^")):
            own = (labels == k) & (modality == m)
            ax.scatter(
                *xy[own].T, s=16, marker=marker, c=PALETTE[k % len(PALETTE)], lw=0, alpha=0.8,
                label=names[k] if m == AUDIO else None,
            )  # fmt: skip
    if legend:
        for name, marker in (("heard", "o"), ("seen", "^")):
            ax.scatter([], [], s=16, marker=marker, c="black", label=name)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.5)
    return bare(ax)


def cross_maps(
    axes: Sequence[Axes],
    weights: tuple[Tensor, Tensor],
    heard: np.ndarray,
    seen: np.ndarray,
) -> None:
    """Cross-attention (T, T) of one video, with the times of one class drawn beside both axes.

    Parameters
    ----------
    axes : two Axes
    weights : pair of (T, T) Tensor
        How audio snippets (rows) read visual ones (columns), and the other way round.
    heard, seen : (T,) bool
        When the class is on.
    """
    t = len(heard)
    titles = ("audio reads vision", "vision reads audio")
    labels = (("audio snippet", "visual snippet it reads"), ("visual snippet", "audio snippet ..."))
    sides = ((heard, seen), (seen, heard))
    most = max(w.max().item() for w in weights)  # one scale for both
    for ax, matrix, title, (ylabel, xlabel), (rows, columns) in zip(
        axes, weights, titles, labels, sides, strict=True
    ):
        ax.imshow(
            matrix.detach().cpu().numpy(),
            cmap="Blues",
            vmin=0,
            vmax=most,
            extent=(0, t, t, 0),
            aspect="equal",
        )
        for k in range(t):
            if columns[k]:
                ax.plot([k + 0.08, k + 0.92], [-0.35, -0.35], color=PALETTE[3], lw=4, clip_on=False)
            if rows[k]:
                ax.plot([-0.35, -0.35], [k + 0.08, k + 0.92], color=PALETTE[3], lw=4, clip_on=False)
        ax.set(xlabel=xlabel.replace("...", "it reads"), ylabel=ylabel)
        ax.set_title(title, pad=12)
        ax.set_xticks(range(0, t + 1, 2))
        ax.set_yticks(range(0, t + 1, 2))
        ax.grid(visible=False)
