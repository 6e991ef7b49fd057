"""JupyterLab as ``make lab`` starts it, for the tests of this folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from eccvkit.runner.process import MARK, kill_run

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: where it listens, its token, and when it was started."""

    url: str
    token: str
    started: float

    def address(self, notebook: str) -> str:
        """What a person pastes into the browser."""
        return f"{self.url}lab/tree/{notebook}?token={self.token}"


@contextmanager
def lab(notebooks: Path, scratch: Path, *options: str, patience: float = 60) -> Iterator[Server]:
    """Start JupyterLab by ``make lab`` on a folder of notebooks; at the end, no process is left.

    Parameters
    ----------
    notebooks : Path
    scratch : Path
        An empty folder: settings of the person who runs the tests play no part.
    *options : str
        Further options of JupyterLab.
    patience : float
        Seconds within which it must answer.
    """
    mark = uuid.uuid4().hex
    folders = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    ours = {f"JUPYTER_{name}": str(scratch / name.lower()) for name in folders}
    ours |= {MARK: mark, "IPYTHONDIR": str(scratch / "ipython")}
    foreign = ("MAKE", "MFLAGS", "JUPYTER")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | ours
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [
        *("make", "lab", "INSTALLED=", f"PY={sys.executable}", f"NOTEBOOKS={notebooks}"),
        "LAB_OPTIONS=" + " ".join(["--no-browser", *root, *options]),
    ]
    log = scratch / "jupyter.log"
    started = time.monotonic()
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream, stderr=stream)
    try:
        yield _answering(process, scratch / "runtime_dir", log, started, patience)
    finally:
        kill_run(mark, process.pid)
        process.wait(10)


def _answering(
    process: subprocess.Popen, runtime: Path, log: Path, started: float, patience: float
) -> Server:
    """Wait for the file in which a Jupyter server says where it listens."""
    while time.monotonic() < started + patience and process.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            told = json.loads(path.read_text() or "{}")
            if told and psutil.pid_exists(told["pid"]):
                return Server(told["url"], told["token"], started)
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab does not answer:\n{log.read_text()[-2000:]}")
