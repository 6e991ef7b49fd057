"""Sweeps: what a second worker brings, what the engine costs, and what a cached sweep costs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel
from nbformat.v4 import new_code_cell, new_notebook

from benchmarks.bench import WORK, Figure, _rounds_for, seconds
from eccvkit.runner.cluster import local
from eccvkit.runner.execute import new_record
from eccvkit.runner.notebook import inspect
from eccvkit.runner.pool import run_all
from eccvkit.runner.record import read_records, write_record
from eccvkit.runner.spec import plan
from eccvkit.runner.work import Ended, Job, work

RUNS = 40
#: Seconds of work of a notebook.
WORK_SECONDS = 2


def _notebook(path: Path, source: str) -> Path:
    cells = [
        new_code_cell('preset = "smoke"\nseed = 0', metadata={"tags": ["parameters"]}),
        new_code_cell(source),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def _bare_kernel(source: str) -> float:
    """Wall time of a kernel that starts, does the work and ends, without anything around it."""
    started = time.perf_counter()
    manager, client = start_new_kernel(kernel_name="python3", stderr=subprocess.DEVNULL)
    client.execute_interactive(source, output_hook=lambda message: None)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return time.perf_counter() - started


class _Deaf:
    """A listener that does not listen."""

    def __getattr__(self, name: str):
        return lambda *arguments: None


def record_only(job: Job) -> Ended:
    """Do a job without a kernel: everything but the notebook."""
    return work(job, execute=_record_only)


def _record_only(spec, store, *, sweep, **_):
    record = replace(new_record(spec, None, datetime.now(UTC), sweep=sweep), threads=1)
    with store.folder(spec.label) as folder:
        write_record(record, folder)
    return record


def _engine_alone(folder: Path, runs: int) -> float:
    """Wall time per run of the engine by itself, in milliseconds."""
    notebook = inspect(_notebook(folder / "stub.ipynb", "pass"))
    out = Path(tempfile.mkdtemp(dir=folder))
    started = time.perf_counter()
    specs = plan([notebook], {"seed": list(range(runs))}, keyed=True)
    jobs = [Job(spec, str(out), "bench", exact=True, threads=1) for spec in specs]
    with local(2) as cluster:
        result = run_all(jobs, cluster, _Deaf(), record_only)
    elapsed = time.perf_counter() - started
    records, problems = read_records(out)
    if not result.ok or len(records) != runs or problems:
        sys.exit(f"{len(records)} of {runs} records, {problems}")
    return 1000 * elapsed / runs


def sweeps() -> Iterator[Figure]:
    """Forty runs of a two-second notebook, twice with two workers, and a thousand of nothing."""
    with tempfile.TemporaryDirectory(prefix="eccvkit-bench-") as name:
        folder = Path(name)
        source = WORK.format(rounds=_rounds_for(WORK_SECONDS))
        path = _notebook(folder / "work.ipynb", source)
        bare = min(_bare_kernel(source) for _ in range(3))
        sweep = [sys.executable, "-m", "eccvkit", "sweep", str(path), "--seed", f"0..{RUNS - 1}",
                 "--dashboard", "off"]  # fmt: skip
        took = {
            workers: seconds(*sweep, "--jobs", str(workers), "--out", f"{folder}/{workers}")
            for workers in (1, 2)
        }
        again = seconds(*sweep, "--jobs", "2", "--out", f"{folder}/2")
        # In turn, so that a busy moment hits both; the best of each.
        alone = [(_engine_alone(folder, 250), _engine_alone(folder, 1000)) for _ in range(3)]
        few, many = map(min, zip(*alone))
    yield Figure(
        f"2 workers over 1, {RUNS} runs of {WORK_SECONDS} s",
        took[1] / took[2],
        at_least=1.7,
        note=f"{took[1]:.1f} s over {took[2]:.1f} s",
    )
    yield Figure(
        "sweep, overhead per run beyond a bare kernel",
        took[1] / RUNS - bare,
        "s",
        at_most=0.5,
        note=f"{took[1] / RUNS:.2f} s with 1 worker, {bare:.2f} s bare",
    )
    yield Figure(f"sweep, {RUNS} runs that are there already", again, "s", at_most=2)
    yield Figure("sweep, engine alone, per run of 1000", many, "ms", at_most=10)
    yield Figure(
        "sweep, engine alone, per run of 1000 over that of 250",
        many / few,
        at_most=1.5,  # 4 if it were quadratic
        note=f"{many:.1f} ms over {few:.1f} ms: linear",
    )
