"""Faults as they happen: processes are killed, connections cut, disks filled; nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eccvkit.runner.record import read_records

from .clusters import cluster, kernels_below
from .conftest import eccvkit, no_traces, running, wait_for, write_notebook

PARAMETERS = 'preset = "smoke"\nseed = 0\ndevice = "cpu"\nplace = ""\n'

#: Leaves a line for every time it is executed.
GOOD = 'import os\nwith open(f"{place}/executed", "a") as s:\n    s.write(f"{seed}\\n")'

#: Tells who it is; the first time it waits to be killed, with a child that nobody would miss.
VICTIM = """\
import os, subprocess, sys, time
mark = f"{place}/NAME.{seed}"
if not os.path.exists(mark):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                             start_new_session=True)
    with open(mark + ".tmp", "w") as stream:
        stream.write(f"{os.getpid()} {os.getppid()} {child.pid}")
    os.rename(mark + ".tmp", mark)
    time.sleep(600)
"""

#: Waits until somebody opens the gate.
GATED = """\
import os, time
open(f"{place}/waiting.{seed}", "w").write(f"{os.getpid()}")
while seed >= 2 and not os.path.exists(f"{place}/gate"):
    time.sleep(0.05)
"""

ENDLESS = """\
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                         start_new_session=True)
open(f"{place}/endless.{os.getpid()}", "w").write(f"{os.getpid()} {child.pid}")
while True:
    time.sleep(0.1)
"""

SWEEP = """\
retries = 1
timeout = 15
memory = 500

[parameters]
place = {place!r}

[[grid]]
papers = ["good.ipynb"]
seed = "0..18"

[[grid]]
papers = ["worker.ipynb", "kernel.ipynb", "raises.ipynb", "endless.ipynb", "hungry.ipynb"]
"""


@pytest.fixture
def place(tmp_path) -> Path:
    """A folder with notebooks, good and bad."""
    folder = tmp_path / "nb"
    folder.mkdir()
    sources = {
        "good": GOOD,
        "worker": VICTIM.replace("NAME", "worker"),
        "kernel": VICTIM.replace("NAME", "kernel"),
        "raises": "raise ValueError('as it must')",
        "endless": ENDLESS,
        "hungry": "block = bytearray(700 * 2**20)\nprint('never')",
        "gated": GATED + GOOD,
    }
    for name, source in sources.items():
        write_notebook(folder / f"{name}.ipynb", [source], PARAMETERS, "# Small")
    return folder


def start(*arguments: object, **environment: str) -> subprocess.Popen:
    """Start the command line in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "eccvkit", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def sound(out: Path) -> dict[str, object]:
    """Every record parses and nothing half-written lies about; returns the records by label."""
    records, problems = read_records(out)
    assert problems == []
    assert no_traces(out)
    assert not list(out.rglob("*.lock"))
    for record in records:
        assert sorted(record.files) == sorted(
            p.relative_to(out / record.label).as_posix()
            for p in (out / record.label).rglob("*")
            if p.is_file()
        )
    return {r.label: r for r in records}


def pids(mark: Path) -> list[int]:
    return [int(pid) for pid in mark.read_text().split()]


def executed(place: Path) -> list[int]:
    return sorted(int(line) for line in (place / "executed").read_text().split())


@pytest.mark.timeout(240)
def test_faults_on_a_cluster(place, tmp_path):
    (place / "sweep.toml").write_text(SWEEP.format(place=str(place)))
    out = tmp_path / "out"
    with cluster(tmp_path) as dask:
        dask.start_worker()
        dask.start_worker()
        command = ["sweep", place / "sweep.toml", "--scheduler", dask.address, "--out", out]
        sweep = start(*command, TMPDIR=str(tmp_path))
        for name in ("worker", "kernel"):
            mark = place / f"{name}.0"
            wait_for(mark.exists, 90)
            kernel, worker, child = pids(mark)
            os.kill(worker if name == "worker" else kernel, signal.SIGKILL)
            wait_for(lambda: not any(map(running, (kernel, child))))  # noqa: B023
        text, errors = sweep.communicate(timeout=180)
        assert errors == ""
        assert sweep.returncode == 1
        wait_for(lambda: not kernels_below(tmp_path))

        records = sound(out)
        good = {label: r for label, r in records.items() if r.status == "ok"}
        assert len(records) == 24
        assert len(good) == 21
        assert "21 done, 3 failed" in text
        faults = {r.stem: r for r in records.values() if r.stem != "good"}
        assert faults["worker"].faults[0].startswith("WorkerLost: the worker died during the run")
        assert faults["kernel"].faults[0].startswith("KernelDied: the kernel died (killed by SIG")
        assert str(faults["raises"].error) == "ValueError: as it must"
        assert faults["raises"].faults == []  # another attempt would raise again
        assert str(faults["endless"].error) == "Timeout: not finished after 15 s and stopped"
        assert faults["hungry"].error.type == "OutOfMemory"
        assert "of at most 500 MB" in faults["hungry"].error.message
        assert len(faults["endless"].faults) == len(faults["hungry"].faults) == 1
        for label in ("raises", "endless", "hungry"):
            assert f"failed {faults[label].label}: {faults[label].error}" in text
        for mark in place.glob("endless.*"):
            assert mark.suffix == ".ipynb" or not any(map(running, pids(mark)))
        assert executed(place) == list(range(19))

        # The same command again: good runs are left alone, the others get another chance.
        again = eccvkit(*command, "--timeout", 4, "--retries", 0)
        assert again.returncode == 1, again.stderr
        assert "24 runs, 21 of them there already" in again.stdout
        assert executed(place) == list(range(19))
        after = sound(out)
        assert {label: after[label] for label in good} == good
        assert sum(r.sweep != records[label].sweep for label, r in after.items()) == 3
        wait_for(lambda: not kernels_below(tmp_path))


@pytest.mark.parametrize("remote", [False, True])
def test_an_interrupt_and_the_same_command_again(place, tmp_path, remote):
    out = tmp_path / "out"
    command = ["sweep", place / "gated.ipynb", "--seed", "0..4", "-p", f"place={place}", "-j", 2,
               "--out", out, "--dashboard", "off"]  # fmt: skip
    with cluster(tmp_path) as dask:
        if remote:
            dask.start_worker()
            dask.start_worker()
            command += ["--scheduler", dask.address]
        sweep = start(*command, TMPDIR=str(tmp_path))
        wait_for(lambda: len(list(place.glob("waiting.*"))) == 4, 90)
        kernels = [pids(place / f"waiting.{seed}")[0] for seed in (2, 3)]
        wait_for(lambda: len(read_records(out)[0]) == 2)
        sweep.send_signal(signal.SIGINT)
        _, errors = sweep.communicate(timeout=60)
        assert sweep.returncode == 130
        assert errors.splitlines() == ["eccvkit: interrupted; finished runs are kept"]
        assert not any(map(running, kernels))
        assert not kernels_below(tmp_path)
        before = sound(out)
        assert sorted(r.seed for r in before.values()) == [0, 1]

        (place / "gate").touch()
        again = eccvkit(*command)
        assert again.returncode == 0, again.stderr
        assert "5 runs, 2 of them there already" in again.stdout
        after = sound(out)
        assert sorted(r.seed for r in after.values()) == [0, 1, 2, 3, 4]
        assert {label: after[label] for label in before} == before
        assert executed(place) == [0, 1, 2, 3, 4]


def test_two_sweeps_into_one_folder(place, tmp_path):
    out = tmp_path / "out"
    command = ["sweep", place / "good.ipynb", "--seed", "0..7", "-p", f"place={place}", "-j", 2,
               "--out", out, "--dashboard", "off"]  # fmt: skip
    sweeps = [start(*command), start(*command)]
    for sweep in sweeps:
        text, errors = sweep.communicate(timeout=120)
        assert (sweep.returncode, errors) == (0, ""), text
    assert len(sound(out)) == 8
    assert executed(place) == list(range(8))  # nothing twice


def test_a_killed_client_leaves_no_kernel_and_the_same_command_completes(place, tmp_path):
    out = tmp_path / "out"
    command = ["sweep", place / "gated.ipynb", "--seed", "1..3", "-p", f"place={place}", "-j", 2,
               "--out", out, "--dashboard", "off"]  # fmt: skip
    sweep = start(*command, TMPDIR=str(tmp_path))
    wait_for((place / "waiting.2").exists, 60)
    sweep.kill()
    sweep.communicate()
    wait_for(lambda: not kernels_below(tmp_path))
    wait_for(lambda: not list(tmp_path.glob("eccvkit-*")))
    (place / "gate").touch()
    again = eccvkit(*command)
    assert again.returncode == 0, again.stderr
    records = sound(out)
    assert sorted(r.seed for r in records.values()) == [1, 2, 3]
    assert all(r.faults == [] for r in records.values())  # another sweep's misfortune


def test_a_scheduler_that_comes_back(place, tmp_path):
    out = tmp_path / "out"
    with cluster(tmp_path) as dask:
        dask.start_worker()
        sweep = start("sweep", place / "worker.ipynb", place / "good.ipynb", "--seed", "0..1",
                      "-p", f"place={place}", "--scheduler", dask.address,
                      "--out", out)  # fmt: skip
        wait_for((place / "worker.0").exists, 60)
        dask.close()
        dask.start_scheduler()
        dask.start_worker()
        wait_for((place / "worker.1").exists, 60)
        os.kill(pids(place / "worker.1")[0], signal.SIGKILL)
        text, errors = sweep.communicate(timeout=120)
        assert (sweep.returncode, errors) == (0, ""), text
        records = sound(out)
        assert len(records) == 4
        assert all(r.status == "ok" for r in records.values())
        (victim,) = [r for r in records.values() if (r.stem, r.seed) == ("worker", 0)]
        assert victim.faults[0].startswith("SchedulerLost: connection to tcp://127.0.0.1:")
        wait_for(lambda: not kernels_below(tmp_path))


def test_a_scheduler_that_stays_away(place, tmp_path):
    out = tmp_path / "out"
    with cluster(tmp_path) as dask:
        dask.start_worker()
        sweep = start("sweep", place / "good.ipynb", place / "endless.ipynb", "--seed", "0..1",
                      "-p", f"place={place}", "--scheduler", dask.address,
                      "--out", out)  # fmt: skip
        wait_for(lambda: len(list(place.glob("endless.[0-9]*"))) == 1, 60)
        dask.close()
        _, errors = sweep.communicate(timeout=120)
        assert sweep.returncode == 2
        assert errors.startswith(f"eccvkit: error: lost the scheduler at {dask.address}")
        assert errors.count("\n") == 1
        wait_for(lambda: not kernels_below(tmp_path))
        for mark in place.glob("endless.[0-9]*"):
            wait_for(lambda: not any(map(running, pids(mark))))  # noqa: B023
    records = sound(out).values()
    assert sorted(r.seed for r in records if r.status == "ok") == [0, 1]
    (failed,) = [r for r in records if r.status == "failed"]
    assert failed.error.type == "SchedulerLost"


def test_gpu_runs_go_to_the_worker_that_has_one(place, tmp_path):
    source = 'import os\nopen(f"{place}/{preset}.{seed}", "w").write(os.environ.get("HAS", "no"))'
    write_notebook(place / "where.ipynb", [source], PARAMETERS)
    with cluster(tmp_path) as dask:
        dask.start_worker(HAS="no")
        sweep = start("sweep", place / "where.ipynb", "--preset", "smoke,gpu", "--seed", "0..2",
                      "-p", f"place={place}", "--scheduler", dask.address,
                      "--out", tmp_path / "out")  # fmt: skip
        wait_for((place / "smoke.2").exists, 60)
        # Nobody could run the others so far; a worker that joins later can.
        dask.start_worker("--resources", "GPU=1", HAS="yes")
        text, errors = sweep.communicate(timeout=60)
    assert (sweep.returncode, errors) == (0, "")
    found = {preset: {(place / f"{preset}.{seed}").read_text() for seed in range(3)}
             for preset in ("smoke", "gpu")}  # fmt: skip
    assert found == {"smoke": {"no"}, "gpu": {"yes"}}
    assert f"scheduler: {dask.address}, 1 worker" in text
    assert (
        f"note   waiting for a worker with a GPU: start one with 'dask worker {dask.address}"
        in text
    )


def test_another_version_on_a_worker(place, tmp_path):
    package = tmp_path / "other" / "eccvkit"
    shutil.copytree(Path(__file__).parents[2] / "eccvkit", package)
    init = package / "__init__.py"
    init.write_text(init.read_text().replace("__version__ = ", "__version__ = '9.' + "))
    with cluster(tmp_path) as dask:
        dask.start_worker(PYTHONPATH=str(package.parent))
        done = eccvkit("sweep", place / "good.ipynb", "--scheduler", dask.address,
                       "--out", tmp_path / "out")  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    from eccvkit import __version__

    assert f"has eccvkit 9.{__version__} (code " in line
    assert f"this command {__version__} (code " in line
    assert line.endswith("install the same version on both")


def test_nobody_at_the_address(place, tmp_path):
    started = time.monotonic()
    done = eccvkit("sweep", place / "good.ipynb", "--scheduler", "tcp://127.0.0.1:9",
                   "--out", tmp_path / "out")  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("eccvkit: error: no Dask scheduler answers at tcp://127.0.0.1:9 (")
    assert "start one with 'dask scheduler'" in line
    assert time.monotonic() - started < 60


# --- disks ----------------------------------------------------------------------------------


def own_disk(folder: Path, options: str) -> tuple[str, ...]:
    """Start of a command that sees a small file system of its own at ``folder``."""
    script = f'mount -t tmpfs -o {options} tmpfs "$0" && exec "$@"'
    return ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(folder))


def on_a_small_disk(folder: Path, options: str, *command: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*own_disk(folder, options), *map(str, command)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture
def disk(tmp_path) -> Path:
    """A folder to mount onto; skips where the system lets nobody mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not shutil.which("unshare") or on_a_small_disk(folder, "size=64k", "true").returncode:
        pytest.skip("this system does not let us mount a small disk (see test_store for the rest)")
    return folder


#: The disk is gone with the command: what lies on it is told from inside.
LOOK = """
import json, pathlib, sys
from eccvkit import cli
from eccvkit.runner.record import read_records
sys.argv[0], code = "eccvkit", 0
try:
    cli.main()
except SystemExit as stop:
    code = stop.code
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
records, problems = read_records(out)
assert problems == []
files = [str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()]
print("LEFT", json.dumps([files, {r.label: str(r.error or "ok") for r in records}]))
sys.exit(code)
"""


def test_a_full_disk(place, disk):
    done = on_a_small_disk(
        disk, "size=900k", sys.executable, "-c", LOOK, "sweep", place / "good.ipynb", "--seed",
        "0..11", "-p", f"place={place}", "-j", 2, "--retries", 1, "--out", disk / "out",
        "--dashboard", "off",
    )  # fmt: skip
    assert done.returncode in (1, 2), done.stderr  # 2: there was no room for the report
    assert "again" in done.stdout
    files, ends = json.loads(done.stdout.rpartition("LEFT ")[2])
    good = {label for label, end in ends.items() if end == "ok"}
    failed = {label: end for label, end in ends.items() if end != "ok"}
    assert 1 <= len(good) < 12
    assert all(end == "StoreFailed: [Errno 28] No space left on device" for end in failed.values())
    assert all(f"{label}/notebook.ipynb" in files for label in good)
    # A run that did not even find room for its failure is named.
    assert done.stdout.count("not stored good/") == 12 - len(ends)
    assert not [name for name in files if ".partial" in name or ".lock" in name or ".tmp" in name]


def test_a_worker_that_does_not_see_the_output_folder(place, disk, tmp_path):
    with cluster(tmp_path) as dask:
        dask.start_worker(before=own_disk(disk, "size=64k"))
        done = eccvkit("sweep", place / "good.ipynb", "--scheduler", dask.address, "--out", disk)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"does not see {disk}/.sources/good-" in line
    assert "--out must be the same place for this command and all workers" in line


def test_a_read_only_folder(place, disk, tmp_path):
    done = on_a_small_disk(
        disk, "ro,size=64k", sys.executable, "-m", "eccvkit", "sweep", place / "good.ipynb",
        "--out", disk,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"cannot write into the output folder {disk} (Read-only file system)" in done.stderr
    assert not (place / "executed").exists()
