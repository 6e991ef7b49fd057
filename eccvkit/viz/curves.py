"""Lines: training curves, sweeps over a parameter, ROC and precision-recall."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from eccvkit.study import Study
from eccvkit.training import History


def loss_curves(
    ax: Axes,
    histories: Mapping[str, History],
    term: str = "loss",
    colours: Mapping[str, str] | None = None,
    *,
    log: bool = True,
) -> Axes:
    """One curve per arm: a column of the history against the epoch.

    Parameters
    ----------
    histories : mapping of str to History
    term : str
        Column of :attr:`History.frame`; arms that do not record it are left out.
    colours : mapping, optional
        See :func:`eccvkit.viz.style.arm_colours`.
    log : bool
        Logarithmic vertical axis.
    """
    for name, history in histories.items():
        if term in history.frame:
            frame = history.frame
            ax.plot(frame["epoch"], frame[term], label=name, color=(colours or {}).get(name))
    if log:
        ax.set_yscale("log")
    ax.set(xlabel="epoch", ylabel=term)
    ax.legend()
    return ax


def sweep(
    ax: Axes,
    study: Study,
    axis: Mapping[str, float],
    metric: str,
    *,
    colour: str | None = None,
    label: str | None = None,
    log: bool = False,
) -> Axes:
    """A metric against a parameter: line through the means, band of the 95% intervals.

    Parameters
    ----------
    axis : mapping of str to float
        Variant to the value of the parameter, in ascending order.
    log : bool
        Logarithmic horizontal axis.
    """
    summary = study.summary()
    summary = summary[summary["metric"] == metric].set_index("variant").loc[list(axis)]
    x = list(axis.values())
    (line,) = ax.plot(x, summary["mean"], marker="o", color=colour, label=label)
    ax.fill_between(x, summary["low"], summary["high"], color=line.get_color(), alpha=0.2, lw=0)
    if log:
        ax.set_xscale("log")
    ax.set_xticks(x, [f"{v:g}" for v in x])
    ax.minorticks_off()
    ax.set_ylabel(metric)
    return ax


def roc(
    ax: Axes,
    scores: Mapping[str, tuple[ArrayLike, ArrayLike]],
    colours: Mapping[str, str] | None = None,
) -> Axes:
    """ROC curves: share of knowns accepted against share of unknowns accepted.

    Parameters
    ----------
    scores : mapping of str to (known, unknown)
        Scores of known and unknown test samples; larger means more known.
    """
    from sklearn.metrics import roc_curve

    from eccvkit.metrics.openset import auroc, labelled_scores

    for name, (known, unknown) in scores.items():
        score, is_known = labelled_scores(known, unknown)
        fpr, tpr, _ = roc_curve(is_known, score)
        label = f"{name} ({auroc(known, unknown):.3f})"
        ax.plot(fpr, tpr, label=label, color=(colours or {}).get(name))
    ax.plot([0, 1], [0, 1], color="#bbbbbb", lw=1, ls="--", zorder=0)
    ax.set(xlabel="unknowns accepted", ylabel="knowns accepted", title="ROC (area)")
    ax.set_aspect("equal")
    ax.legend(loc="lower right")
    return ax


def precision_recall(
    ax: Axes,
    scores: Mapping[str, tuple[ArrayLike, ArrayLike]],
    colours: Mapping[str, str] | None = None,
    *,
    positive: str = "known",
) -> Axes:
    """Precision against recall with either group as positives.

    Parameters
    ----------
    positive : {"known", "unknown"}
        For unknowns the scores are negated.
    """
    from sklearn.metrics import precision_recall_curve

    from eccvkit.metrics.openset import aupr_known, aupr_unknown, labelled_scores

    area = aupr_known if positive == "known" else aupr_unknown
    for name, (known, unknown) in scores.items():
        score, is_known = labelled_scores(known, unknown)
        labels, values = (is_known, score) if positive == "known" else (1 - is_known, -score)
        precision, recall, _ = precision_recall_curve(labels, values)
        label = f"{name} ({area(known, unknown):.3f})"
        ax.plot(recall, precision, label=label, color=(colours or {}).get(name))
    share = float(np.mean(labels))
    ax.axhline(share, color="#bbbbbb", lw=1, ls="--", zorder=0, label=f"guessing ({share:.3f})")
    ax.set(xlabel="recall", ylabel="precision", title=f"Precision-recall, {positive}s positive")
    ax.set_ylim(max(0.0, share - 0.1), 1.01)
    ax.legend(loc="lower left")
    return ax
