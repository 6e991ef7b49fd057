"""Runs end to end through the command line: good, failing, dying, endless, interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import nbformat
import psutil
import pytest
from PIL import Image

from eccvkit.outputs import collect
from eccvkit.runner import process
from eccvkit.runner.record import read_record, read_records

from .conftest import (
    CHAPTER,
    PARAMETERS,
    Runs,
    eccvkit,
    no_traces,
    running,
    wait_for,
    write_notebook,
)

GOOD = "chapter/smoke-seed0-lam0.25"
FAILED = "broken/smoke-seed1-lam0.25"
DEAD = "suicidal/smoke-seed0-lam0.25"


def test_every_run_left_its_files(runs: Runs):
    folders = sorted(
        p.parent.relative_to(runs.out).as_posix() for p in runs.out.rglob("record.json")
    )
    assert folders == [
        f"{stem}/smoke-seed{seed}-lam0.25"
        for stem in ("broken", "chapter", "suicidal")
        for seed in (0, 1)
    ]
    for folder in folders:
        assert {"notebook.ipynb", "index.html"} <= {p.name for p in (runs.out / folder).iterdir()}
    assert no_traces(runs.out)


def test_a_failed_run_is_the_exit_status(runs: Runs):
    assert runs.process.returncode == 1
    assert "Traceback" not in runs.process.stderr


def test_the_log_names_every_run(runs: Runs):
    lines = runs.process.stdout.splitlines()
    assert sum(line.startswith("start") for line in lines) == 6
    assert sum(line.startswith("done") for line in lines) == 2
    failed = [line for line in lines if line.startswith(f"failed {FAILED}")]
    assert len(failed) == 1
    assert failed[0].endswith("ValueError: the first line")
    assert lines[-1] == f"report: {runs.out / 'index.html'}"


def test_the_verdicts_are_printed(runs: Runs):
    (line,) = [
        line for line in runs.process.stdout.splitlines() if "C1 Ours [beats] theirs" in line
        and GOOD in line
    ]  # fmt: skip
    assert "0.95 against 0.85" in line
    assert "+0.1 [+0.05, +0.15] AUROC" in line
    assert line.rstrip().endswith("reproduced")


def test_record_of_a_good_run(runs: Runs):
    record = runs.record(GOOD)
    assert (record.status, record.error) == ("ok", None)
    assert record.parameters == {
        "preset": "smoke", "seed": 0, "device": "auto", "lam": 0.25, "steps": 10,
        "verbose": False, "tag": "a#b=c", "sizes": [8, 16], "total": "2 * steps",
    }  # fmt: skip
    assert (record.preset, record.seed, record.device) == ("smoke", 0, "cpu")
    assert {"python", "eccvkit", "torch", "numpy", "papermill"} <= record.versions.keys()
    assert 0.2 < record.seconds < 100
    assert 20 < record.peak_memory_mb < 2000
    assert [c["id"] for c in record.claim_rows] == ["C1", "C2"]
    assert record.tables["lam"] == [{"variant": "ours", "seed": 0, "metric": "lam", "value": 0.25}]


def test_files_and_thumbnail(runs: Runs):
    record = runs.record(GOOD)
    folder = runs.folder(GOOD)
    assert record.files == [
        "files/scratch.txt", "index.html", "notebook.ipynb", "record.json", "thumbnail.png",
    ]  # fmt: skip
    assert all((folder / name).is_file() for name in record.files)
    assert Image.open(folder / record.thumbnail).size == (640, 213)
    assert record.thumbnail_alt == 'A "grey" <plane>'


def test_kernels_share_the_cores_and_are_this_python(runs: Runs):
    share = str(max(1, process.cores() // 2))
    rows = runs.record(GOOD).tables["environment"]
    assert {r["metric"]: r["value"] for r in rows} == dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ECCVKIT_THREADS"), share
    )
    # The notebook's own kernelspec names a kernel that is not installed.
    assert {r["variant"] for r in rows} == {sys.executable}
    assert str(runs.record(GOOD).threads) == share


def test_the_executed_notebook_is_kept(runs: Runs):
    node = nbformat.read(runs.folder(GOOD) / "notebook.ipynb", as_version=4)
    nbformat.validate(node)
    assert "injected-parameters" in node.cells[2].metadata.tags
    assert all(c.execution_count for c in node.cells if c.cell_type == "code")


def test_a_failing_cell(runs: Runs):
    record = runs.record(FAILED)
    assert record.status == "failed"
    assert (record.error.type, record.error.message) == ("ValueError", "the first line")
    node = nbformat.read(runs.folder(FAILED) / "notebook.ipynb", as_version=4)
    assert node.cells[record.error.cell].source.startswith("raise ValueError")
    assert node.cells[record.error.cell - 1].outputs[0].text == "first\n"
    assert node.cells[-1].outputs == []
    assert not any("papermill-error-cell-tag" in c.metadata.get("tags", []) for c in node.cells)


def test_a_kernel_that_dies(runs: Runs):
    record = runs.record(DEAD)
    assert (record.status, record.error.type) == ("failed", "KernelDied")
    assert "SIGKILL" in record.error.message
    node = nbformat.read(runs.folder(DEAD) / "notebook.ipynb", as_version=4)
    assert "os.kill" in node.cells[record.error.cell].source
    assert record.seconds < 30


def test_no_process_is_left(runs: Runs):
    left = [
        p for p in psutil.process_iter(["cmdline"])
        if any("eccvkit-" in part and "kernel" in part for part in p.info["cmdline"] or [])
        and running(p.pid) and p.ppid() == 1
    ]  # fmt: skip
    assert left == []


def test_running_again_replaces(runs: Runs, library, tmp_path):
    shutil.copytree(runs.out, tmp_path / "runs")
    folder = tmp_path / "runs" / GOOD
    (folder / "old").write_text("")
    again = eccvkit("run", library / "chapter.ipynb", "--preset", "smoke", "-p", "lam=0.25",
                    "--out", tmp_path / "runs")  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "replaces the older run" in again.stdout
    assert not (folder / "old").exists()
    assert read_record(folder / "record.json").threads == process.cores()
    records, problems = read_records(tmp_path / "runs")
    assert (len(records), problems) == (6, [])


def test_a_timeout_ends_the_kernel_and_its_children(library, tmp_path):
    marker = tmp_path / "marker"
    done = eccvkit("run", library / "endless.ipynb", "-p", f"marker={marker}", "--timeout", 6,
                   "--out", tmp_path / "runs")  # fmt: skip
    assert done.returncode == 1
    assert "Timeout: not finished after 6 s" in done.stdout
    (folder,) = (tmp_path / "runs" / "endless").iterdir()
    record = read_record(folder / "record.json")
    assert (record.status, record.error.type) == ("failed", "Timeout")
    node = nbformat.read(folder / "notebook.ipynb", as_version=4)
    assert node.cells[record.error.cell].source.startswith("while True")
    kernel, child = map(int, (tmp_path / "marker.0").read_text().split())
    assert not running(kernel)
    assert not running(child)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_an_interrupt_keeps_what_is_finished(library, tmp_path, number, status):
    marker = tmp_path / "marker"
    out = tmp_path / "runs"
    # The good notebook needs the endless one's parameter, too.
    chapter = write_notebook(tmp_path / "chapter.ipynb", CHAPTER, PARAMETERS + 'marker = ""\n')
    command = [sys.executable, "-m", "eccvkit", "run", chapter, library / "endless.ipynb",
               "-p", f"marker={marker}", "--seed", "0..1", "--jobs", 2, "--out", out]  # fmt: skip
    started = subprocess.Popen(
        [*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    marks = [tmp_path / f"marker.{seed}" for seed in (0, 1)]
    wait_for(lambda: all(m.exists() and len(m.read_text().split()) == 2 for m in marks), 60)
    started.send_signal(number)
    _, errors = started.communicate(timeout=30)
    assert started.returncode == status
    assert errors.splitlines() == (
        ["eccvkit: interrupted; finished runs are kept"] if number == signal.SIGINT else []
    )
    for mark in marks:
        assert not any(running(int(pid)) for pid in mark.read_text().split())
    records, problems = read_records(out)
    assert problems == []
    assert [r.stem for r in records] == ["chapter", "chapter"]
    assert all(r.status == "ok" for r in records)
    assert no_traces(out)
    assert list((out / "endless").iterdir()) == []


def test_a_killed_runner_leaves_nothing_that_looks_complete(library, tmp_path):
    marker, out = tmp_path / "marker", tmp_path / "runs"
    command = [sys.executable, "-m", "eccvkit", "run", str(library / "endless.ipynb"),
               "-p", f"marker={marker}", "--out", str(out)]  # fmt: skip
    # The sockets lie in our folder, to see that they are removed.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    mark = tmp_path / "marker.0"
    wait_for(lambda: mark.exists() and len(mark.read_text().split()) == 2, 60)
    kernel, child = map(int, mark.read_text().split())
    started.kill()
    started.wait()
    wait_for(lambda: not running(kernel) and not running(child))  # the keeper saw to that
    wait_for(lambda: not list(tmp_path.glob("eccvkit-*")))
    assert read_records(out) == ([], [])
    assert eccvkit("report", out).returncode == 2
    left = sorted(p.name.partition(".partial")[0] for p in (out / "endless").iterdir())
    assert [name.partition("-")[0] for name in left] == [".lab", ".lab"]  # partial folder, lock
    again = eccvkit(*command[3:], "--timeout", 3)
    assert again.returncode == 1
    assert len(list((out / "endless").iterdir())) == 1
    assert no_traces(out)


def test_plain_papermill_needs_none_of_this(library, tmp_path):
    out = tmp_path / "out.ipynb"
    node = nbformat.read(library / "chapter.ipynb", as_version=4)
    node.metadata.kernelspec.name = "python3"
    nbformat.write(node, tmp_path / "in.ipynb")
    environment = {**os.environ, "ECCVKIT_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                   "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # fmt: skip
    subprocess.run(
        [sys.executable, "-m", "papermill", "in.ipynb", out, "-p", "preset", "smoke",
         "-p", "seed", "3", "--no-progress-bar"],
        cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    node = nbformat.read(out, as_version=4)
    assert collect(node).tables["lam"][0]["seed"] == 3
    assert node.metadata.papermill.parameters == {"preset": "smoke", "seed": 3}
