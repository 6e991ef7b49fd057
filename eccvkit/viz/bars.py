"""Ablations: our means with intervals beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from eccvkit.study import Study
from eccvkit.viz.style import GREY


def ablation_bars(
    ax: Axes,
    study: Study,
    metric: str,
    arms: Sequence[str] | None = None,
    colours: Mapping[str, str] | None = None,
    *,
    scale: float = 1.0,
    title: str = "ours: mean, 95% interval, each seed",
) -> Axes:
    """One row per arm: the mean as a large dot, its interval as a bar, every seed as a small dot.

    The horizontal axis is free to start where the data start, which is why these are dots and not
    filled bars.

    Parameters
    ----------
    metric : str
    arms : sequence of str, optional
        Which variants, from top to bottom; all of them if not given.
    scale : float
        Factor on the metric (100 for percent).
    """
    arms = list(arms or study.variants)
    summary = study.summary()
    summary = summary[summary["metric"] == metric].set_index("variant")
    for row, arm in enumerate(arms):
        colour = (colours or {}).get(arm, GREY)
        mean, low, high = scale * summary.loc[arm, ["mean", "low", "high"]].to_numpy(dtype=float)
        values = scale * study.values(metric, arm).to_numpy()
        jitter = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else [0.0]
        ax.hlines(row, low, high, color=colour, lw=5, alpha=0.35)
        ax.plot(mean, row, "o", color=colour, ms=9, zorder=3)
        ax.plot(values, row + np.asarray(jitter), ".", color="black", ms=3.5, alpha=0.55, zorder=4)
    ax.set_yticks(range(len(arms)), arms)
    ax.set_ylim(len(arms) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=metric, title=title)
    return ax


def paper_bars(
    ax: Axes,
    values: Mapping[str, float],
    arms: Sequence[str],
    colours: Mapping[str, str] | None = None,
    *,
    xlabel: str = "",
    title: str = "the paper",
) -> Axes:
    """The paper's numbers in the same rows as :func:`ablation_bars`; missing arms stay empty."""
    for row, arm in enumerate(arms):
        if arm in values:
            colour = (colours or {}).get(arm, GREY)
            ax.plot(values[arm], row, "D", color=colour, ms=8)
            ax.annotate(
                f"{values[arm]:g}",
                (values[arm], row),
                xytext=(0, 8),
                textcoords="offset points",
                ha="center",
                fontsize="small",
            )
    ax.set_yticks(range(len(arms)), arms)
    ax.set_ylim(len(arms) - 0.5, -0.5)
    ax.margins(x=0.15)
    ax.locator_params(axis="x", nbins=5)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=xlabel, title=title)
    return ax
