"""What a person sees while notebooks run: bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
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
from eccvkit.runner.spec import RunSpec


@contextmanager
def follow(console: Console, specs: Sequence[RunSpec], replaced: set[str]) -> Iterator[Listener]:
    """Show the progress of ``specs`` while the block runs.

    Parameters
    ----------
    console : rich.console.Console
    specs : sequence of RunSpec
    replaced : set of str
        Labels of the runs that take the place of an older one.
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
        yield Bars(progress, len(specs), replaced)


def finished_line(record: Record, replaced: bool) -> str:
    """One line of rich markup: how a run ended."""
    time = f"{record.seconds:.1f} s, {record.peak_memory_mb:.0f} MB"
    again = ", replaces the older run" if replaced else ""
    if record.error:
        return f"[red]failed[/] {escape(record.label)} ({time}{again}): {escape(str(record.error))}"
    return f"[green]done[/]   {escape(record.label)} ({time}{again})"


class Lines:
    """A :class:`Listener` for logs: a line when a run starts and one when it ends."""

    def __init__(self, console: Console, replaced: set[str]):
        self.console = console
        self.replaced = replaced
        self._lock = threading.Lock()

    def _print(self, text: str) -> None:
        with self._lock:
            self.console.print(text, soft_wrap=True, highlight=False)

    def started(self, spec: RunSpec) -> None:
        """Print that the run starts."""
        self._print(f"start  {escape(spec.label)}")

    def cell(self, spec: RunSpec, done: int, total: int) -> None:
        """Stay quiet."""

    def finished(self, spec: RunSpec, record: Record) -> None:
        """Print how the run ended."""
        self._print(finished_line(record, record.label in self.replaced))

    def lost(self, spec: RunSpec, error: Exception) -> None:
        """Print why the run could not be stored."""
        self._print(
            f"[red]lost[/]   {escape(spec.label)}: {type(error).__name__}: {escape(str(error))}"
        )


class Bars(Lines):
    """A :class:`Listener` for a terminal: a bar per running notebook, and one for all."""

    def __init__(self, progress: Progress, runs: int, replaced: set[str]):
        super().__init__(progress.console, replaced)
        self.progress = progress
        self.overall = progress.add_task("[bold]all runs", total=runs, unit="runs")
        self.bars: dict[str, TaskID] = {}

    def started(self, spec: RunSpec) -> None:
        """Add a bar."""
        self.bars[spec.label] = self.progress.add_task(escape(spec.label), total=None, unit="cells")

    def cell(self, spec: RunSpec, done: int, total: int) -> None:
        """Move the bar."""
        self.progress.update(self.bars[spec.label], completed=done, total=total)

    def finished(self, spec: RunSpec, record: Record) -> None:
        """Turn the bar into a line above the bars."""
        self._end(spec)
        super().finished(spec, record)

    def lost(self, spec: RunSpec, error: Exception) -> None:
        """Turn the bar into a line above the bars."""
        self._end(spec)
        super().lost(spec, error)

    def _end(self, spec: RunSpec) -> None:
        self.progress.remove_task(self.bars.pop(spec.label))
        self.progress.advance(self.overall)
