"""A metric against a swept parameter: means over runs, with 95% intervals, as pictures."""

from __future__ import annotations

import base64
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eccvkit.errors import unknown
from eccvkit.metrics.stats import Interval, mean_interval
from eccvkit.runner.record import Record
from eccvkit.runner.results import newest, numbers, swept

#: Pictures per notebook and parameter, unless a metric is asked for.
MAX_METRICS = 4
#: Lines in a picture: as many as have a colour of their own.
MAX_VARIANTS = 10
#: Lines with a band each; bands of more lines hide one another.
MAX_BANDS = 3
#: Intervals reach at most this far out of the range of the means, in units of that range.
ROOM = 2.0
#: Values of a parameter that get a tick each.
MAX_TICKS = 8


@dataclass(frozen=True)
class Curve:
    """One picture's worth of numbers.

    Attributes
    ----------
    stem, title, preset, table, metric, parameter : str
    lines : dict of str to dict
        Variant to value of the parameter to the mean over runs.
    over : str
        What the means are taken over: "seed", or other parameters that vary, too.
    left_out : int
        Variants beyond :data:`MAX_VARIANTS`.
    """

    stem: str
    title: str
    preset: str
    table: str
    metric: str
    parameter: str
    lines: dict[str, dict[Any, Interval]]
    over: str
    left_out: int = 0

    @property
    def limits(self) -> tuple[float, float] | None:
        """Ends of the vertical axis where intervals would squeeze the means into a line.

        Two runs give intervals thirteen times as wide as their spread; they are cut off, and the
        caption says so. None if nothing is cut.
        """
        points = [interval for line in self.lines.values() for interval in line.values()]
        means = [point.mean for point in points]
        room = ROOM * (max(means) - min(means))
        low, high = min(means) - room, max(means) + room
        cut = any(point.low < low or point.high > high for point in points)
        return (low, high) if cut and room > 0 else None

    @property
    def alt(self) -> str:
        """What the picture shows, in words."""
        parts = []
        for variant, points in self.lines.items():
            means = [interval.mean for interval in points.values()]
            parts.append(f"{variant} {means[0]:.3g} to {means[-1]:.3g}")
        ends = list(next(iter(self.lines.values())))
        return (
            f"{self.metric} ({self.table}) against {self.parameter} from {ends[0]} to {ends[-1]}: "
            + "; ".join(parts)
        )


def curves(records: Sequence[Record], metric: str = "", against: str = "") -> list[Curve]:
    """Find the parameters that vary, and what they do to the metrics.

    Parameters
    ----------
    records : sequence of Record
    metric : str
        Only this one; else the first metrics of each notebook.
    against : str
        Only this parameter; else every one that varies, seeds left out.

    Raises
    ------
    UnknownName
        No run has such a metric, or the parameter does not vary.
    """
    good = [r for r in newest(records) if r.status == "ok"]
    groups: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in good:
        groups[record.stem, record.preset].append(record)
    metrics = {str(row["metric"]) for record in good for _, row in numbers(record)}
    varying = {name for runs in groups.values() for name in swept(runs)}
    if metric and metric not in metrics:
        raise unknown("metric", metric, sorted(metrics))
    if against and against not in varying:
        raise unknown("swept parameter", against, sorted(varying))
    found = []
    for runs in groups.values():
        for parameter in swept(runs):
            if not against or parameter == against:
                found += _curves(runs, parameter, metric)
    return found


def _curves(runs: Sequence[Record], parameter: str, metric: str) -> list[Curve]:
    values: dict[tuple[str, str], dict[str, dict[Any, list[float]]]] = {}
    for run in runs:
        x = run.parameters.get(parameter)
        x = x if isinstance(x, (int, float, str)) else json.dumps(x)
        means: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
        for table, row in numbers(run):
            means[table, str(row["metric"]), str(row["variant"])].append(row["value"])
        for (table, name, variant), found in means.items():
            lines = values.setdefault((table, name), {})
            points = lines.setdefault(variant, {})
            points.setdefault(x, []).append(sum(found) / len(found))
    chosen = [key for key in values if not metric or key[1] == metric]
    if not metric:
        chosen = chosen[:MAX_METRICS]
    others = [name for name in swept(runs) if name != parameter]
    first = runs[0]
    return [
        Curve(
            stem=first.stem,
            title=first.title,
            preset=first.preset,
            table=table,
            metric=name,
            parameter=parameter,
            lines={
                variant: {x: mean_interval(points[x]) for x in sorted(points, key=_place)}
                for variant, points in list(values[table, name].items())[:MAX_VARIANTS]
            },
            over=" and ".join(["seed", *others]),
            left_out=max(0, len(values[table, name]) - MAX_VARIANTS),
        )
        for table, name in chosen
    ]


def _place(value: Any) -> tuple[bool, Any]:
    """Numbers in their order, then texts."""
    text = isinstance(value, str)
    return text, value


def draw(curve: Curve) -> str:
    """Draw a curve in the house style: PNG as base64 text."""
    import matplotlib

    matplotlib.use("agg")  # a report needs no screen
    import matplotlib.pyplot as plt

    from eccvkit.viz.style import to_png, use_style

    with plt.rc_context():
        use_style()
        figure, ax = plt.subplots(figsize=(6.4, 3.8))
        _draw_lines(ax, curve)
        ax.set(xlabel=curve.parameter, ylabel=curve.metric, title=f"{curve.stem}, {curve.table}")
        if curve.limits:
            ax.set_ylim(*curve.limits)
        if len(curve.lines) > 1:
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        png, *_ = to_png(figure)
    return base64.b64encode(png).decode()


def _draw_lines(ax: Any, curve: Curve) -> None:
    from eccvkit.viz.style import PALETTE

    every = sorted({x for points in curve.lines.values() for x in points}, key=_place)
    numeric = not any(isinstance(x, (str, bool)) for x in every)
    logarithmic = numeric and min(every) > 0 and max(every) >= 50 * min(every)
    places = {x: math.log10(x) if logarithmic else x if numeric else i for i, x in enumerate(every)}
    # Bars of many variants would lie on one another: each stands a little aside.
    step = 0.01 * (max(places.values()) - min(places.values()))
    for i, (colour, (variant, points)) in enumerate(zip(PALETTE, curve.lines.items())):
        aside = (i - (len(curve.lines) - 1) / 2) * step
        xs = [places[x] + aside for x in points]
        means, low, high, _ = zip(*points.values())
        bars = [[m - a for m, a in zip(means, low)], [b - m for m, b in zip(means, high)]]
        style = {"marker": "o", "capsize": 3, "elinewidth": 1, "color": colour}
        ax.errorbar(xs, means, yerr=bars, label=variant, **style)
        if numeric and len(curve.lines) <= MAX_BANDS:
            ax.fill_between(xs, low, high, color=colour, alpha=0.2, lw=0)
    if logarithmic or not numeric or len(every) <= MAX_TICKS:
        ax.set_xticks(list(places.values()), [f"{x:g}" if numeric else str(x) for x in every])
