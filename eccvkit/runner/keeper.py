"""The keeper: a small process that outlives a runner just long enough to end its kernels.

A runner or worker that is killed (by a person, the system out of memory, a cluster out of time) can
no longer end its kernels. A kernel notices by itself that its parent is gone, the processes it
started do not. So every process that runs kernels tells a helper of its own which runs it has
begun; when the pipe between them closes, for whatever reason, the helper kills what is left.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from eccvkit.runner import process


class _Keeper:
    """The process, started with the first run, and the runs it has been told of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._runs: dict[str, str] = {}

    def guard(self, token: str, folder: Path) -> None:
        with self._lock:
            self._runs[token] = str(folder)
            self._tell([f"+{token} {folder}"])

    def release(self, token: str) -> None:
        with self._lock:
            self._runs.pop(token, None)
            self._tell([f"-{token}"])

    def close(self) -> None:
        with self._lock:
            if self._process:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()

    def _tell(self, lines: list[str]) -> None:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "eccvkit.runner.keeper"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
                # Neither Ctrl-C nor a signal to the group of its parent reaches it.
                start_new_session=True,
            )
            lines = [f"+{token} {folder}" for token, folder in self._runs.items()]
        with contextlib.suppress(OSError):  # somebody killed it: the next call starts another
            self._process.stdin.writelines(line + "\n" for line in lines)
            self._process.stdin.flush()


_KEEPER = _Keeper()
atexit.register(_KEEPER.close)


def guard(token: str, folder: Path) -> None:
    """Have the processes of a run killed, and its folder removed, should this process die.

    Parameters
    ----------
    token : str
        Mark of the run's processes, see :data:`eccvkit.runner.process.MARK`.
    folder : Path
        Private folder of the run.
    """
    _KEEPER.guard(token, folder)


def release(token: str) -> None:
    """Forget a run that has ended."""
    _KEEPER.release(token)


def keep(orders: TextIO) -> None:
    """Read orders until their sender is gone, then end its runs (the helper's whole life)."""
    runs: dict[str, str] = {}
    for line in orders:
        token, _, folder = line[1:].rstrip("\n").partition(" ")
        if line.startswith("+"):
            runs[token] = folder
        else:
            runs.pop(token, None)
    for _ in range(2):  # a kernel that was just being started shows its mark a moment later
        for token in runs:
            process.kill_run(token)
        time.sleep(0.5 if runs else 0)
    for folder in runs.values():
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    keep(sys.stdin)
