"""Synthetic notebooks, and the command line as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from eccvkit.runner.record import RECORD, Record, read_record

PARAMETERS = """\
preset = "lab"  # smoke, lab or gpu
seed = 0
device = "auto"
lam = 0.5  # weight of the second term
steps = 10
verbose = False
tag = "a#b=c"
sizes = [8, 16]
total = 2 * steps
"""

#: A chapter in small: a figure with alternative text, a table, run facts, claims, a widget view.
CHAPTER = [
    """\
import base64, os, struct, sys, zlib
from IPython.display import display
from eccvkit.outputs import CLAIMS, RUN, TABLE, emit

emit(RUN, {"device": "cpu"})
rows = [{"variant": sys.executable, "seed": seed, "metric": k, "value": os.environ[k]}
        for k in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ECCVKIT_THREADS")]
emit(TABLE, {"name": "environment", "rows": rows}, html="<table><tr><td>threads</td></tr></table>")
emit(TABLE, {"name": "lam", "rows": [
    {"variant": "ours", "seed": seed, "metric": "lam", "value": lam}]})
""",
    """\
def png(width, height):
    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\\0" + bytes([200]) * width for _ in range(height)))
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\\x89PNG\\r\\n\\x1a\\n" + parts

display({"image/png": base64.b64encode(png(900, 300)).decode(), "text/plain": "<Figure>"},
        metadata={"image/png": {"alt": 'A "grey" <plane>', "thumbnail": True}}, raw=True)
display({"application/vnd.jupyter.widget-view+json": {"model_id": "0", "version_major": 2,
         "version_minor": 0}, "text/plain": "interactive(children=...)"}, raw=True)
""",
    """\
open("scratch.txt", "w").write("kept beside the notebook")
verdict = "reproduced" if seed == 0 else "leaning"
emit(CLAIMS, {"preset": preset, "seeds": [0, 1, 2], "claims": [
    {"id": "C1", "text": "Ours [beats] theirs", "paper": "0.9 against 0.8", "source": "Table 1",
     "ours": "0.95 against 0.85", "effect": 0.1, "low": 0.05, "high": 0.15, "n": 3,
     "unit": "AUROC", "verdict": verdict},
    {"id": "C2", "text": "Nothing is lost", "paper": "", "source": "", "ours": "", "effect": None,
     "low": None, "high": None, "n": 1, "unit": "", "verdict": "not judged"}]})
""",
]

MARKDOWN = r"""# A small chapter

The score $p_\theta(y \mid x)$, but not `code $x$`.

$$\mathcal{L} = \min_\theta \frac{1}{n} \sum_i \ell_i \tag{3}$$

\begin{align} a &= b \\ c &= d \end{align}
"""

#: Starts a child in a session of its own, tells its process id, and never ends.
ENDLESS = [
    """\
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                         start_new_session=True)
with open(f"{marker}.{seed}", "w") as stream:
    stream.write(f"{os.getpid()} {child.pid}")
""",
    "while True:\n    time.sleep(0.1)",
]


def write_notebook(
    path: Path, cells: Sequence[str], parameters: str = PARAMETERS, markdown: str = MARKDOWN
) -> Path:
    """Write a notebook: heading, parameters cell, code cells."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell(markdown),
            new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            *[new_code_cell(source) for source in cells],
        ],
        metadata={"kernelspec": {"name": "somebody", "display_name": "Mine", "language": "python"}},
    )
    nbformat.write(notebook, path)
    return path


def eccvkit(*arguments: object, **kwargs) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "eccvkit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **kwargs)


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until the condition holds, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def running(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def no_traces(out: Path) -> bool:
    """Whether nothing half-written lies in an output folder."""
    return not [p for p in out.rglob("*") if ".partial" in p.name or p.suffix == ".tmp"]


@dataclass(frozen=True)
class Runs:
    """Results of one call of the command line."""

    out: Path
    process: subprocess.CompletedProcess[str]

    def folder(self, label: str) -> Path:
        return self.out / label

    def record(self, label: str) -> Record:
        return read_record(self.out / label / RECORD)


@pytest.fixture(scope="session")
def runs(library, tmp_path_factory) -> Runs:
    """Three notebooks, two seeds, two at once: a good one, a failing one, one that kills itself."""
    out = tmp_path_factory.mktemp("out") / "runs"
    names = [library / f"{name}.ipynb" for name in ("chapter", "broken", "suicidal")]
    options = ["--preset", "smoke", "--seed", "0..1", "-p", "lam=0.25", "--jobs", 2, "--out", out]
    environment = {**os.environ, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "7"}
    return Runs(out, eccvkit("run", *names, *options, env=environment))


@pytest.fixture(scope="session")
def library(tmp_path_factory) -> Path:
    """A folder of notebooks: chapter, broken, suicidal, endless."""
    folder = tmp_path_factory.mktemp("library")
    write_notebook(folder / "chapter.ipynb", CHAPTER)
    write_notebook(
        folder / "broken.ipynb",
        ["print('first')", "raise ValueError('the first line\\nand the second')", "print('never')"],
    )
    write_notebook(
        folder / "suicidal.ipynb", ["print('first')", "import os; os.kill(os.getpid(), 9)"]
    )
    write_notebook(folder / "endless.ipynb", ENDLESS, PARAMETERS + 'marker = ""\n')
    return folder
