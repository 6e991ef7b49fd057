"""The report: one page that shows every run of a folder, its pictures, verdicts, times and errors.

Over several runs it says which claims hold how often, draws metrics against swept parameters, and
compares with another folder. It is built from the records alone; whatever cannot be read is named
on the page.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eccvkit.errors import DataError, EccvkitError
from eccvkit.outputs import effect_text
from eccvkit.runner.record import PAGE, Record
from eccvkit.runner.results import newest, swept
from eccvkit.runner.store import FolderStore, Store, open_store
from eccvkit.runner.templating import render

if TYPE_CHECKING:
    from eccvkit.metrics.stats import Interval
    from eccvkit.runner.compare import Comparison
    from eccvkit.runner.curves import Curve


#: Those of eccvkit.claims, in its order (which imports more than a report should need).
VERDICTS = ("reproduced", "leaning", "not reproduced", "contradicted", "not judged")


@dataclass(frozen=True)
class ClaimCount:
    """How one claim came out over several runs."""

    id: str
    text: str
    counts: Counter[str]

    @property
    def runs(self) -> int:
        """Runs in which the claim was judged: those with three seeds of their own, or more."""
        return self.counts.total() - self.counts["not judged"]

    @property
    def holds(self) -> int:
        """Runs in which it was reproduced."""
        return self.counts["reproduced"]

    @property
    def share(self) -> str:
        """In words: ``reproduced in 3 of 4 (75 %)``."""
        if not self.runs:
            return "not judged: fewer than three seeds"
        return f"reproduced in {self.holds} of {self.runs} ({100 * self.holds / self.runs:.0f} %)"


@dataclass(frozen=True)
class PaperClaims:
    """The claims of one notebook over all its good runs at one preset."""

    title: str
    stem: str
    preset: str
    runs: int
    claims: list[ClaimCount]


@dataclass(frozen=True)
class Group:
    """Runs of one notebook that differ in nothing but the seed."""

    title: str
    stem: str
    parameters: dict[str, Any]
    seeds: list[int]
    claims: list[ClaimCount]


def build_report(
    out: str | Path, *, metric: str = "", against: str = "", baseline: str = ""
) -> tuple[str, list[Record], list[DataError]]:
    """Write ``index.html`` from the records of a folder or URL.

    Parameters
    ----------
    out : path-like or str
    metric, against : str
        Draw only this metric, and only against this parameter.
    baseline : str
        Folder or URL of another sweep to compare with.

    Returns
    -------
    page : str
        Where it is.
    records : list of Record
    problems : list of DataError
        One per record that cannot be read.

    Raises
    ------
    EccvkitError
        No such folder, it holds no run, or it cannot be written.
    """
    store, records, problems = read_runs(out)
    comparison = None
    if baseline:
        from eccvkit.runner.compare import compare

        comparison = compare(read_runs(baseline)[1], records, baseline)
    html = render_report(
        records, problems, pictures=_pictures(records, metric, against), comparison=comparison
    )
    try:
        page = store.put(PAGE, html)
    except OSError as error:
        raise EccvkitError(
            f"cannot write {PAGE} into {out} ({error.strerror}): make the folder writable"
        ) from error
    return page, records, problems


def read_runs(out: str | Path) -> tuple[Store, list[Record], list[DataError]]:
    """Open a folder or URL of runs and read them; the last list names what cannot be read.

    Raises
    ------
    EccvkitError
        No such folder, or it holds no run.
    """
    store = open_store(out)
    if isinstance(store, FolderStore) and not store.path.is_dir():
        raise EccvkitError(f"no folder {out}: name the --out folder of an earlier run")
    records, problems = store.records()
    if not records and not problems:
        raise EccvkitError(
            f"{out} holds no finished run (folders STEM/RUN/record.json): "
            "name the --out folder of an earlier run"
        )
    return store, records, problems


def _pictures(records: Sequence[Record], metric: str, against: str) -> list[tuple[Curve, str]]:
    """Draw metrics against swept parameters, if any; matplotlib is imported only then."""
    stems = {record.stem for record in records}
    if not (metric or against or any(swept([r for r in records if r.stem == s]) for s in stems)):
        return []
    from eccvkit.runner.curves import curves, draw

    return [(curve, draw(curve)) for curve in curves(records, metric, against)]


def render_report(
    records: Sequence[Record],
    problems: Sequence[DataError] = (),
    *,
    pictures: Sequence[tuple[Curve, str]] = (),
    comparison: Comparison | None = None,
) -> str:
    """Render the report as one HTML file; it refers to files of the runs beside it, nothing else.

    Parameters
    ----------
    records : sequence of Record
    problems : sequence of DataError
        Shown at the end.
    pictures : sequence of (Curve, str)
        Curves and their PNG as base64 text.
    comparison : Comparison or None
    """
    return render(
        "report.html.j2",
        {"evidence": evidence, "duration": duration, "change": change},
        records=records,
        problems=[str(p) for p in problems],
        groups=group_by_seed(records),
        papers=[p for p in claims_by_paper(records) if p.runs > 1],
        pictures=pictures,
        comparison=comparison,
        totals=verdict_totals(records),
        verdicts=VERDICTS,
        failed=sum(r.status == "failed" for r in records),
        seconds=sum(r.seconds for r in records),
        built=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def verdict_totals(records: Sequence[Record]) -> dict[str, int]:
    """Count the verdicts of all runs, see :func:`count_verdicts`."""
    return count_verdicts(claim for r in records for claim in r.claim_rows)


def count_verdicts(claims: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count the verdicts of claims, in the order of :data:`VERDICTS`, absent ones left out."""
    counts = Counter(claim["verdict"] for claim in claims)
    return {v: counts[v] for v in [*VERDICTS, *sorted(counts.keys() - set(VERDICTS))] if counts[v]}


def tally(counts: Mapping[str, int]) -> str:
    """Verdicts in words: ``2 reproduced, 1 leaning``."""
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def group_by_seed(records: Sequence[Record]) -> list[Group]:
    """Collect the runs that differ in nothing but the seed, and count how each claim came out.

    Single runs and runs without claims form no group.
    """
    together: dict[str, list[Record]] = {}
    for record in newest(records):
        key = json.dumps([record.stem, _without_seed(record)], sort_keys=True, default=str)
        together.setdefault(key, []).append(record)
    groups = []
    for runs in together.values():
        claims = _count_claims(runs)
        if len(runs) > 1 and claims:
            first = runs[0]
            seeds = sorted(r.seed for r in runs if r.seed is not None)
            groups.append(Group(first.title, first.stem, _without_seed(first), seeds, claims))
    return groups


def _without_seed(record: Record) -> dict[str, Any]:
    return {k: v for k, v in record.parameters.items() if k != "seed"}


def _count_claims(runs: Sequence[Record]) -> list[ClaimCount]:
    counts: dict[str, ClaimCount] = {}
    for claim in (claim for run in runs for claim in run.claim_rows):
        count = counts.setdefault(claim["id"], ClaimCount(claim["id"], claim["text"], Counter()))
        count.counts[claim["verdict"]] += 1
    return list(counts.values())


def claims_by_paper(records: Sequence[Record]) -> list[PaperClaims]:
    """Count every notebook's claims over its good runs, preset by preset."""
    together: dict[tuple[str, str], list[Record]] = {}
    for record in newest(records):
        if record.status == "ok" and record.claim_rows:
            together.setdefault((record.stem, record.preset), []).append(record)
    return [
        PaperClaims(runs[0].title, stem, preset, len(runs), _count_claims(runs))
        for (stem, preset), runs in together.items()
    ]


def evidence(claim: dict[str, Any]) -> str:
    """One line: our figures, the effect over seeds, the paper's figures and where they stand."""
    paper = f"{claim.get('paper') or ''} {claim.get('source') or ''}".strip()
    parts = {
        "ours": claim.get("ours"),
        "effect": effect_text(claim),
        "seeds": claim.get("n"),
        "paper": paper,
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items() if value)


def change(interval: Interval) -> str:
    """A difference with its interval; without one where a single pair was compared."""
    low, high = (None if math.isnan(v) else v for v in (interval.low, interval.high))
    return effect_text({"effect": interval.mean, "low": low, "high": high})


def duration(seconds: float) -> str:
    """Seconds for people: ``8.4 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
