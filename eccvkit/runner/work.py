"""One job on a worker: the function that Dask carries to it, and the way to stop it.

A job is one run of a sweep. The worker holds the run, looks whether it is there already, executes
it, and says how it ended. What may pass (a dead kernel, a full disk, ...) it reports as a fault
while attempts remain, and stores as a failed run with the last one.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from distributed import Worker, get_worker

from eccvkit.runner import process
from eccvkit.runner.engine import Interrupted, Session
from eccvkit.runner.execute import Fault, execute, store_failure
from eccvkit.runner.fingerprint import code_digest
from eccvkit.runner.record import Record, RunError
from eccvkit.runner.spec import RunSpec
from eccvkit.runner.store import Store, open_store

#: Seconds between two reports of the cell that a run has reached.
CELL_PAUSE = 0.5


@dataclass(frozen=True)
class Job:
    """One run as it is handed to a worker.

    Attributes
    ----------
    spec : RunSpec
    out : str
        Store, see :func:`eccvkit.runner.store.open_store`.
    sweep : str
        Mark of the call that ordered it.
    retries : int
        Attempts after the first that faults may cost.
    timeout, memory : float or None
        Limits in seconds and megabytes.
    threads : int or None
        Thread share of the kernel; None leaves it to the worker.
    force : bool
        Repeat a run that is there.
    exact : bool
        The code must be what the key of the run says.
    faults : tuple of str
        Why earlier attempts came to nothing.
    """

    spec: RunSpec
    out: str
    sweep: str
    retries: int = 0
    timeout: float | None = None
    memory: float | None = None
    threads: int | None = None
    force: bool = False
    exact: bool = False
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes
    ----------
    state : str
        "done" (a record was stored), "found" (it was there already), "fault" (try again), "busy"
        (another sweep is at it), "lost" (nothing could be stored), "stopped".
    record : Record or None
        With "done" and "found".
    faults : tuple of str
        All attempts that came to nothing, this one included.
    """

    state: Literal["done", "found", "fault", "busy", "lost", "stopped"]
    record: Record | None = None
    faults: tuple[str, ...] = ()


@dataclass
class Share:
    """What a kernel on this worker may use; the cluster attaches it to the worker as ``share``."""

    threads: int | None = None
    environment: dict[str, str] = field(default_factory=dict)


Execute = Callable[..., Record]


def work(job: Job, execute: Execute = execute) -> Ended:
    """Do a job (this is the task that Dask runs).

    Parameters
    ----------
    job : Job
    execute : callable
        Stands in for :func:`eccvkit.runner.execute.execute`.
    """
    try:
        with _at_work(job.sweep) as kernels:
            return _attempt(job, kernels, execute)
    except Interrupted:
        return Ended("stopped")


def _attempt(job: Job, kernels: _Kernels, execute: Execute) -> Ended:
    faults = job.faults
    try:
        store = open_store(job.out)
        with store.hold(job.spec.label, job.sweep) as hold:
            if hold is None:
                return Ended("busy", faults=faults)
            found = store.read(job.spec.label)
            if found and (found.sweep == job.sweep or (found.status == "ok" and not job.force)):
                return Ended("found", found, faults)
            faults += hold.lost
            if len(faults) > job.retries:
                return _give_up(job, store, faults)
            return Ended("done", _execute(job, store, kernels, faults, execute), faults)
    except Fault as fault:
        return Ended("fault", faults=(*faults, str(fault)))
    except OSError as error:
        return Ended("fault", faults=(*faults, f"StoreFailed: {error}"))


def _give_up(job: Job, store: Store, faults: tuple[str, ...]) -> Ended:
    """Store a run as failed that used up its attempts without coming to an end."""
    *earlier, last = faults
    record = store_failure(job.spec, store, fault_error(last), sweep=job.sweep, faults=earlier)
    return Ended("done", record, faults)


def fault_error(fault: str) -> RunError:
    """Read a fault's line back into the error it was."""
    kind, _, message = fault.partition(": ")
    return RunError(kind, message)


def _execute(
    job: Job, store: Store, kernels: _Kernels, faults: tuple[str, ...], execute: Execute
) -> Record:
    worker = get_worker()
    share = getattr(worker, "share", None) or Share()
    teller = _Teller(worker, job)
    changed = _code_changed(job)
    if changed:
        return store_failure(job.spec, store, changed, sweep=job.sweep, faults=faults)
    return execute(
        job.spec,
        store,
        sweep=job.sweep,
        threads=job.threads or share.threads or process.cores(),
        timeout=job.timeout,
        memory=job.memory,
        environment=share.environment,
        faults=faults,
        final=len(faults) >= job.retries,
        verify=lambda: _code_changed(job),
        on_cell=teller.cell,
        register=kernels.add,
    )


def _code_changed(job: Job) -> RunError | None:
    """Say so if the code is not what the key of the run says: under it belongs another result."""
    if not job.exact or code_digest(job.spec.imports) == job.spec.code:
        return None
    return RunError(
        "CodeChanged",
        "modules that the notebook imports differ from those the sweep was started with: start "
        "the sweep again",
    )


class _Teller:
    """Tells the client that a run has started, and now and then which cell it has reached."""

    def __init__(self, worker: Worker, job: Job):
        self.worker = worker
        self.topic = topic(job.sweep)
        self.label = job.spec.label
        self.next = time.monotonic() + CELL_PAUSE
        self._tell("started", 0, 0)

    def cell(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self.next:
            self.next = now + CELL_PAUSE
            self._tell("cell", done, total)

    def _tell(self, what: str, done: int, total: int) -> None:
        self.worker.log_event(
            self.topic, {"what": what, "label": self.label, "done": done, "total": total}
        )


def topic(sweep: str) -> str:
    """Name under which workers report on a sweep."""
    return f"eccvkit-{sweep}"


class _Kernels:
    """The sessions of a sweep that run in this process, so that they can be stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        self.stopping = False
        self.active = 0

    def add(self, session: Session) -> None:
        with self._lock:
            self._sessions.add(session)
        if self.stopping:
            session.stop("interrupted")

    def enter(self) -> None:
        with self._lock:
            if self.stopping:
                raise Interrupted("interrupted")
            self.active += 1

    def leave(self) -> None:
        with self._lock:
            self.active -= 1

    def stop(self) -> None:
        with self._lock:
            self.stopping = True
            sessions = list(self._sessions)
        for session in sessions:
            session.stop("interrupted")


_SWEEPS: dict[str, _Kernels] = {}


@contextmanager
def _at_work(sweep: str) -> Iterator[_Kernels]:
    kernels = _SWEEPS.setdefault(sweep, _Kernels())
    kernels.enter()
    try:
        yield kernels
    finally:
        kernels.leave()


async def stop_sweep(sweep: str, patience: float = 10) -> None:
    """Kill the kernels of a sweep on this worker, and wait until their runs have cleaned up."""
    kernels = _SWEEPS.setdefault(sweep, _Kernels())
    await asyncio.to_thread(kernels.stop)
    deadline = time.monotonic() + patience
    while kernels.active and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
