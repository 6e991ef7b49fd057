"""Many jobs over a cluster: retried when a fault may pass, marked failed when it does not.

This is the client's side. Workers tell how a job ended (:class:`~eccvkit.runner.work.Ended`); what
happens to workers and the scheduler themselves is noticed here.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from distributed import Future, KilledWorker

from eccvkit.runner.cluster import Cluster, SchedulerLost
from eccvkit.runner.execute import store_failure
from eccvkit.runner.record import Record
from eccvkit.runner.spec import RunSpec
from eccvkit.runner.store import open_store
from eccvkit.runner.work import Ended, Job, fault_error, work

_LOG = logging.getLogger(__name__)

#: Seconds before a run that another sweep holds is asked for again.
BUSY_PAUSE = 1.0
#: Seconds between two looks at the workers.
LOOK = 2.0


class Listener(Protocol):
    """Whoever wants to follow: the progress display, or a test. Called from one thread."""

    def started(self, spec: RunSpec) -> None:
        """Tell that a run has begun."""

    def cell(self, spec: RunSpec, done: int, total: int) -> None:
        """Tell how many cells of a run are done."""

    def finished(self, spec: RunSpec, record: Record) -> None:
        """Tell that a run has ended, well or badly, and is stored."""

    def retried(self, spec: RunSpec, fault: str) -> None:
        """Tell that an attempt came to nothing, and another will follow."""

    def lost(self, spec: RunSpec, cause: str) -> None:
        """Tell that a run could not be stored."""

    def workers(self, count: int, notes: Sequence[str]) -> None:
        """Tell how many workers there are, and what is wrong with some."""


@dataclass
class Result:
    """What :func:`run_all` returns: the records, and the runs that could not be stored."""

    records: list[Record] = field(default_factory=list)
    lost: list[tuple[RunSpec, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every run was stored and none failed."""
        return not self.lost and all(r.status == "ok" for r in self.records)


def run_all(
    jobs: Sequence[Job],
    cluster: Cluster,
    listener: Listener,
    function: Callable[[Job], Ended] = work,
) -> Result:
    """Do all jobs; one that fails does not hold up the others.

    Parameters
    ----------
    jobs : sequence of Job
        Of one sweep.
    cluster : Cluster
    listener : Listener
    function : callable
        The task, see :func:`eccvkit.runner.work.work`.

    Returns
    -------
    Result
        In the order of ``jobs``.

    Raises
    ------
    KeyboardInterrupt
        After every kernel, with its children, was killed. Finished runs are untouched.
    SchedulerLost
        After the runs that were under way were marked failed.
    """
    if not jobs:
        return Result()
    crew = _Crew(jobs, cluster, listener, function)
    try:
        crew.work()
    except BaseException:
        # A second Ctrl-C must not cut the killing short.
        with _ignoring_interrupts():
            cluster.stop(jobs[0].sweep, list(crew.futures))
        raise
    order = {job.spec.label: i for i, job in enumerate(jobs)}
    crew.result.records.sort(key=lambda record: order[record.label])
    crew.result.lost.sort(key=lambda lost: order[lost[0].label])
    return crew.result


class _Crew:
    """The state of one :func:`run_all`: what is out, what waits for another attempt, what ended."""

    def __init__(
        self,
        jobs: Sequence[Job],
        cluster: Cluster,
        listener: Listener,
        function: Callable[[Job], Ended],
    ):
        self.jobs = jobs
        self.cluster = cluster
        self.listener = listener
        self.function = function
        self.open = {job.spec.label: job.spec for job in jobs}
        self.futures: dict[Future, Job] = {}
        self.started: set[str] = set()
        self.result = Result()
        self._later: list[tuple[float, int, Job]] = []
        self._number = itertools.count()
        # Futures that are done and events of workers, in the order in which they come in.
        self._news: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work(self) -> None:
        self.cluster.listen(self.jobs[0].sweep, self._news.put)
        self._submit(self.jobs)
        looked = 0.0
        while self.futures or self._later:
            now = time.monotonic()
            if now - looked > LOOK:
                looked = now
                self.listener.workers(self.cluster.workers(), self.cluster.notes)
                self.cluster.notes.clear()
            self._submit(self._due(now))
            try:
                news = self._news.get(timeout=0.2)
            except queue.Empty:
                continue
            if isinstance(news, Future):
                if news in self.futures:
                    self._end(self.futures.pop(news), news)
            else:
                self._event(news)

    def _submit(self, jobs: Sequence[Job]) -> None:
        if jobs:
            for future, job in zip(self.cluster.submit(jobs, self.function), jobs):
                self.futures[future] = job
                future.add_done_callback(self._news.put)

    def _due(self, now: float) -> list[Job]:
        due = []
        while self._later and self._later[0][0] <= now:
            due.append(heapq.heappop(self._later)[2])
        return due

    def _wait(self, job: Job, seconds: float) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._number), job))

    def _event(self, event: dict[str, Any]) -> None:
        spec = self.open.get(event["label"])
        if spec is None:
            return  # it has ended since
        if event["what"] == "started":
            self.started.add(spec.label)
            self.listener.started(spec)
        else:
            self.listener.cell(spec, event["done"], event["total"])

    def _end(self, job: Job, future: Future) -> None:
        try:
            ended = future.result()
        except KilledWorker as error:
            ended = Ended("fault", faults=(*job.faults, f"WorkerLost: {error.last_worker} died"))
        except CancelledError:
            self._scheduler_lost(job)
            return
        except Exception as error:
            # A mistake of ours, or a worker that cannot read the task: it must not take the other
            # runs with it.
            _LOG.error("%s", job.spec.label, exc_info=error)
            ended = Ended("lost", faults=(f"{type(error).__name__}: {error}",))
        self._ended(job, ended)

    def _ended(self, job: Job, ended: Ended) -> None:
        if ended.state == "busy":
            self._wait(job, BUSY_PAUSE)
        elif ended.state == "fault" and len(ended.faults) <= job.retries:
            *_, last = ended.faults
            self.started.discard(job.spec.label)
            self.listener.retried(job.spec, last)
            full = last.startswith("StoreFailed")  # somebody may make room meanwhile
            pause = min(30.0, 2.0 ** len(ended.faults) - 1) if full else 0.0
            self._wait(replace(job, faults=ended.faults), pause)
        elif ended.state == "fault":
            self._give_up(job, ended.faults)
        elif ended.record:
            del self.open[job.spec.label]
            self.result.records.append(ended.record)
            self.listener.finished(job.spec, ended.record)
        else:
            self._lose(job, "; ".join(ended.faults) or ended.state)

    def _give_up(self, job: Job, faults: Sequence[str]) -> None:
        """Mark a run failed whose last attempt the worker could not store itself."""
        *earlier, last = faults
        try:
            store = open_store(job.out)
            with store.hold(job.spec.label, job.sweep) as hold:
                found = store.read(job.spec.label) if hold else None
                if hold and not (found and found.status == "ok"):
                    found = store_failure(
                        job.spec, store, fault_error(last), sweep=job.sweep, faults=earlier
                    )
        except OSError:
            found = None
        if found:
            self._ended(job, Ended("done", found, tuple(faults)))
        else:
            self._lose(job, last)

    def _lose(self, job: Job, cause: str) -> None:
        del self.open[job.spec.label]
        self.result.lost.append((job.spec, cause))
        self.listener.lost(job.spec, cause)

    def _scheduler_lost(self, job: Job) -> None:
        """Wait for the scheduler, and hand all that was out to it again."""
        out = [job, *self.futures.values()]
        self.futures.clear()
        try:
            self.cluster.recover(job.sweep, self._news.put)
        except SchedulerLost as error:
            for lost in out:
                if lost.spec.label in self.started:
                    self._give_up(lost, (*lost.faults, f"SchedulerLost: {error}"))
            raise
        for lost in out:
            if lost.spec.label in self.started:
                fault = f"SchedulerLost: connection to {self.cluster.address} lost during the run"
                self._ended(lost, Ended("fault", faults=(*lost.faults, fault)))
            else:
                self._wait(lost, 0.0)


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
