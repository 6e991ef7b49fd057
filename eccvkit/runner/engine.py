"""The papermill engine: one notebook executed in one kernel that we can watch and stop.

:func:`run_notebook` is the door. Papermill injects the parameters and walks the cells; this engine
adds what a run in company needs: a kernel of this very interpreter with its share of the threads,
its processes marked and measured, a report per cell, limits of time and memory, and an end to all
of it, even if this process is killed (see :mod:`eccvkit.runner.keeper`).
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient.exceptions import DeadKernelError
from nbclient.util import run_sync
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import strip_color
from papermill.execute import remove_error_markers

from eccvkit.runner import keeper, process
from eccvkit.runner.record import RunError

#: Name under which papermill knows this engine.
ENGINE = "eccvkit"

#: Seconds a kernel may take to answer for the first time.
START_TIMEOUT = 120

#: Systems allow about 104 characters for the name of a socket; a number is appended to ours.
MAX_SOCKET_PATH = 100

#: Reasons of :meth:`Session.stop` that make the run a failed one instead of an interrupted one.
TIMEOUT, MEMORY = "timeout", "memory"

OnCell = Callable[[int, int], None]

# nbclient reports a dead kernel here and by an exception; the exception is enough.
_LOG = logging.getLogger("eccvkit.kernel")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False

# Papermill warns of parameters it cannot read; ours are checked before (see notebook.parameters).
logging.getLogger("papermill").setLevel(logging.ERROR)


class Interrupted(Exception):
    """The run was stopped on request; it leaves no record."""


@dataclass
class Outcome:
    """What an execution leaves, whether it succeeded or not.

    Attributes
    ----------
    notebook : NotebookNode
        As far as it was executed, outputs included.
    error : RunError or None
    seconds : float
        Wall time, kernel start and end included.
    peak_memory_mb : float
        Largest resident memory of kernel and children together.
    """

    notebook: NotebookNode
    error: RunError | None
    seconds: float
    peak_memory_mb: float


class Session:
    """One kernel's life as seen from outside: its environment, its progress, its memory, its end.

    :meth:`stop` may be called from any thread and at any time, before the kernel exists too.

    Parameters
    ----------
    cwd : Path
        Working folder of the kernel.
    threads : int
        Thread share of the kernel.
    timeout : float or None
        Seconds of wall time after which the run is stopped.
    memory : float or None
        Megabytes of resident memory, kernel and children together, above which it is stopped.
    on_cell : callable or None
        Called with (cells finished, cells in all).
    environment : mapping, optional
        More variables for the kernel.
    """

    def __init__(
        self,
        cwd: Path,
        threads: int = 1,
        timeout: float | None = None,
        memory: float | None = None,
        on_cell: OnCell | None = None,
        environment: Mapping[str, str] | None = None,
    ):
        self.cwd = cwd
        self.timeout = timeout
        self.memory = memory
        self.on_cell = on_cell
        self.token = uuid.uuid4().hex
        self.private = Path(tempfile.mkdtemp(prefix="eccvkit-"))
        self.log = self.private / "kernel.log"
        self.environment = {**kernel_environment(threads, self.token), **(environment or {})}
        self.notebook: NotebookNode | None = None
        self.cell = 0
        self.kernel: subprocess.Popen | None = None
        self.peak_bytes = 0
        self.stopped: str | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        keeper.guard(self.token, self.private)

    def stop(self, reason: str) -> None:
        """Kill the kernel and its children; the first reason given is the one that counts."""
        with self._lock:
            self.stopped = self.stopped or reason
        self._kill()

    def _kill(self) -> None:
        process.kill_run(self.token, self.kernel.pid if self.kernel else None)

    def started(self, kernel: subprocess.Popen) -> None:
        """Note the kernel's process, and end it at once if the run was stopped meanwhile."""
        self.kernel = kernel
        process.offer_to_the_system(kernel.pid)
        if self.stopped:
            self._kill()

    def enter_cell(self, cell: NotebookNode, cell_index: int) -> None:
        """Report progress (an nbclient hook: called before each cell, markdown cells too)."""
        self.cell = cell_index
        if self.on_cell:
            self.on_cell(cell_index, len(self.notebook.cells))

    def watch(self, started: float) -> None:
        """Measure memory and enforce both limits until the run ends (body of a thread)."""
        pause = 0.2
        while not self._ended.wait(pause):
            look = time.perf_counter()
            self.measure()
            if self.timeout and time.monotonic() - started > self.timeout:
                self.stop(TIMEOUT)
                return
            # On a machine with thousands of processes a look is slow: spend at most 5 % on it.
            pause = max(0.2, 20 * (time.perf_counter() - look))

    def measure(self) -> None:
        """Take the memory of kernel and children into the peak; stop a run that is too large."""
        if self.kernel:
            now = process.resident_bytes(process.tree(self.kernel.pid))
            self.peak_bytes = max(self.peak_bytes, now, process.high_water_bytes(self.kernel.pid))
            if self.memory and self.peak_mb > self.memory:
                self.stop(MEMORY)

    @property
    def peak_mb(self) -> float:
        """Largest resident memory seen so far, in megabytes (2**20 bytes)."""
        return self.peak_bytes / 2**20

    def close(self) -> None:
        """End the watch, and whatever the kernel left running."""
        self._ended.set()
        self._kill()
        shutil.rmtree(self.private, ignore_errors=True)
        keeper.release(self.token)


def kernel_environment(threads: int, token: str) -> dict[str, str]:
    """Build the environment of a kernel: ours, its thread share, and the mark of its run."""
    environment = {
        **os.environ,
        **process.thread_environment(threads),
        process.MARK: token,
    }
    # Inherited from a script or test runner it would keep figures out of the notebook.
    environment.pop("MPLBACKEND", None)
    # The kernel works in a folder of its own, where a relative path would lead nowhere.
    if environment.get("ECCVKIT_DATA"):
        environment["ECCVKIT_DATA"] = str(Path(environment["ECCVKIT_DATA"]).absolute())
    return environment


class _ThisPython(KernelSpecManager):
    """Every kernel is this interpreter, whatever kernelspecs are installed on the machine."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="Python 3",
            language="python",
        )


class _Client(PapermillNotebookClient):
    """Papermill's client with a kernel of ours."""

    def __init__(self, nb_man: Any, session: Session, **kwargs: Any):
        super().__init__(nb_man, on_cell_start=session.enter_cell, log=_LOG, **kwargs)
        self.session = session

    def create_kernel_manager(self) -> AsyncKernelManager:
        self.km = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=_ThisPython(),
            connection_file=str(self.session.private / "kernel.json"),
        )
        sockets = str(self.session.private / "kernel")
        if os.name == "posix" and len(sockets) < MAX_SOCKET_PATH:
            # Socket files in a private folder: no ports for two kernels to fight over, and
            # nothing that another user of the machine could connect to.
            self.km.transport = "ipc"
            self.km.ip = sockets
        return self.km

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        await super().async_start_new_kernel(**kwargs)
        self.session.started(self.km.provisioner.process)

    start_new_kernel = run_sync(async_start_new_kernel)

    def papermill_execute_cells(self) -> None:
        super().papermill_execute_cells()
        self.session.measure()


class WatchedEngine(NBClientEngine):
    """Papermill engine that runs a notebook inside a :class:`Session`."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, session: Session, start_timeout: int, **_: Any
    ) -> None:
        """Execute the cells (papermill calls this)."""
        session.notebook = nb_man.nb
        client = _Client(nb_man, session, startup_timeout=start_timeout)
        with session.log.open("wb") as log:
            client.execute(env=session.environment, cwd=str(session.cwd), stdout=log, stderr=log)


papermill_engines.register(ENGINE, WatchedEngine)


def run_notebook(path: str | Path, overrides: Mapping[str, Any], session: Session) -> Outcome:
    """Execute a notebook with papermill and return it, failed or not.

    Parameters
    ----------
    path : path-like
        The notebook file; it is only read.
    overrides : mapping
        Parameters to inject after the cell tagged ``parameters``; none leaves it as it is.
    session : Session
        A fresh one.

    Raises
    ------
    Interrupted
        The session was stopped for another reason than its limits.
    """
    started = time.monotonic()
    watcher = threading.Thread(target=session.watch, args=(started,), daemon=True)
    watcher.start()
    error: RunError | None = None
    try:
        papermill.execute_notebook(
            str(path),
            None,
            parameters=dict(overrides),
            engine_name=ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=START_TIMEOUT,
            session=session,
        )
    except papermill.PapermillExecutionError as failure:
        error = _cell_error(failure)
    except (DeadKernelError, RuntimeError) as failure:
        error = _kernel_error(session, failure)
    except Exception:
        # A kernel that is killed at an awkward moment can fail in many ways; we know why.
        if not session.stopped:
            raise
    finally:
        session.close()
        watcher.join()
    if session.stopped == TIMEOUT:
        error = RunError(
            "Timeout", f"not finished after {session.timeout:g} s and stopped", session.cell
        )
    elif session.stopped == MEMORY:
        took = f"took {session.peak_mb:.0f} MB of at most {session.memory:.0f} MB and was stopped"
        error = RunError("OutOfMemory", took, session.cell)
    elif session.stopped:
        raise Interrupted(session.stopped)
    return Outcome(
        notebook=remove_error_markers(session.notebook),
        error=error,
        seconds=time.monotonic() - started,
        peak_memory_mb=session.peak_mb,
    )


def _cell_error(failure: papermill.PapermillExecutionError) -> RunError:
    """Type and first line of an exception that a cell raised."""
    lines = strip_color(failure.evalue).strip().splitlines()
    return RunError(failure.ename, lines[0].strip() if lines else "", failure.cell_index)


def _kernel_error(session: Session, failure: Exception) -> RunError:
    """Say how the kernel ended: by which signal, or with which last words."""
    code = session.kernel.poll() if session.kernel else None
    if code is not None and code < 0:
        how = f"killed by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            how += ", as the system does when memory runs out"
    elif code is not None:
        how = f"exit status {code}"
    else:
        how = str(failure)
    return RunError("KernelDied", f"the kernel died ({how})", session.cell)
