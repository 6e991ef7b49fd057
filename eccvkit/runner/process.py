"""The processes of a run: how much memory they take, and how they end.

A kernel may start children (data workers, servers), and those may leave its process group or
outlive it. Every process of a run inherits the environment variable :data:`MARK`, so none is
missed.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

import psutil

#: Environment variable that holds the token of the run a process belongs to.
MARK = "ECCVKIT_RUN"


def cores() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_share(jobs: int) -> int:
    """Threads for each of ``jobs`` kernels that run at once: the cores divided, at least 1."""
    return max(1, cores() // jobs)


def thread_environment(threads: int) -> dict[str, str]:
    """Variables that hold numerical libraries, and ``eccvkit.runtime``, to ``threads`` threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ECCVKIT_THREADS")
    return dict.fromkeys(names, str(threads))


def tree(pid: int) -> list[psutil.Process]:
    """Return the process and all its descendants; empty when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resident_bytes(processes: list[psutil.Process]) -> int:
    """Sum of the resident set sizes of the processes that still run, in bytes."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def high_water_bytes(pid: int) -> int:
    """Largest resident set the process ever had, in bytes; 0 where the system does not tell.

    Linux keeps it (``VmHWM``), so that a short peak between two looks is not missed.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
    return 1024 * int(found[1]) if found else 0


def offer_to_the_system(pid: int) -> None:
    """Let a machine that runs out of memory end this process first, and not the one that runs it.

    Processes that it starts inherit the preference. Only Linux has it.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("700", encoding="ascii")


def marked(token: str) -> list[psutil.Process]:
    """All running processes of the run with this token, also those that left the kernel's tree."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == token:
                found.append(process)
    return found


def kill_run(token: str, pid: int | None = None, patience: float = 3.0) -> None:
    """Kill every process of a run, and those they start meanwhile, until none is left.

    Parameters
    ----------
    token : str
        Value of :data:`MARK` in the run's environment.
    pid : int, optional
        The kernel; its descendants are killed too.
    patience : float
        Seconds after which to give up (a process stuck in the kernel of the system).
    """
    deadline = time.monotonic() + patience
    # Kept over the rounds: a dying process loses its environment, and so its mark, before it dies.
    found: dict[int, psutil.Process] = {}
    while time.monotonic() < deadline:
        found |= {p.pid: p for p in [*(tree(pid) if pid else []), *marked(token)]}
        found.pop(os.getpid(), None)
        victims = [p for p in found.values() if _alive(p)]
        if not victims:
            return
        for process in victims:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)


def _alive(process: psutil.Process) -> bool:
    # A zombie is dead already: whoever started it has yet to collect its exit status. Waiting
    # for it here would take that status away from the kernel manager.
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
