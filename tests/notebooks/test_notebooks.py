"""Every stored notebook: its contract, a run at smoke, and what it says it would print again.

The time of a run counts only on a machine that is otherwise idle: set ``ECCVKIT_TIME_FACTOR`` to
allow for a slower or a busy one.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from eccvkit.claims import Claim
from eccvkit.outputs import collect
from eccvkit.runner.process import resident_bytes, tree
from eccvkit.volume import find, notebooks_dir, papers

from . import contract

pytestmark = [pytest.mark.notebook, pytest.mark.timeout(900)]

SMOKE_SECONDS = 45 * float(os.environ.get("ECCVKIT_TIME_FACTOR", "1"))
SMOKE_BYTES = 2e9

CHAPTERS = sorted(
    set(notebooks_dir().glob("[0-9][0-9]_*.ipynb")) - set(notebooks_dir().glob("00_*"))
)
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def claim_ids(stem: str) -> set[str]:
    """Ids of all claims that a paper's module, or the module ``claims`` in it, defines."""
    name = f"eccvkit.papers.{find(stem).slug}"
    modules = [importlib.import_module(name)]
    if importlib.util.find_spec(f"{name}.claims"):
        modules.append(importlib.import_module(f"{name}.claims"))
    tuples = [value for m in modules for value in vars(m).values() if isinstance(value, tuple)]
    return {item.id for value in tuples for item in value if isinstance(item, Claim)}


def test_ready_papers_and_notebooks_are_the_same():
    assert [path.stem for path in CHAPTERS] == [p.stem for p in papers() if p.status == "ready"]


@each_chapter
def test_contract(path):
    assert contract.findings(path, claim_ids(path.stem)) == []


# --- a run at smoke -------------------------------------------------------------------------


@dataclass(frozen=True)
class Usage:
    """What a finished command took: wall time in seconds, peak memory of its children in bytes."""

    status: int
    seconds: float
    memory: float


def measure(command: list[str], cwd: Path, log: Path, limit: float) -> Usage:
    """Run a command to its end and watch the memory of the kernels that it starts."""
    start, memory = time.perf_counter(), 0
    with log.open("w") as stream:
        process = psutil.Popen(command, cwd=cwd, stdout=stream, stderr=stream)
        try:
            while process.poll() is None and time.perf_counter() - start < limit:
                memory = max(memory, resident_bytes(tree(process.pid)[1:]))
                time.sleep(0.1)
        finally:
            for left in reversed(tree(process.pid)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    left.kill()
    return Usage(process.wait(), time.perf_counter() - start, memory)


def test_measure_sees_the_memory_of_a_child(tmp_path):
    child = "import time; block = bytearray(200_000_000); time.sleep(1)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    usage = measure([sys.executable, "-c", parent], tmp_path, tmp_path / "log", 30)
    assert usage.status == 0
    assert usage.seconds > 1
    assert 2e8 < usage.memory < 3e8


def test_measure_ends_what_takes_too_long(tmp_path):
    forever = [sys.executable, "-c", "import time; time.sleep(600)"]
    usage = measure(forever, tmp_path, tmp_path / "log", 0.5)
    assert usage.status != 0
    assert usage.seconds < 10


#: Run after everything else, as a reader would: move each control and look at the picture.
PROBE = """
def _move_each_control():
    from ipywidgets.widgets.widget import _instances

    pictures = []

    def keep(message):
        if message["header"]["msg_type"] == "update_display_data":
            pictures.append(message["content"]["data"]["image/png"])
        return message

    get_ipython().display_pub.register_hook(keep)
    widgets = list(_instances.values())
    controls = [w for w in widgets if hasattr(w, "options") or hasattr(w, "max")]
    for control in controls:
        before = control.value
        values = getattr(control, "_options_values", None) or (control.min, control.max)
        control.value = next(v for v in values if v != before)
        control.value = before
        there, back = pictures[-2:]
        assert there != back, control
        pictures.clear()
    print("controls that redraw:", len(controls))


_move_each_control()
"""


@each_chapter
def test_plain_papermill_at_smoke(path, tmp_path, record_property):
    source, out, log = tmp_path / path.name, tmp_path / "out.ipynb", tmp_path / "log"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_code_cell(PROBE))
    nbformat.write(notebook, source)
    parameters = ["-p", "preset", "smoke", "-p", "seed", "3"]
    command = [sys.executable, "-m", "papermill", str(source), str(out), *parameters]
    usage = measure(command, tmp_path, log, limit=10 * SMOKE_SECONDS)
    record_property("seconds", round(usage.seconds, 1))
    record_property("megabytes", round(usage.memory / 1e6))
    print(f"{path.stem}: {usage.seconds:.1f} s, {usage.memory / 1e6:.0f} MB")

    assert usage.status == 0, log.read_text()[-3000:]
    executed = nbformat.read(out, as_version=4)
    assert "controls that redraw: 0" not in (probe := executed.cells[-1].outputs[-1].text)
    assert "controls that redraw" in probe
    facts = collect(executed)
    assert (facts.run["preset"], facts.run["seed"]) == ("smoke", 3)
    assert {claim["id"] for claim in facts.claims["claims"]} == claim_ids(path.stem)
    assert usage.seconds <= SMOKE_SECONDS, "too slow on an idle machine; see ECCVKIT_TIME_FACTOR"
    assert usage.memory <= SMOKE_BYTES


# --- stored outputs, compared by nbval ------------------------------------------------------


def nbval(path: Path, tmp_path: Path) -> tuple[set[int], str]:
    """Positions of the code cells that ran and whose tagged outputs agree, and the log."""
    report = tmp_path / "nbval.xml"
    options = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=120"]
    bare = ["-q", "--color=no", "-p", "no:cacheprovider", "-o", "addopts=", f"--junitxml={report}"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *bare, str(path)],
        capture_output=True,
        text=True,
        env=environment,
    )
    cases = ET.parse(report).iter("testcase") if report.exists() else []
    bad = ("failure", "error", "skipped")
    passed = {
        int(case.get("name").split()[-1])
        for case in cases
        if all(case.find(kind) is None for kind in bad)
    }
    return passed, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("stored", "agrees"), [("4\n", True), ("5\n", False)], ids=["same", "changed"]
)
def test_nbval_compares_tagged_cells(tmp_path, stored, agrees):
    run = {"outputs": [new_output("stream", name="stdout", text=stored)], "execution_count": 1}
    tagged = {"tags": ["nbval-check-output"]}
    skipped = {"tags": ["nbval-skip"]}
    notebook = new_notebook(
        cells=[
            new_code_cell("print(2 * 2)", **run),
            new_code_cell("1 / 0", metadata=skipped),
            new_code_cell("print(2 + 2)", **run, metadata=tagged),
        ]
    )
    nbformat.write(notebook, tmp_path / "small.ipynb")
    passed, _ = nbval(tmp_path / "small.ipynb", tmp_path)
    assert passed == ({0, 2} if agrees else {0})


@each_chapter
def test_deterministic_cells_print_what_is_stored(path, tmp_path):
    compared = contract.compared_cells(nbformat.read(path, as_version=4))
    assert len(compared) >= contract.MIN_COMPARED
    passed, log = nbval(path, tmp_path)
    assert set(compared) <= passed, log[-3000:]
    assert " failed" not in log, log[-3000:]
