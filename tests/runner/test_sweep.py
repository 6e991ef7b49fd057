"""The command ``sweep`` on this machine: what it does again, what not, and what it refuses."""

from __future__ import annotations

import json
import uuid

import fsspec
import pytest

from eccvkit.errors import EccvkitError
from eccvkit.runner.record import read_records
from eccvkit.runner.spec import RunSpec
from eccvkit.runner.store import open_store
from eccvkit.runner.sweep import shard

from .conftest import no_traces, write_notebook
from .disks import FullFileSystem

PARAMETERS = 'preset = "smoke"\nseed = 0\ndevice = "cpu"\nplace = ""\n'
SOURCE = 'with open(f"{place}/executed", "a") as s:\n    s.write(f"{seed} ")\n'


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path / "nb.ipynb", [SOURCE], PARAMETERS, "# One")
    return tmp_path


def executed(place):
    return sorted(map(int, (place / "executed").read_text().split()))


def test_nothing_is_done_twice(run, place):
    command = ["sweep", "nb.ipynb", "-p", f"place={place}", "--dashboard", "off"]
    assert run(*command, "--seed", "0..1")[0] == 0
    status, out, _ = run(*command, "--seed", "0..2", "--jobs", 1)
    assert status == 0
    assert "3 runs, 2 of them there already" in out
    assert "2 there already, 1 done" in out
    assert executed(place) == [0, 1, 2]
    # All is there: no cluster is started, nothing is written.
    page = place / "runs" / "index.html"
    before = page.stat().st_mtime_ns
    assert run(*command, "--seed", "0..2")[1].splitlines() == [
        "3 runs, 3 of them there already",
        "3 there already",
    ]
    assert page.stat().st_mtime_ns == before
    # Words may change, code may not; what was run stays.
    write_notebook(place / "nb.ipynb", [SOURCE], PARAMETERS, "# Another title")
    assert "1 there already" in run(*command)[1]
    write_notebook(place / "nb.ipynb", [SOURCE + "seed"], PARAMETERS, "# One")
    assert "1 run, 0 of them there already" in run(*command)[1]
    assert executed(place) == [0, 0, 1, 2]
    assert run(*command, "--force")[0] == 0
    assert executed(place) == [0, 0, 0, 1, 2]
    records, problems = read_records(place / "runs")
    assert len(records) == 4
    assert problems == []
    assert len({r.key for r in records}) == 4
    assert all(r.run.endswith(r.key[:8]) for r in records)
    assert no_traces(place / "runs")


def test_a_sweep_file_and_options_that_count_more(run, place):
    (place / "sweep.toml").write_text(
        f'papers = "nb.ipynb"\nseed = "0..5"\nout = "there"\njobs = 1\nretries = 0\n'
        f"[parameters]\nplace = {str(place)!r}\n"
    )
    status, _, err = run("sweep", "sweep.toml", "--seed", "3", "--shard", "1/1", "--dashboard",
                           "off")  # fmt: skip
    assert (status, err) == (0, "")
    assert executed(place) == [3]
    assert len(read_records(place / "there")[0]) == 1
    assert run("sweep", "sweep.toml", "--out", "elsewhere", "--shard", "2/3")[0] == 0
    assert executed(place) == [1, 3, 4]
    assert len(read_records(place / "elsewhere")[0]) == 2


def test_a_sweep_behind_a_url(run, place):
    out = f"memory://{uuid.uuid4().hex}/runs"
    command = ["sweep", "nb.ipynb", "-p", f"place={place}", "--seed", "0..1", "--out", out]
    status, text, err = run(*command, "--dashboard", "off")
    assert (status, err) == (0, "")
    assert f"report: {out}/index.html" in text
    records, problems = open_store(out).records()
    assert (len(records), problems) == (2, [])
    with fsspec.open(f"{out}/{records[0].label}/notebook.ipynb", "rt") as stream:
        assert "injected-parameters" in stream.read()
    left = {path.path.rpartition("/")[2] for path in fsspec.open_files(f"{out}/**")}
    assert not [name for name in left if name.startswith(".") and ".ipynb" not in name]
    assert "2 there already" in run(*command)[1]
    assert run("results", out)[0] == 0
    assert run("report", out)[0] == 0
    assert executed(place) == [0, 1]


def test_a_place_that_fills_up(run, place):
    FullFileSystem.install(room=700_000)  # two runs, and the failures of the others
    command = ["sweep", "nb.ipynb", "-p", f"place={place}", "--seed", "0..3", "--out", "full://r",
               "--dashboard", "off", "--jobs", 1]  # fmt: skip
    status, out, _ = run(*command, "--retries", 0)
    assert status == 1
    assert "2 done, 2 failed" in out
    records, problems = open_store("full://r").records()
    assert problems == []
    assert [str(r.error or "ok") for r in records] == [
        "ok", "ok", *["StoreFailed: [Errno 28] No space left on device"] * 2
    ]  # fmt: skip
    names = [name.rpartition("/")[2] for name in FullFileSystem.store]
    assert not [name for name in names if name.endswith((".tmp", ".lock"))]
    FullFileSystem.room = 5_000_000  # somebody made room: the same command completes
    assert run(*command)[0] == 0
    assert executed(place) == [0, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("meanwhile", [False, True])
def test_code_that_changed_since_the_start(run, place, monkeypatch, meanwhile):
    from eccvkit.runner import work

    real = work.code_digest
    digests = iter(["", "another"] if meanwhile else ["another"])  # "": what it really is
    monkeypatch.setattr(work, "code_digest", lambda m: next(digests, "") or real(m))
    status, out, _ = run("sweep", "nb.ipynb", "-p", f"place={place}", "--dashboard", "off")
    assert status == 1
    assert "CodeChanged: modules that the notebook imports differ" in out
    assert (place / "executed").exists() == meanwhile
    (record,), _ = read_records(place / "runs")
    assert record.status == "failed"
    assert ("notebook.ipynb" in record.files) == meanwhile
    assert run("sweep", "nb.ipynb", "-p", f"place={place}")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["absent.toml"], "cannot read absent.toml: No such file"),
        (["broken.toml"], "broken.toml is not TOML"),
        (["sweep.toml", "nb.ipynb"], "name one sweep file, or papers, not both"),
        (["nb.ipynb", "--seed", "0..9999999"], "more than 1000000 values"),
        (["nb.ipynb", "--seed", "0..99999"], "the sweep has 100000 runs, more than 10000"),
        (
            ["nb.ipynb", "--seed", "0..9999", "-p", "place=a,b"],
            "the sweep has 20000 runs, more than 10000: shorten a list, or say --yes",
        ),
        (["nb.ipynb", "-p", "plcae=a"], "unknown parameter of nb 'plcae': did you mean 'place'?"),
        (["nb.ipynb", "--shard", "3/2"], "cannot read shard '3/2'"),
        (["nb.ipynb", "--shard", "two"], "cannot read shard 'two'"),
        (["nb.ipynb", "--retries", "-1"], "'--retries'"),
        (["nb.ipynb", "--scheduler", "nonsense://x:1"], "no Dask scheduler answers at nonsense"),
        (["nb.ipynb", "--out", "nonsense://x"], "cannot use nonsense://x"),
        (["nb.ipynb", "--out", "nb.ipynb/x"], "cannot write into the output folder"),
        (["nb.ipynb", "--device", "cuda:99"], "device 'cuda:99' is not available"),
    ],
    ids=str,
)
def test_refusals(run, place, arguments, cause):
    (place / "broken.toml").write_text("papers = [")
    (place / "sweep.toml").write_text("papers = 'nb.ipynb'")
    status, _, err = run("sweep", *arguments)
    assert status == 2
    assert err.startswith("eccvkit: error: ")
    assert err.count("\n") == 1
    assert cause in err
    assert not (place / "executed").exists()


def test_records_of_another_format(run, place):
    command = ["sweep", "nb.ipynb", "-p", f"place={place}", "--dashboard", "off"]
    assert run(*command)[0] == 0
    (path,) = (place / "runs").glob("*/*/record.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    status, _, err = run(*command)
    assert status == 2
    assert f"{path} has format version 99, this eccvkit reads 1" in err
    path.write_text("{")  # damaged: done again
    assert run(*command)[0] == 0
    assert executed(place) == [0, 0]


def test_shards_are_the_sweep():
    specs = [RunSpec(f"{i}", f"{i}", f"{i}", f"{i}", "run") for i in range(7)]
    parts = [shard(specs, f"{i}/3") for i in (1, 2, 3)]
    assert [len(part) for part in parts] == [3, 2, 2]
    assert sorted(s.slug for part in parts for s in part) == [s.slug for s in specs]
    with pytest.raises(EccvkitError, match="write I/N"):
        shard(specs, "0/3")
