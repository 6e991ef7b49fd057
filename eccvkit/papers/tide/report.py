"""What an analysis looks like: a table, the paper's two-panel figure (Fig. 3), one HTML page."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from eccvkit.papers.tide.analysis import Analysis
from eccvkit.papers.tide.bins import MEANING, TYPES
from eccvkit.papers.tide.oracles import SPECIAL
from eccvkit.papers.tide.weights import isolated, special

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The two kinds of the alternative split.
SPECIAL_MEANING = {"FP": "any false positive", "FN": "any object not found"}


def table(analysis: Analysis) -> pd.DataFrame:
    """One row per kind of error: its weight in points of mAP, and how often it occurs.

    Returns
    -------
    pandas.DataFrame
        Index: the six types, FP and FN. Columns "meaning", "weight" (delta mAP, Eq. 2) and "count".
    """
    weights = isolated(analysis) | special(analysis)
    counts = analysis.counts()
    counts["FP"] = int((analysis.before.counted & ~analysis.before.correct).sum())
    counts["FN"] = int(analysis.before.n_gt.sum() - analysis.before.correct.sum())
    rows = {
        name: {"meaning": meaning, "weight": weights[name], "count": counts[name]}
        for name, meaning in (MEANING | SPECIAL_MEANING).items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("error")


def clipped(weights: dict[str, float]) -> dict[str, float]:
    """Weights with negative ones set to 0, as the published code reports them."""
    return {name: max(value, 0.0) for name, value in weights.items()}


def draw(analysis: Analysis, title: str = "") -> Figure:
    """The two panels of Fig. 3: shares of the six types, and all weights in points of mAP.

    The left panel shows relative sizes (negative weights count as 0), the right one absolute ones,
    with false positives and false negatives set apart.
    """
    import matplotlib.pyplot as plt

    from eccvkit.viz.style import GREY, PALETTE

    main, split = isolated(analysis), special(analysis)
    colours = dict(zip(TYPES, PALETTE))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(8, 3.6), width_ratios=(1, 1.5), layout="constrained"
    )
    shares = {name: value for name, value in clipped(main).items() if value > 0}
    if shares:
        # Names of thin slices would lie on each other; their colours return in the right panel.
        thin = 0.04 * sum(shares.values())
        left.pie(
            list(shares.values()),
            labels=[name if value >= thin else "" for name, value in shares.items()],
            colors=[colours[name] for name in shares],
            startangle=90,
            counterclock=False,
            wedgeprops={"width": 0.45, "edgecolor": "white"},
        )
    else:
        left.text(0.5, 0.5, "no error has weight", ha="center", va="center")
        left.set_axis_off()
    left.set_title("Share of each type")
    names, values = [*TYPES, *SPECIAL], [*main.values(), *split.values()]
    places = np.array([*range(len(TYPES)), *(len(TYPES) + 0.6 + np.arange(len(SPECIAL)))])
    bars = right.bar(places, values, color=[*colours.values(), GREY, GREY])
    right.bar_label(bars, fmt="%.1f", padding=2, fontsize="small")
    right.margins(y=0.12)
    right.axhline(0, color="black", lw=0.8)
    right.axvline(len(TYPES) - 0.2, color=GREY, lw=0.8, ls=":")
    right.set_xticks(places, names)
    right.grid(axis="x", visible=False)
    right.set_ylabel("mAP gained when repaired (points)")
    right.set_title(f"mAP {analysis.ap():.1f} at IoU {analysis.t_f:g} ({analysis.mode})")
    if title:
        figure.suptitle(title)
    return figure


def describe(analysis: Analysis) -> str:
    """The figure in one sentence, as its alternative text."""
    weights = isolated(analysis) | special(analysis)
    parts = ", ".join(f"{name} {value:.1f}" for name, value in weights.items())
    return f"mAP {analysis.ap():.1f}; points gained by repairing each kind of error: {parts}."


def facts(analysis: Analysis) -> str:
    """What was judged, in one line."""
    dataset = analysis.dataset
    overlap = {"box": "boxes", "mask": "masks"}[analysis.mode]
    return (
        f"{dataset.n_images} images, {len(dataset.categories)} categories, "
        f"{int((~dataset.gt.ignore).sum())} objects, {len(dataset.det)} detections; "
        f"overlap of {overlap}, IoU {analysis.t_f:g}"
    )


def page(analysis: Analysis, title: str, sweep: pd.DataFrame, classes: pd.DataFrame) -> str:
    """A self-contained HTML page: figure, table, sweep over thresholds, categories.

    Parameters
    ----------
    analysis : Analysis
    title : str
        Shown as heading; any text.
    sweep, classes : pandas.DataFrame
        Of :func:`eccvkit.papers.tide.weights.sweep` and
        :func:`~eccvkit.papers.tide.weights.per_class`.
    """
    import base64

    from eccvkit.viz.style import to_png, use_style

    use_style()
    png, width, height = to_png(draw(analysis))
    picture = (
        f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" width="{width}" '
        f'height="{height}" alt="{html.escape(describe(analysis))}">'
    )
    sections = {
        "Errors": table(analysis),
        "Thresholds": sweep,
        "Categories": classes.sort_values("AP", na_position="last"),
    }
    tables = "\n".join(
        f"<h2>{name}</h2>\n<div>{_html_table(frame)}</div>" for name, frame in sections.items()
    )
    title = html.escape(title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_CSS}</style>
</head>
<body>
<h1>{title}</h1>
<p>{html.escape(facts(analysis))}</p>
<p>{picture}</p>
<p>A weight is the mAP gained when that kind of error alone is repaired. Weights do not add up.</p>
{tables}
</body>
</html>
"""


def _html_table(frame: pd.DataFrame) -> str:
    return frame.to_html(
        float_format="{:.2f}".format, na_rep="–", border=0, index_names=False, justify="right"
    )


_CSS = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a1a1a; background: #fff; }
img { max-width: 100%; height: auto; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { border: 0; border-bottom: 1px solid #ddd; padding: 0.25rem 0.6rem; text-align: right; }
th:first-child { text-align: left; }
"""
