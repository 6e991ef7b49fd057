"""The commands that run notebooks and read what they left: run, sweep, report, results, doctor.

Like :mod:`eccvkit.cli` this imports typer alone; every command imports what it needs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from eccvkit.runner.record import Record
    from eccvkit.runner.sweep import Outcome
    from eccvkit.runner.sweepfile import Block

#: Failed runs that are named at the end of a sweep.
MAX_FAILED = 20

Names = Annotated[
    list[str], typer.Argument(metavar="PAPER", help="Slug, number, notebook file, or 'all'.")
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        metavar="KEY=VALUE",
        help="A parameter; repeatable. lr=1e-3,1e-4 and width=0..8..2 span a grid.",
    ),
]
Preset = Annotated[str, typer.Option(help="smoke, lab or gpu. [default: the notebook's own]")]
Seed = Annotated[str, typer.Option(help="A seed, or several: 0..4 or 0,2,7.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Out = Annotated[
    str, typer.Option("--out", "-o", metavar="DIR", help="Folder (or URL) for the results.")
]
Folder = Annotated[str, typer.Argument(metavar="DIR", help="The --out folder (or URL) of runs.")]
Timeout = Annotated[
    float | None,
    typer.Option(min=1, metavar="SECONDS", help="Stop a run after this time. [default: never]"),
]


def console() -> Console:
    """Standard output for tables and progress."""
    from rich.console import Console

    # A pipe or a log has no width: do not fold tables into 80 columns there.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def _grid(preset: str, seed: str, device: str, param: list[str] | None) -> dict[str, list[Any]]:
    from eccvkit.runner.grid import parse_grid

    shorthands = {"preset": preset, "seed": seed, "device": device}
    given = [f"{key}={value}" for key, value in shorthands.items() if value]
    return parse_grid([*given, *(param or [])])


def run(
    names: Names,
    param: Param = None,
    preset: Preset = "",
    seed: Seed = "",
    device: Device = "",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Notebooks at once.")] = 1,
    out: Out = "runs",
    timeout: Timeout = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace folders that hold no readable record.")
    ] = False,
) -> None:
    """Execute notebooks and report on them.

    Every combination of the parameters is one run. Each leaves its executed notebook, a record
    and a page in DIR/PAPER/RUN; DIR/index.html shows all of them.
    """
    from eccvkit.runner.notebook import inspect, locate_all
    from eccvkit.runner.record import check_replaceable
    from eccvkit.runner.spec import check_devices, plan
    from eccvkit.runner.store import FolderStore, open_store
    from eccvkit.runner.sweep import Terms, carry_out

    grid = _grid(preset, seed, device, param)
    specs = plan([inspect(path) for path in locate_all(names)], grid)
    check_devices(specs)
    store = open_store(out)
    store.check()
    replaced = set()
    for spec in specs if isinstance(store, FolderStore) else []:
        folder = store.path / spec.label
        if not force:
            check_replaceable(folder)
        if folder.exists():
            replaced.add(spec.label)

    from eccvkit.runner.progress import follow

    screen = console()
    terms = Terms(jobs=jobs, timeout=timeout, force=True)
    outcome = carry_out(specs, store, terms, lambda cluster: follow(screen, specs, replaced, jobs))
    _print_verdicts(screen, outcome.records)
    if outcome.records:
        _report(screen, store.root)
    if not outcome.ok:
        raise typer.Exit(1)


def sweep(
    what: Annotated[
        list[str],
        typer.Argument(metavar="SWEEP.toml|PAPER", help="A sweep file, or papers as for run."),
    ],
    param: Param = None,
    preset: Preset = "",
    seed: Seed = "",
    device: Device = "",
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Notebooks at once here. [default: cores]"),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder (or URL) for the results. [default: runs]"
        ),
    ] = None,
    timeout: Timeout = None,
    memory: Annotated[
        float | None,
        typer.Option(min=1, metavar="MB", help="Stop a run that takes more. [default: no limit]"),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(min=0, help="Further attempts after faults that may pass. [default: 2]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Repeat finished runs.")] = False,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Only every N-th run, from the I-th on.")
    ] = "",
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A running Dask scheduler, tcp://HOST:PORT."),
    ] = None,
    dashboard: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Where Dask's dashboard listens; 'off' for none."),
    ] = "127.0.0.1:8787",
    yes: Annotated[bool, typer.Option("--yes", help="Accept more than 10000 runs.")] = False,
) -> None:
    """Execute a grid of runs and lose none.

    A finished run is never repeated, one that meets a fault is tried again, and the same command
    given again completes what is missing. Options count more than the sweep file.
    """
    from eccvkit.runner.process import cores
    from eccvkit.runner.spec import check_devices
    from eccvkit.runner.store import open_store
    from eccvkit.runner.sweep import (
        RETRIES,
        Outcome,
        Terms,
        carry_out,
        look,
        plan_blocks,
        store_sources,
    )
    from eccvkit.runner.sweep import shard as take_shard

    blocks, settings = _what(what, _grid(preset, seed, device, param))
    options = {"jobs": jobs, "out": out, "timeout": timeout, "memory": memory, "retries": retries,
               "scheduler": scheduler}  # fmt: skip
    settings = {**settings, **{k: v for k, v in options.items() if v is not None}}
    specs, notebooks = plan_blocks(blocks, yes=yes)
    specs = take_shard(specs, shard) if shard else specs
    terms = Terms(
        jobs=settings.get("jobs") or cores(),
        timeout=settings.get("timeout"),
        memory=settings.get("memory"),
        retries=settings.get("retries", RETRIES),
        force=force,
        scheduler=settings.get("scheduler", ""),
        dashboard="" if dashboard == "off" else dashboard,
    )
    if not terms.scheduler:
        check_devices(specs)
    store = open_store(settings.get("out", "runs"))
    store.check()
    found = {} if force else look(store, specs)
    missing = [spec for spec in specs if spec.label not in found]
    screen = console()
    screen.print(f"{_counted(len(specs), 'run')}, {len(found)} of them there already")
    outcome = Outcome()
    if missing:
        missing = store_sources(store, missing, notebooks)
        outcome = carry_out(
            missing, store, terms, lambda c: _follow(screen, c, missing, terms.jobs), exact=True
        )
    outcome.found = list(found.values())
    _print_outcome(screen, outcome)
    if outcome.records:
        _report(screen, store.root)
    _print_fractions(screen, [*outcome.found, *outcome.records])
    if not outcome.ok:
        raise typer.Exit(1)


def _what(what: Sequence[str], grid: Mapping[str, list[Any]]) -> tuple[list[Block], dict[str, Any]]:
    """Read a sweep file, or take the names of papers as a sweep of one block."""
    from eccvkit.errors import EccvkitError
    from eccvkit.runner.sweepfile import Block, read_sweep

    files = [name for name in what if name.endswith(".toml")]
    if not files:
        return [Block(list(what), dict(grid))], {}
    if len(what) > 1:
        raise EccvkitError(f"name one sweep file, or papers, not both: {' '.join(what)}")
    read = read_sweep(Path(files[0]))
    return [Block(b.papers, {**b.grid, **grid}) for b in read.blocks], read.settings


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _follow(screen: Console, cluster: Any, specs: Sequence[Any], jobs: int) -> Any:
    from eccvkit.runner.progress import follow

    workers = cluster.workers() if cluster.address else jobs
    if cluster.address:
        text = f"scheduler: {cluster.address}, {_counted(workers, 'worker')}"
        screen.print(text, soft_wrap=True)
    if cluster.dashboard:
        screen.print(f"dashboard: {cluster.dashboard}", soft_wrap=True)
    return follow(screen, specs, set(), workers)


def report(
    folder: Folder,
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="Draw this metric. [default: the first ones]")
    ] = "",
    against: Annotated[
        str, typer.Option(metavar="PARAMETER", help="Draw against this parameter. [default: all]")
    ] = "",
    compare: Annotated[
        str, typer.Option(metavar="DIR", help="Compare with another sweep, run by run.")
    ] = "",
) -> None:
    """Report again on a folder of runs.

    The page shows every run, how often each claim holds, and each metric against the parameters
    that were swept.
    """
    screen = console()
    options = {"metric": metric, "against": against, "baseline": compare}
    _, problems = _report(screen, folder, verdicts=True, **options)
    if problems:
        raise typer.Exit(2)


def results(
    folder: Folder,
    to: Annotated[
        str,
        typer.Option(metavar="FILE", help="A .csv or .parquet. [default: DIR/results.csv]"),
    ] = "",
    values: Annotated[bool, typer.Option("--values", help="A row per value, not per run.")] = False,
) -> None:
    """Write one table of every run.

    Parameters, metrics, verdicts, times, memory and versions; with --values a row for every seed,
    variant and metric of every table.
    """
    from eccvkit.runner.report import read_runs
    from eccvkit.runner.results import run_table, value_table, write_table

    store, records, problems = read_runs(folder)
    frame = value_table(records) if values else run_table(records)
    path = to or f"{store.root}/results.csv"
    write_table(frame, path)
    _print_problems(problems)
    print(f"{len(frame)} rows, {len(frame.columns)} columns: {path}")
    if problems:
        raise typer.Exit(2)


def doctor(out: Out = "runs") -> None:
    """Check what this machine has and lacks."""
    from rich.table import Table

    from eccvkit.runner.doctor import examine

    table = Table.grid(padding=(0, 2))
    for finding in examine(Path(out)):
        remedy = f"[yellow]{finding.remedy}[/]" if finding.remedy else ""
        table.add_row(f"[dim]{finding.name}[/]", finding.value, remedy)
    console().print(table)


def _report(
    screen: Console, out: str, *, verdicts: bool = False, **options: str
) -> tuple[list[Record], list]:
    """Write the report and say where it is; problems go to standard error."""
    from eccvkit.runner.report import build_report

    page, records, problems = build_report(out, **options)
    if verdicts:
        _print_verdicts(screen, records)
        _print_fractions(screen, records)
    _print_problems(problems)
    screen.print(f"report: {page}", soft_wrap=True)
    return records, problems


def _print_problems(problems: Sequence[Exception]) -> None:
    for problem in problems:
        print(f"eccvkit: error: {problem}", file=sys.stderr)


def _print_fractions(screen: Console, records: Sequence[Record]) -> None:
    """Say in which fraction of a notebook's runs each claim holds, where there are several."""
    from rich.markup import escape
    from rich.table import Table

    from eccvkit.runner.report import claims_by_paper

    table = Table("Paper", "Preset", "Claim", "Over the runs", box=None, pad_edge=False)
    for paper in claims_by_paper(records):
        for claim in paper.claims if paper.runs > 1 else []:
            what = escape(f"{claim.id} {claim.text}")
            table.add_row(paper.stem, paper.preset, what, claim.share)
    if table.row_count:
        screen.print(table)


def _print_outcome(screen: Console, outcome: Outcome) -> None:
    """Say how many runs are where, why runs failed, and which claims hold how often."""
    from rich.markup import escape

    failed = [r for r in outcome.records if r.error]
    counts = {
        "there already": len(outcome.found),
        "done": len(outcome.records) - len(failed),
        "failed": len(failed),
        "not stored": len(outcome.lost),
    }
    screen.print(", ".join(f"{count} {name}" for name, count in counts.items() if count))
    for record in failed[:MAX_FAILED]:
        screen.print(f"[red]failed[/] {escape(record.label)}: {escape(str(record.error))}",
                     soft_wrap=True)  # fmt: skip
    if len(failed) > MAX_FAILED:
        screen.print(f"and {len(failed) - MAX_FAILED} more: see the report")
    for spec, cause in outcome.lost:
        screen.print(f"[red]not stored[/] {escape(spec.label)}: {escape(cause)}", soft_wrap=True)


def _print_verdicts(screen: Console, records: list[Record]) -> None:
    """Print every claim of the runs: what is claimed, our figures, the interval, the verdict."""
    from rich.markup import escape
    from rich.table import Table

    from eccvkit.outputs import effect_text

    colors = {"reproduced": "green", "leaning": "cyan", "contradicted": "red"}
    table = Table("Run", "Claim", "Ours", "Effect [95%]", "Verdict", box=None, pad_edge=False)
    for index in (0, 4):
        table.columns[index].no_wrap = True
    for record in records:
        for claim in record.claim_rows:
            color = colors.get(claim["verdict"], "yellow")
            table.add_row(
                record.label,
                escape(f"{claim['id']} {claim['text']}"),
                escape(str(claim.get("ours") or "")),
                escape(effect_text(claim)),
                f"[{color}]{escape(claim['verdict'])}[/]",
            )
    if table.row_count:
        screen.print(table)
