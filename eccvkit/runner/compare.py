"""Two sweeps side by side: the metrics of the runs that both have, and claims that changed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from eccvkit.metrics.stats import Interval, mean_interval
from eccvkit.runner.record import Record
from eccvkit.runner.results import newest, numbers


@dataclass(frozen=True)
class Difference:
    """A metric in two sweeps, over the runs that both have.

    Attributes
    ----------
    stem, preset, table, variant, metric : str
    before, after : float
        Means over the pairs of runs.
    change : Interval
        Mean of the paired differences, after minus before, with its 95% interval.
    """

    stem: str
    preset: str
    table: str
    variant: str
    metric: str
    before: float
    after: float
    change: Interval

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.change.low > 0 or self.change.high < 0


@dataclass(frozen=True)
class Changed:
    """A claim whose verdict is another in the second sweep."""

    label: str
    id: str
    text: str
    before: str
    after: str


@dataclass
class Comparison:
    """Two sweeps side by side.

    Attributes
    ----------
    name : str
        Where the first sweep is.
    pairs : int
        Runs (notebook and parameters) that both have, both good.
    only_before, only_after : int
        Good runs that one of them has.
    differences : list of Difference
        Clear ones first.
    changed : list of Changed
    """

    name: str
    pairs: int = 0
    only_before: int = 0
    only_after: int = 0
    differences: list[Difference] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)


def compare(before: Sequence[Record], after: Sequence[Record], name: str) -> Comparison:
    """Compare two sweeps run by run: same notebook, same parameters.

    Parameters
    ----------
    before, after : sequence of Record
    name : str
        What to call the first one.
    """
    old, new = _by_point(before), _by_point(after)
    both = [point for point in new if point in old]
    values: defaultdict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    changed = []
    for point in both:
        was, now = _means(old[point]), _means(new[point])
        for key in now.keys() & was.keys():
            values[new[point].stem, new[point].preset, *key].append((was[key], now[key]))
        verdicts = {c["id"]: c["verdict"] for c in old[point].claim_rows}
        changed += [
            Changed(new[point].label, c["id"], c["text"], verdicts[c["id"]], c["verdict"])
            for c in new[point].claim_rows
            if verdicts.get(c["id"], c["verdict"]) != c["verdict"]
        ]
    differences = [_difference(key, pairs) for key, pairs in sorted(values.items())]
    differences.sort(key=lambda d: not d.clear)
    return Comparison(
        name, len(both), len(old) - len(both), len(new) - len(both), differences, changed
    )


def _by_point(records: Sequence[Record]) -> dict[str, Record]:
    return {
        json.dumps([r.stem, r.parameters], sort_keys=True, default=str): r
        for r in newest(records)
        if r.status == "ok"
    }


def _means(record: Record) -> dict[tuple[str, str, str], float]:
    values: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for table, row in numbers(record):
        values[table, str(row["variant"]), str(row["metric"])].append(row["value"])
    return {key: sum(found) / len(found) for key, found in values.items()}


def _difference(key: tuple[str, ...], pairs: list[tuple[float, float]]) -> Difference:
    before, after = zip(*pairs)
    change = mean_interval([now - was for was, now in pairs])
    return Difference(*key, sum(before) / len(pairs), sum(after) / len(pairs), change)
