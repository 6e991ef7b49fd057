"""Many runs, ``jobs`` at once, each in a thread that talks to its kernel.

The work happens in the kernels, which are processes; a thread here mostly waits for messages, so
threads cost less than worker processes and share one import of papermill.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from eccvkit.runner import process
from eccvkit.runner.engine import Session
from eccvkit.runner.execute import execute
from eccvkit.runner.record import Record
from eccvkit.runner.spec import RunSpec

_LOG = logging.getLogger(__name__)


class Listener(Protocol):
    """Whoever wants to follow: the progress display, or a test. Called from several threads."""

    def started(self, spec: RunSpec) -> None:
        """Tell that a run has begun."""

    def cell(self, spec: RunSpec, done: int, total: int) -> None:
        """Tell how many cells of a run are done."""

    def finished(self, spec: RunSpec, record: Record) -> None:
        """Tell that a run has ended, well or badly, and is stored."""

    def lost(self, spec: RunSpec, error: Exception) -> None:
        """Tell that a run could not be stored."""


@dataclass
class Result:
    """What :func:`run_all` returns: the records, and the runs that could not be stored."""

    records: list[Record] = field(default_factory=list)
    lost: list[tuple[RunSpec, Exception]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every run was stored and none failed."""
        return not self.lost and all(r.status == "ok" for r in self.records)


class _Kernels:
    """The sessions that run at this moment, so that all of them can be stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: list[Session] = []
        self._stopping = False

    def add(self, session: Session) -> None:
        with self._lock:
            self._sessions.append(session)
            stopping = self._stopping
        if stopping:
            session.stop("interrupted")

    def stop_all(self) -> None:
        with self._lock:
            self._stopping = True
            sessions = list(self._sessions)
        for session in sessions:
            session.stop("interrupted")


def run_all(
    specs: Sequence[RunSpec],
    out: Path,
    *,
    jobs: int = 1,
    timeout: float | None = None,
    listener: Listener,
) -> Result:
    """Execute all specs, ``jobs`` at once; a failing run does not hold up the others.

    Parameters
    ----------
    specs : sequence of RunSpec
    out : Path
        Folder of all runs.
    jobs : int
        Kernels at once; each gets ``cores // jobs`` threads.
    timeout : float or None
        Seconds of wall time per run.
    listener : Listener

    Returns
    -------
    Result
        Records in the order of ``specs``.

    Raises
    ------
    KeyboardInterrupt
        After every kernel, with its children, was killed. Finished runs are untouched.
    """
    kernels = _Kernels()
    threads = process.thread_share(min(jobs, len(specs)) or 1)

    def one(spec: RunSpec) -> Record:
        listener.started(spec)
        record = execute(
            spec,
            out,
            threads=threads,
            timeout=timeout,
            on_cell=lambda done, total: listener.cell(spec, done, total),
            register=kernels.add,
        )
        listener.finished(spec, record)
        return record

    result = Result()
    with ThreadPoolExecutor(jobs, thread_name_prefix="run") as pool:
        try:
            threading.Thread(target=_warm_up).start()
            futures = {pool.submit(one, spec): spec for spec in specs}
            _wait(futures, result, listener)
        except BaseException:
            # A second Ctrl-C must not cut the killing short.
            with _ignoring_interrupts():
                pool.shutdown(wait=False, cancel_futures=True)
                kernels.stop_all()
                pool.shutdown(wait=True)
            raise
    order = {spec.label: i for i, spec in enumerate(specs)}
    result.records.sort(key=lambda record: order[record.label])
    result.lost.sort(key=lambda lost: order[lost[0].label])
    return result


def _warm_up() -> None:
    """Import what the first finished run will need, while its kernel still works."""
    import eccvkit.runner.page  # noqa: F401


def _wait(futures: dict[Future, RunSpec], result: Result, listener: Listener) -> None:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            try:
                result.records.append(future.result())
            except Exception as error:
                # A full disk is an answer for people; anything else is a mistake of ours, and
                # must not take the other runs with it either.
                if not isinstance(error, OSError):
                    _LOG.error("%s", futures[future].label, exc_info=error)
                listener.lost(futures[future], error)
                result.lost.append((futures[future], error))


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
