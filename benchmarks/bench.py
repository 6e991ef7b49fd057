"""Measure what the project promises, and print each figure beside its bar.

``python -m benchmarks`` measures everything; names choose some (``python -m benchmarks startup``).
The exit status is 1 when a bar is missed. Figures are ratios of times taken in one call wherever
possible, so that they mean the same on a slow and on a fast machine.

A bench is a function that yields :class:`Figure`. Those of the kit are below; that of a paper is
the
function ``SLUG`` of ``benchmarks/SLUG.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes
    ----------
    name, unit : str
    value : float
    at_most, at_least : float or None
        The bar; None for a figure that is only reported.
    note : str
        What the figure was computed from.
    """

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    @property
    def bar(self) -> str:
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return "" if self.at_least is None else f">= {self.at_least:g}"


def best_of(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Best wall time of each call; they take turns, so that a busy moment hits all of them."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def seconds(*command: str) -> float:
    """Wall time of a command that must succeed."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    elapsed = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)[:200]} failed:\n{done.stdout}{done.stderr}")
    return elapsed


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def best_in_turn(commands: dict[str, Sequence[str]], rounds: int) -> dict[str, float]:
    """Best time of each command; they take turns, so that a busy moment hits all of them."""
    best = dict.fromkeys(commands, float("inf"))
    for _ in range(rounds):
        for name, command in commands.items():
            best[name] = min(best[name], seconds(*command))
    return best


def startup() -> Iterator[Figure]:
    """How soon the command line and the package answer."""
    script = Path(sys.executable).with_name("eccvkit")
    best = best_in_turn(
        {
            "help": [str(script), "--help"],
            "bare": python("import typer, rich"),
            "package": python("import eccvkit"),
            "nothing": python("pass"),
        },
        rounds=15,
    )
    yield Figure(
        "eccvkit --help over bare import of typer and rich",
        best["help"] / best["bare"],
        at_most=1.5,
        note=f"{best['help']:.3f} s over {best['bare']:.3f} s",
    )
    yield Figure("import eccvkit", 1000 * (best["package"] - best["nothing"]), unit="ms")
    loaded = subprocess.run(
        python("import sys, eccvkit; print(int('torch' in sys.modules))"),
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    yield Figure("import eccvkit imports torch", float(loaded.stdout), at_most=0)


#: About three seconds of work for one thread; the same amount on every machine and in every run.
WORK = """
import hashlib, time
started = time.perf_counter()
digest = b"x"
for _ in range({rounds}):
    digest = hashlib.sha256(digest * 64).digest()
print(round(time.perf_counter() - started, 2), "s of work")
"""

PLAIN_LOOP = """
import sys, papermill
for path in sys.argv[1:]:
    papermill.execute_notebook(path, path + ".out.ipynb", parameters={"seed": 0},
                               kernel_name="python3", progress_bar=False)
"""


def _rounds_for(duration: float) -> int:
    """How often the work of the notebooks is repeated to take about ``duration`` seconds."""
    probe = 20_000
    code = WORK.format(rounds=probe)
    bare = seconds(*python("import hashlib"))
    return max(probe, round(probe * duration / (seconds(*python(code)) - bare)))


def _work_notebooks(folder: Path, count: int, duration: float) -> list[str]:
    rounds = _rounds_for(duration)
    cells = [
        new_code_cell('preset = "lab"\nseed = 0', metadata={"tags": ["parameters"]}),
        *[new_code_cell(WORK.format(rounds=rounds // 3)) for _ in range(3)],
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    paths = [folder / f"work{i}.ipynb" for i in range(count)]
    for path in paths:
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return [str(p) for p in paths]


def runner() -> Iterator[Figure]:
    """Four equal notebooks of about 3 s: a plain loop of papermill, then the runner."""
    with tempfile.TemporaryDirectory(prefix="eccvkit-bench-") as folder:
        notebooks = _work_notebooks(Path(folder), count=4, duration=3)
        run = [sys.executable, "-m", "eccvkit", "run", *notebooks, "--seed", "0"]
        commands = {
            "papermill": [*python(PLAIN_LOOP), *notebooks],
            "one": [*run, "--jobs", "1", "--out", f"{folder}/one"],
            "two": [*run, "--jobs", "2", "--out", f"{folder}/two"],
        }
        best = best_in_turn(commands, rounds=3)
    yield Figure(
        "runner over plain papermill, 4 notebooks, 1 job",
        best["one"] / best["papermill"],
        at_most=1.1,
        note=f"{best['one']:.1f} s over {best['papermill']:.1f} s, reports included",
    )
    yield Figure(
        "speed-up of 2 jobs over 1, 4 notebooks",
        best["one"] / best["two"],
        at_least=1.6,
        note=f"{best['one']:.1f} s over {best['two']:.1f} s",
    )


#: Benches of the kit; those of papers are the other files of this folder.
KIT: dict[str, Callable[[], Iterator[Figure]]] = {"startup": startup, "runner": runner}
PAPERS = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in ("__init__", "__main__", "bench")
)


def bench(name: str) -> Callable[[], Iterator[Figure]]:
    """The bench of that name; one of a paper is imported only when it is asked for."""
    return KIT[name] if name in KIT else getattr(import_module(f"benchmarks.{name}"), name)


def main(names: Sequence[str] = ()) -> int:
    """Run the named benches, or all, and print the table; 1 when a bar is missed."""
    valid = [*KIT, *PAPERS]
    unknown = [n for n in names if n not in valid]
    if unknown:
        print(f"unknown bench {unknown[0]!r}; valid: {', '.join(valid)}", file=sys.stderr)
        return 2
    load = os.getloadavg()[0]
    figures = [f for n in (names or valid) for f in bench(n)()]
    title = (
        f"{os.cpu_count()} cores, load before the start {load:.1f} (a busy machine blurs ratios)"
    )
    table = Table("Figure", "Measured", "Bar", "", "From", title=title)
    for figure in figures:
        verdict = "" if not figure.bar else "[green]met[/]" if figure.met else "[red]missed[/]"
        table.add_row(
            figure.name, f"{figure.value:.3g} {figure.unit}", figure.bar, verdict, figure.note
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    return 0 if all(f.met for f in figures) else 1
