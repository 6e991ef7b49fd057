"""A real Dask cluster for tests: a scheduler and workers, each a process, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from eccvkit.runner.process import tree

from .conftest import wait_for


class Cluster:
    """A scheduler on a fixed port and some workers; everything they write lies in ``folder``."""

    def __init__(self, folder: Path, **environment: str):
        self.folder = folder
        # Private folders of kernels lie here, so that what is left can be found.
        self.environment = {**os.environ, "TMPDIR": str(folder), **environment}
        self.environment.pop("OMP_NUM_THREADS", None)
        self.processes: list[subprocess.Popen] = []
        self.port = 0
        self.scheduler: subprocess.Popen | None = None

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        log = self.folder / f"scheduler{len(self.processes)}.log"
        self.scheduler = self._start(
            log, "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"
        )
        wait_for(lambda: "Scheduler at:" in log.read_text(), 60)
        line = next(line for line in log.read_text().splitlines() if "Scheduler at:" in line)
        self.port = int(line.rpartition(":")[2])

    def start_worker(
        self, *options: str, before: tuple[str, ...] = (), **environment: str
    ) -> subprocess.Popen:
        log = self.folder / f"worker{len(self.processes)}.log"
        process = self._start(
            log, "worker", self.address, "--nthreads", "1", "--no-dashboard", "--host",
            "127.0.0.1", "--local-directory", str(self.folder), *options, before=before,
            **environment,
        )  # fmt: skip
        wait_for(lambda: "Registered to:" in log.read_text(), 60)
        return process

    def _start(
        self, log: Path, *command: str, before: tuple[str, ...] = (), **environment: str
    ) -> subprocess.Popen:
        with log.open("w") as stream:
            process = subprocess.Popen(
                [*before, sys.executable, "-m", "dask", *command],
                stdout=stream,
                stderr=stream,
                env={**self.environment, **environment},
                cwd=self.folder,  # python -m would import what lies in ours
            )
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in reversed(self.processes):
            for member in tree(process.pid):
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            process.wait()


@contextmanager
def cluster(folder: Path, **environment: str):
    """Start a scheduler; the workers are up to the test."""
    made = Cluster(folder, **environment)
    try:
        made.start_scheduler()
        yield made
    finally:
        made.close()


def kernels_below(folder: Path) -> list[str]:
    """Command lines of the kernels whose private folder lies below ``folder``."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        dead = process.info["status"] == psutil.STATUS_ZOMBIE
        if "ipykernel" in line and str(folder) in line and not dead:
            found.append(line)
    return found
