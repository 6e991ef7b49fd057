"""Every run of a folder as one table, for pandas, R or a spreadsheet.

:func:`run_table` has a row per run: parameters, metrics (means over the seeds of the study inside
the notebook), verdicts, times, memory, versions. :func:`value_table` has a row per single value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from eccvkit.errors import EccvkitError
from eccvkit.runner.record import Record

if TYPE_CHECKING:
    import pandas as pd

#: Columns of a run that are not parameters, metrics, claims or versions.
FACTS = (
    "stem", "run", "status", "error", "preset", "seed", "device", "started", "seconds",
    "peak_memory_mb", "threads", "cpu_count", "platform", "host", "attempts", "faults", "key",
    "source", "code", "sweep",
)  # fmt: skip
SUFFIXES = (".csv", ".parquet")


def newest(records: Iterable[Record]) -> list[Record]:
    """Keep one run per notebook and parameters, in the order given: the newest that succeeded.

    A folder may hold the same run of several versions of the code.
    """
    best: dict[str, Record] = {}
    for record in records:
        point = json.dumps([record.stem, record.parameters], sort_keys=True, default=str)
        other = best.get(point)
        if other is None or _rank(record) >= _rank(other):
            best[point] = record
    return list(best.values())


def _rank(record: Record) -> tuple[bool, str]:
    return record.status == "ok", record.started


def run_table(records: Sequence[Record]) -> pd.DataFrame:
    """One row per run.

    Returns
    -------
    pandas.DataFrame
        :data:`FACTS`, then ``param.NAME``, ``metric.TABLE.VARIANT.METRIC``, ``claim.ID`` (the
        verdict) with ``claim.ID.effect``, ``.low`` and ``.high``, and ``version.LIBRARY``. What a
        run does not have is missing.
    """
    import pandas as pd

    frame = pd.DataFrame([_row(record) for record in records])
    groups = ("param.", "metric.", "claim.", "version.")
    order = [c for c in FACTS if c in frame]
    order += [c for g in groups for c in frame if c.startswith(g)]
    return _plain(frame[order])


def _row(record: Record) -> dict[str, Any]:
    facts = {
        "error": str(record.error or ""),
        "attempts": len(record.faults) + 1,
        "faults": "; ".join(record.faults),
    }
    row = {name: facts[name] if name in facts else getattr(record, name) for name in FACTS}
    row |= {f"param.{name}": value for name, value in record.parameters.items()}
    sums: dict[str, list[float]] = {}
    for table, entry in numbers(record):
        name = f"metric.{table}.{entry['variant']}.{entry['metric']}"
        sums.setdefault(name, []).append(entry["value"])
    row |= {name: sum(values) / len(values) for name, values in sums.items()}
    for claim in record.claim_rows:
        name = f"claim.{claim['id']}"
        row[name] = claim["verdict"]
        row |= {f"{name}.{part}": claim.get(part) for part in ("effect", "low", "high")}
    return row | {f"version.{name}": value for name, value in record.versions.items()}


def value_table(records: Sequence[Record]) -> pd.DataFrame:
    """One row per value of the tables that the notebooks emitted.

    Returns
    -------
    pandas.DataFrame
        Columns ``stem, run, key, preset, seed, param.NAME..., table, variant, study_seed, metric,
        value``; ``study_seed`` is the seed inside the notebook's study.
    """
    import pandas as pd

    rows = []
    for record in records:
        common = {name: getattr(record, name) for name in ("stem", "run", "key", "preset", "seed")}
        common |= {f"param.{name}": value for name, value in record.parameters.items()}
        rows += [
            {
                **common,
                "table": table,
                "variant": entry["variant"],
                "study_seed": entry.get("seed"),
                "metric": entry["metric"],
                "value": entry["value"],
            }
            for table, entry in numbers(record)
        ]
    return _plain(pd.DataFrame(rows))


def numbers(record: Record) -> list[tuple[str, dict[str, Any]]]:
    """Rows of the record's tables that name a variant, a metric and a finite number."""
    return [
        (table, row)
        for table, rows in record.tables.items()
        for row in rows
        if isinstance(row, dict) and {"variant", "metric"} <= row.keys()
        and isinstance(row.get("value"), (int, float)) and math.isfinite(row["value"])
    ]  # fmt: skip


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn columns of mixed kinds (a list here, a number there) into text, as Parquet wants it."""
    for name in frame.columns:
        kinds = {type(v) for v in frame[name] if v is not None and v == v}
        if kinds & {list, dict} or (len(kinds) > 1 and kinds - {int, float}):
            frame[name] = [
                None if v is None or v != v else v if isinstance(v, str) else json.dumps(v)
                for v in frame[name]
            ]
    return frame


def swept(records: Sequence[Record]) -> list[str]:
    """Parameters that take several values in runs of one notebook; seed and preset do not count."""
    values: dict[str, set[str]] = {}
    for record in records:
        for name, value in record.parameters.items():
            text = json.dumps(value, sort_keys=True, default=str)
            values.setdefault(name, set()).add(text)
    return [n for n, v in values.items() if len(v) > 1 and n not in ("seed", "preset", "device")]


def write_table(frame: pd.DataFrame, path: str) -> None:
    """Write a table as CSV or Parquet, by the suffix of its name.

    Raises
    ------
    EccvkitError
        Another suffix, or a place that cannot be written.
    """
    if not path.endswith(SUFFIXES):
        raise EccvkitError(f"cannot write {path}: choose a name that ends in .csv or .parquet")
    try:
        if path.endswith(".csv"):
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
    except (OSError, ImportError, ValueError) as error:
        raise EccvkitError(f"cannot write {path} ({error}): choose another --to") from error
