"""The figures of paper 40: blocks drawn from their modules, curves against cost and bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.path import Path
from torch import Tensor, nn

from eccvkit.metrics.stats import mean_interval
from eccvkit.nn.separable import ConvBN
from eccvkit.papers.mobilenext.blocks import InvertedResidual, SandglassBlock
from eccvkit.study import Study
from eccvkit.viz.style import GREY, PALETTE

#: Colours of the two kinds of convolution, of tensors and of the identity.
DEPTHWISE, POINTWISE, TENSOR, IDENTITY = PALETTE[1], PALETTE[0], "#d9d9d9", PALETTE[2]


def draw_block(
    ax: Axes, block: SandglassBlock | InvertedResidual, title: str, *, most: int | None = None
) -> Axes:
    """Figs. 2 and 3 from a module: tensors as bars whose height is their number of channels.

    Between two bars stands the convolution that turns one into the other, below it whether ReLU6
    follows. The arc is the shortcut; its thickness is the part of the channels it carries.

    Parameters
    ----------
    ax : Axes
    block : SandglassBlock or InvertedResidual
    title : str
    most : int, optional
        Channels of a bar of full height, so that several drawings share a scale.
    """
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    acts = _activated(block)
    channels = [convs[0].in_channels, *(c.out_channels for c in convs)]
    full = most or max(channels)
    for i, n in enumerate(channels):
        height = n / full
        ax.add_patch(Rectangle((i - 0.11, -height / 2), 0.22, height, fc=TENSOR, ec="black", lw=1))
        ax.annotate(str(n), (i, -height / 2 - 0.03), ha="center", va="top", fontsize="small")
    for i, (conv, act) in enumerate(zip(convs, acts)):
        depthwise = conv.groups > 1
        name = "dw 3x3" if depthwise else "pw 1x1"
        name += f"\nstride {conv.stride[0]}" if conv.stride[0] > 1 else ""
        colour = DEPTHWISE if depthwise else POINTWISE
        ax.add_patch(FancyArrowPatch(
            (i + 0.13, 0), (i + 0.87, 0), arrowstyle="-|>", mutation_scale=14, lw=2.5, color=colour
        ))  # fmt: skip
        ax.annotate(name, (i + 0.5, 0.05), ha="center", va="bottom", color=colour, fontsize="small")
        ax.annotate(
            act, (i + 0.5, -0.06), ha="center", va="top", fontsize="x-small", color="#404040"
        )
    _draw_shortcut(ax, block, channels, full)
    ax.set(xlim=(-0.5, len(convs) + 0.5), ylim=(-0.72, 1.0), xticks=[], yticks=[], title=title)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def _activated(block: nn.Module) -> list[str]:
    pieces = [m for m in block.modules() if isinstance(m, ConvBN)]
    return ["ReLU6" if hasattr(piece, "act") else "linear" for piece in pieces]


def _draw_shortcut(
    ax: Axes, block: SandglassBlock | InvertedResidual, channels: Sequence[int], full: int
) -> None:
    """The identity as an arc from the first to the last tensor, or a note that there is none."""
    kept, last = block.identity_channels, len(channels) - 1
    if not kept:
        ax.annotate("no shortcut", (last / 2, 0.8), ha="center", color=GREY, fontsize="small")
        return
    (x0, y0), (x1, y1) = ((i, channels[i] / full / 2 + 0.01) for i in (0, last))
    over = Path(
        [(x0, y0), (x0 + 0.1 * last, 0.95), (x1 - 0.1 * last, 0.95), (x1, y1)],
        [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4],
    )
    width = 1 + 7 * kept / full
    ax.add_patch(FancyArrowPatch(
        path=over, arrowstyle="-|>", mutation_scale=14, lw=width, color=IDENTITY, alpha=0.8
    ))  # fmt: skip
    note = f"identity of {kept} of {channels[0]} channels"
    ax.annotate(note, (last / 2, 0.93), ha="center", color=IDENTITY, fontsize="small")


def accuracy_against_cost(
    ax: Axes,
    study: Study,
    curves: Mapping[str, Sequence[str]],
    colours: Mapping[str, str],
    *,
    cost: str = "parameters",
) -> Axes:
    """Fig. 1: top-1 accuracy in percent with its 95% interval, one curve per kind of network.

    Parameters
    ----------
    curves : mapping of str to sequence of str
        Name of a curve to its variants, which differ in width.
    colours : mapping of str to str
        By name of the curve.
    cost : {"parameters", "macs"}
    """
    for name, variants in curves.items():
        x = [study.values(cost, v).iloc[0] for v in variants]
        means = [mean_interval(100 * study.values("accuracy", v)) for v in variants]
        bars = np.array([(m.mean - m.low, m.high - m.mean) for m in means]).T
        order = np.argsort(x)
        ax.errorbar(
            np.array(x)[order], np.array([m.mean for m in means])[order],
            yerr=None if np.isnan(bars).any() else bars[:, order], fmt="o-", capsize=4,
            color=colours[name], label=name,
        )  # fmt: skip
    label = {"parameters": "parameters", "macs": "multiply-adds"}[cost]
    ax.set(xlabel=label, ylabel="top-1 accuracy (%)")
    ax.legend()
    return ax


def accuracy_against_bits(
    ax: Axes, study: Study, arms: Sequence[str], bits: Sequence[int], colours: Mapping[str, str]
) -> Axes:
    """Top-1 accuracy in percent after quantisation; the dashed line is without it.

    Lines are means over seeds, bands their 95% intervals, cut to [0, 100].
    """
    for arm in arms:
        means = [mean_interval(100 * study.values(f"int{k}", arm)) for k in bits]
        ax.plot(bits, [m.mean for m in means], "o-", color=colours[arm], label=arm)
        low, high = [max(m.low, 0) for m in means], [min(m.high, 100) for m in means]
        ax.fill_between(bits, low, high, color=colours[arm], alpha=0.15, lw=0)
        ax.axhline(100 * study.values("accuracy", arm).mean(), color=colours[arm], ls="--", lw=1)
    ax.set(xlabel="bits of weights and activations", ylabel="top-1 accuracy (%)")
    ax.set_xticks(sorted(bits))
    ax.invert_xaxis()
    ax.legend()
    return ax


def cosine_histograms(ax: Axes, cosines: Mapping[str, Tensor], colours: Mapping[str, str]) -> Axes:
    """How well gradients of different mini-batches agree; lines mark the medians."""
    bins = np.histogram_bin_edges(np.concatenate([c.numpy() for c in cosines.values()]), bins=30)
    for name, values in cosines.items():
        ax.hist(values.numpy(), bins, alpha=0.5, color=colours[name], label=name)
        ax.axvline(values.median().item(), color=colours[name], lw=2)
    ax.set(xlabel="cosine between gradients of two mini-batches", ylabel="pairs of mini-batches")
    ax.legend()
    return ax
