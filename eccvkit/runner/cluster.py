"""Where jobs are done: a Dask cluster inside this process, or one that runs already.

Inside this process means one scheduler and ``jobs`` workers of one thread each, without sockets:
the work happens in the kernels, which are processes of their own. A running cluster is checked
before anything starts: it must answer, and have the code that we have.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import dask.config
import fsspec
from distributed import Client, Future, Scheduler, SpecCluster, Worker

import eccvkit
from eccvkit.errors import EccvkitError
from eccvkit.runner.fingerprint import code_digest
from eccvkit.runner.work import Ended, Job, Share, stop_sweep, topic, work

#: Any free port that no other machine can reach.
LOOPBACK = "127.0.0.1:0"

#: Seconds to wait for a scheduler, and for one that was lost to come back.
PATIENCE = 10.0

#: Name of the worker resource that runs at the preset gpu take.
GPU = "GPU"

#: Jobs that are sent in one message.
BATCH = 1000

OnEvent = Callable[[Mapping[str, Any]], None]


class SchedulerLost(EccvkitError):
    """The scheduler is gone and did not come back."""


class Cluster:
    """Jobs go in, futures of :class:`~eccvkit.runner.work.Ended` come out.

    Parameters
    ----------
    client : distributed.Client
    address : str
        Of the scheduler; "" for the cluster inside this process.
    gpus : bool
        Runs at the preset gpu ask for a worker that has one.
    dashboard : str
        Address of the dashboard's page; "" without one.
    imports : sequence of str
        Modules of this package that the notebooks import.
    source : str
        Where one of the notebooks lies in the store.
    """

    def __init__(
        self,
        client: Client,
        address: str = "",
        gpus: bool = False,
        dashboard: str = "",
        imports: Sequence[str] = (),
        source: str = "",
    ):
        self.client = client
        self.address = address
        self.gpus = gpus
        self.dashboard = dashboard
        self.imports = imports
        self.source = source
        self.notes: list[str] = []
        self._known: set[str] = set()
        self._count = 0

    def submit(self, jobs: Sequence[Job], function: Callable[[Job], Ended] = work) -> list[Future]:
        """Queue jobs, in this order; each is one task."""
        futures: dict[int, Future] = {}
        for gpu in (False, True):
            chosen = [i for i, job in enumerate(jobs) if self._takes_gpu(job) == gpu]
            resources = {"resources": {GPU: 1}} if gpu else {}
            for batch in (chosen[at : at + BATCH] for at in range(0, len(chosen), BATCH)):
                part = [jobs[i] for i in batch]
                keys = [self._key(job) for job in part]
                made = self.client.map(function, part, key=keys, pure=False, **resources)
                futures.update(zip(batch, made))
        self._note_absent_workers(any(map(self._takes_gpu, jobs)))
        return [futures[i] for i in range(len(jobs))]

    def _takes_gpu(self, job: Job) -> bool:
        return self.gpus and job.spec.parameters.get("preset") == "gpu"

    def _key(self, job: Job) -> str:
        self._count += 1
        return f"{job.spec.stem}-{job.sweep}{self._count:06d}"

    def listen(self, sweep: str, on_event: OnEvent) -> None:
        """Call ``on_event`` with what workers tell about a sweep, from another thread."""
        self.client.subscribe_topic(topic(sweep), lambda event: on_event(event[1]))

    def workers(self) -> int:
        """Count the workers, and greet those that are new.

        Each is told its share of its machine. One whose code differs is named in ``notes``.
        """
        if not self.address:
            return len(self._known)
        with suppress(OSError, ValueError):
            info = self._info()
            if info.keys() != self._known:
                self._known = set(info)
                self.notes += self.greet()
        return len(self._known)

    def _info(self) -> Mapping[str, Any]:
        return self.client.scheduler_info(n_workers=-1)["workers"]

    def _note_absent_workers(self, gpu: bool) -> None:
        """Say what is waited for: workers may come later."""
        info = self._info() if self.address else {"here": {"resources": {GPU: 1}}}
        start = f"start one with 'dask worker {self.address} --nthreads 1"
        if not info:
            self.notes.append(f"waiting for a worker: {start}'")
        elif gpu and not any(worker["resources"].get(GPU) for worker in info.values()):
            self.notes.append(f"waiting for a worker with a GPU: {start} --resources {GPU}=1'")

    def greet(self) -> list[str]:
        """Compare the workers' code with ours and share out their machines; return problems."""
        told = self.client.run(_identify, self.imports, self.source, on_error="return")
        ours, problems, machines = _package(self.imports), [], {}
        kernels: Counter[tuple[str, tuple[int, ...]]] = Counter()
        for address, answer in told.items():
            if isinstance(answer, Exception):
                problems.append(f"worker {address} cannot run eccvkit ({answer})")
            elif answer["package"] != ours:
                problems.append(mismatch(f"worker {address}", answer["package"], ours))
            elif not answer["sees"]:
                problems.append(
                    f"worker {address} does not see {self.source}: --out must be the same place "
                    "for this command and all workers, a shared folder or a URL"
                )
            else:
                machines[address] = answer["machine"]
                kernels[answer["machine"]] += answer["kernels"]
        shares = {a: max(1, len(m[1]) // kernels[m]) for a, m in machines.items()}
        if shares:
            self.client.run(_take_share, shares, workers=list(shares), on_error="ignore")
        return problems

    def recover(self, sweep: str, on_event: OnEvent, patience: float = PATIENCE) -> None:
        """Wait until a scheduler that was lost is back.

        Raises
        ------
        SchedulerLost
            It is not.
        """
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self.client.status == "running":
                break
            if self.client.status == "closed":
                with suppress(OSError):
                    self.client = Client(self.address, timeout=2, set_as_default=False)
            time.sleep(0.2)
        else:
            raise SchedulerLost(
                f"lost the scheduler at {self.address}: finished runs are kept; start it again, "
                "and the same command completes the rest"
            )
        self.listen(sweep, on_event)

    def stop(self, sweep: str, futures: Sequence[Future]) -> None:
        """Take back what is queued, and kill what runs, on all workers; returns when it is dead."""
        with suppress(Exception):  # a scheduler that is gone; its workers end by themselves
            self.client.cancel(list(futures), force=True)
            self.client.run(stop_sweep, sweep, on_error="ignore")


def _identify(imports: Sequence[str], source: str, dask_worker: Worker) -> dict[str, Any]:
    """What a worker tells about itself (runs on the worker)."""
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(_cores())
    # Workers that see the same cores share them; a job scheduler may have given each its own.
    cores = sorted(affinity)[: _cores()]
    return {
        "package": _package(imports),
        "machine": (socket.gethostname(), tuple(cores)),
        "kernels": dask_worker.state.nthreads,  # a kernel for every thread
        "sees": not source or _exists(source),
    }


def _exists(path: str) -> bool:
    files, inner = fsspec.core.url_to_fs(path)
    return files.exists(inner)


def _cores() -> int:
    # Dask knows the limits of containers, too.
    from dask.system import CPU_COUNT

    return CPU_COUNT


def _take_share(shares: Mapping[str, int], dask_worker: Worker) -> None:
    """Note the thread share of this worker (runs on the worker)."""
    dask_worker.share = Share(threads=shares[dask_worker.address])


def _package(imports: Sequence[str]) -> tuple[str, str]:
    """Version and code of this package, as far as the sweep needs it."""
    return eccvkit.__version__, code_digest([work.__module__, *imports])[:8]


def mismatch(who: str, theirs: tuple[str, str], ours: tuple[str, str]) -> str:
    """Name two versions of the package that differ."""
    return (
        f"{who} has eccvkit {theirs[0]} (code {theirs[1]}), this command {ours[0]} (code "
        f"{ours[1]}): install the same version on both"
    )


def _quiet() -> None:
    # What goes wrong is told by us, in one line.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def local(jobs: int, *, dashboard: str = "", gpus: Sequence[str] = ()) -> Iterator[Cluster]:
    """Start a cluster inside this process.

    Parameters
    ----------
    jobs : int
        Workers, which is kernels at once.
    dashboard : str
        ``HOST:PORT`` of Dask's dashboard; "" for none.
    gpus : sequence of str
        Names of the GPUs (as in ``CUDA_VISIBLE_DEVICES``); as many workers get one each.
    """
    _quiet()
    # Scheduler and workers answer over HTTP even without a dashboard: to this machine only.
    scheduler = {
        "protocol": "inproc://",
        "dashboard": bool(dashboard),
        "dashboard_address": dashboard or LOOPBACK,
    }
    workers = {
        i: {
            "cls": Worker,
            "options": {
                "nthreads": 1,
                "memory_limit": 0,  # theirs is ours; that of the kernels is watched elsewhere
                "dashboard": False,
                "dashboard_address": LOOPBACK,
                "resources": {GPU: 1} if i < len(gpus) else None,
            },
        }
        for i in range(jobs)
    }
    with warnings.catch_warnings(), dask.config.set({"distributed.worker.profile.enabled": False}):
        warnings.simplefilter("ignore")  # another port is taken when the first one is in use
        cluster = SpecCluster(
            scheduler={"cls": Scheduler, "options": scheduler},
            workers=workers,
            silence_logs=logging.CRITICAL,
        )
    try:
        for worker, gpu in zip(cluster.workers.values(), gpus):
            worker.share = Share(environment={"CUDA_VISIBLE_DEVICES": gpu})
        with Client(cluster, set_as_default=False) as client:
            made = Cluster(client, gpus=bool(gpus), dashboard=_dashboard(cluster, dashboard))
            made._known = set(map(str, range(jobs)))
            yield made
    finally:
        cluster.close()


def _dashboard(cluster: SpecCluster, wanted: str) -> str:
    """Where the dashboard listens; it needs bokeh."""
    if not wanted or importlib.util.find_spec("bokeh") is None:
        return ""
    host, _, _ = wanted.rpartition(":")
    port = cluster.scheduler_info["services"].get("dashboard")
    return f"http://{host or '127.0.0.1'}:{port}/status" if port else ""


def visible_gpus(count: int) -> list[str]:
    """Name the GPUs that torch sees: by their number, or as the environment already names them."""
    chosen = [v for v in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if v]
    return (chosen or [str(i) for i in range(count)])[:count]


@contextmanager
def connect(
    address: str, imports: Sequence[str] = (), source: str = "", patience: float = PATIENCE
) -> Iterator[Cluster]:
    """Use the cluster of a running scheduler.

    Parameters
    ----------
    address : str
    imports : sequence of str
        Modules of this package that the notebooks import: workers must have the same.
    source : str
        Where one of the notebooks lies in the store: workers must see it.
    patience : float
        Seconds to wait for an answer.

    Raises
    ------
    EccvkitError
        It does not answer, scheduler or workers have another version of Python, Dask or this
        package, or workers do not see the store.
    """
    _quiet()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions are compared below
            client = Client(address, timeout=patience, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError) as error:
        cause = str(error).splitlines() or [type(error).__name__]
        raise EccvkitError(
            f"no Dask scheduler answers at {address} ({cause[0][:150]}): start one with "
            "'dask scheduler', and name it as tcp://HOST:PORT"
        ) from error
    cluster = Cluster(client, address, True, client.dashboard_link or "", imports, source)
    try:
        check_versions(client)
        problems = cluster.greet()
        if problems:
            raise EccvkitError(problems[0])
        cluster._known = set(cluster._info())
        yield cluster
    finally:
        with suppress(Exception):
            cluster.client.close(timeout=2)  # another one, if the scheduler came back


def check_versions(client: Client) -> None:
    """Refuse a cluster with which we could not exchange tasks.

    Raises
    ------
    EccvkitError
        Names what differs, where, and both versions.
    """
    told = client.get_versions(packages=["eccvkit"])
    ours = told["client"]["packages"]
    others = {"the scheduler": told["scheduler"]}
    others |= {f"worker {address}": versions for address, versions in told["workers"].items()}
    for who, versions in others.items():
        theirs = versions["packages"]
        for name in ("python", "distributed", "eccvkit"):
            if _release(name, theirs.get(name)) != _release(name, ours[name]):
                raise EccvkitError(
                    f"{who} has {name} {theirs.get(name) or 'not installed'}, this command "
                    f"{ours[name]}: install the same version on both"
                )


def _release(name: str, version: str | None) -> str | None:
    # Patch releases of Python understand each other.
    return ".".join(version.split(".")[:2]) if name == "python" and version else version
