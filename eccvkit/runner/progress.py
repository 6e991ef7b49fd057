"""What a person sees while notebooks run: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from eccvkit.runner.pool import Listener
from eccvkit.runner.record import Record
from eccvkit.runner.report import duration
from eccvkit.runner.spec import RunSpec

#: Bars of running notebooks in a terminal; on a large cluster more of them are under way.
MAX_BARS = 8


@contextmanager
def follow(
    console: Console, specs: Sequence[RunSpec], replaced: set[str], workers: int = 1
) -> Iterator[Listener]:
    """Show the progress of ``specs`` while the block runs.

    Parameters
    ----------
    console : rich.console.Console
    specs : sequence of RunSpec
    replaced : set of str
        Labels of the runs that take the place of an older one.
    workers : int
        Runs at once.
    """
    if not console.is_terminal:
        yield Lines(console, replaced)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress, Pace(specs, workers), replaced)


def finished_line(record: Record, replaced: bool) -> str:
    """One line of rich markup: how a run ended."""
    time = f"{record.seconds:.1f} s, {record.peak_memory_mb:.0f} MB"
    again = ", replaces the older run" if replaced else ""
    if record.faults:
        again += f", attempt {len(record.faults) + 1}"
    if record.error:
        return f"[red]failed[/] {escape(record.label)} ({time}{again}): {escape(str(record.error))}"
    return f"[green]done[/]   {escape(record.label)} ({time}{again})"


class Pace:
    """How long the runs that remain will take, judged by those of the same notebook and preset."""

    def __init__(self, specs: Sequence[RunSpec], workers: int = 1):
        self.workers = workers
        self.left = Counter(_kind(spec) for spec in specs)
        self.runs = len(specs)
        self._seconds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)

    def finished(self, spec: RunSpec, seconds: float | None = None) -> None:
        """Take note of a run that ended; without seconds only that it is off the list."""
        self.left[_kind(spec)] -= 1
        if seconds is not None:
            self._seconds[_kind(spec)].append(seconds)

    def seconds_left(self) -> float | None:
        """Estimate, or None before the first run has ended."""
        every = [s for seconds in self._seconds.values() for s in seconds]
        if not every:
            return None
        total = sum(
            count * _mean(self._seconds.get(kind) or every) for kind, count in self.left.items()
        )
        return total / min(self.workers or 1, max(1, self.left.total()))


def _kind(spec: RunSpec) -> tuple[str, str]:
    return spec.stem, str(spec.parameters.get("preset", ""))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


class Lines:
    """A :class:`Listener` for logs: a line when a run starts and one when it ends."""

    def __init__(self, console: Console, replaced: set[str]):
        self.console = console
        self.replaced = replaced

    def _print(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, highlight=False)

    def started(self, spec: RunSpec) -> None:
        """Print that the run starts."""
        self._print(f"start  {escape(spec.label)}")

    def cell(self, spec: RunSpec, done: int, total: int) -> None:
        """Stay quiet."""

    def finished(self, spec: RunSpec, record: Record) -> None:
        """Print how the run ended."""
        self._print(finished_line(record, record.label in self.replaced))

    def retried(self, spec: RunSpec, fault: str) -> None:
        """Print why the run is tried again."""
        self._print(f"[yellow]again[/]  {escape(spec.label)}: {escape(fault)}")

    def lost(self, spec: RunSpec, cause: str) -> None:
        """Print why the run could not be stored."""
        self._print(f"[red]lost[/]   {escape(spec.label)}: {escape(cause)}")

    def workers(self, count: int, notes: Sequence[str]) -> None:
        """Print what is wrong with workers."""
        for note in notes:
            self._print(f"[yellow]note[/]   {escape(note)}")


class Bars(Lines):
    """A :class:`Listener` for a terminal: a bar for each running notebook, and one for all."""

    def __init__(self, progress: Progress, pace: Pace, replaced: set[str]):
        super().__init__(progress.console, replaced)
        self.progress = progress
        self.pace = pace
        self.overall = progress.add_task("[bold]all runs", total=pace.runs, unit="")
        self.running: dict[str, TaskID | None] = {}
        self.failed = 0
        self._summarise()

    def started(self, spec: RunSpec) -> None:
        """Add a bar."""
        self._end(spec)  # a run whose worker died starts again elsewhere
        shown = sum(bar is not None for bar in self.running.values())
        self.running[spec.label] = (
            self.progress.add_task(escape(spec.label), total=None, unit="cells")
            if shown < MAX_BARS
            else None
        )
        self._summarise()

    def cell(self, spec: RunSpec, done: int, total: int) -> None:
        """Move the bar."""
        bar = self.running.get(spec.label)
        if bar is not None:
            self.progress.update(bar, completed=done, total=total)

    def finished(self, spec: RunSpec, record: Record) -> None:
        """Turn the bar into a line above the bars."""
        self._off_the_list(spec, record.seconds, failed=record.error is not None)
        super().finished(spec, record)

    def retried(self, spec: RunSpec, fault: str) -> None:
        """Take the bar away until the run starts again."""
        self._end(spec)
        self._summarise()
        super().retried(spec, fault)

    def lost(self, spec: RunSpec, cause: str) -> None:
        """Turn the bar into a line above the bars."""
        self._off_the_list(spec, None, failed=True)
        super().lost(spec, cause)

    def workers(self, count: int, notes: Sequence[str]) -> None:
        """Take the number of workers into the estimate."""
        super().workers(count, notes)
        self.pace.workers = count
        self._summarise()

    def _off_the_list(self, spec: RunSpec, seconds: float | None, failed: bool) -> None:
        self._end(spec)
        self.pace.finished(spec, seconds)
        self.failed += failed
        self.progress.advance(self.overall)
        self._summarise()

    def _end(self, spec: RunSpec) -> None:
        bar = self.running.pop(spec.label, None)
        if bar is not None:
            self.progress.remove_task(bar)

    def _summarise(self) -> None:
        """Done is what the bar counts; say what runs, what failed, and how long it will take."""
        left = self.pace.seconds_left()
        parts = [
            f"{len(self.running)} running",
            f"[red]{self.failed} failed[/]" if self.failed else "",
            f"{duration(left)} left" if left else "",
            "" if self.pace.workers else "[yellow]waiting for a worker[/]",
        ]
        self.progress.update(self.overall, unit=", ".join(filter(None, parts)))
