"""Places for runs: a folder, and a URL that fsspec knows."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from socket import gethostname

import fsspec
import pytest

from eccvkit.errors import EccvkitError
from eccvkit.runner.record import ForeignFormat, write_record
from eccvkit.runner.store import FolderStore, open_store

from .disks import FullFileSystem
from .test_record import make_record

ADDRESS = "30_rpl/smoke-seed0"


@pytest.fixture(params=["folder", "url"])
def store(request, tmp_path):
    out = tmp_path / "runs" if request.param == "folder" else f"memory://{uuid.uuid4().hex}/runs"
    store = open_store(out)
    store.check()
    return store


def keep(store, **changes):
    with store.hold(ADDRESS, "s") as hold:
        assert hold is not None
        with store.folder(ADDRESS) as folder:
            (folder / "notebook.ipynb").write_text('{"a": "é"}')
            (folder / "thumbnail.png").write_bytes(b"\x89PNG")
            (folder / "files").mkdir()
            (folder / "files" / "x.txt").write_text("x")
            write_record(make_record(**changes), folder)


def test_a_run_goes_in_and_comes_out(store):
    assert store.read(ADDRESS) is None
    assert store.records() == ([], [])
    keep(store)
    assert store.read(ADDRESS) == make_record()
    assert store.records() == ([make_record()], [])
    keep(store, seconds=9.0)
    assert store.records() == ([make_record(seconds=9.0)], [])


def test_files_of_a_run(store):
    keep(store)
    files = fsspec.open_files(f"{store.root}/{ADDRESS}/**")
    assert len(files) == 4
    with fsspec.open(f"{store.root}/{ADDRESS}/notebook.ipynb", encoding="utf-8", mode="r") as file:
        assert file.read() == '{"a": "é"}'


def test_a_failed_run_leaves_nothing(store):
    with (
        pytest.raises(RuntimeError),
        store.hold(ADDRESS, "s"),
        store.folder(ADDRESS) as folder,
    ):
        (folder / "notebook.ipynb").write_text("{}")
        raise RuntimeError
    assert fsspec.open_files(f"{store.root}/**") == []


def test_a_text_is_put_and_replaced(store):
    for text in ("old", "new"):
        place = store.put(".sources/a.ipynb", text)
    with fsspec.open(place, "r") as file:
        assert file.read() == "new"
    assert len(fsspec.open_files(f"{store.root}/.sources/*")) == 1
    assert store.records() == ([], [])


def test_a_damaged_record_is_no_record_and_a_foreign_one_is_refused(store):
    keep(store)
    store.put(f"{ADDRESS}/record.json", "{")
    assert store.read(ADDRESS) is None
    assert len(store.records()[1]) == 1
    store.put(f"{ADDRESS}/record.json", json.dumps({**make_record().to_json(), "format": 99}))
    with pytest.raises(ForeignFormat, match="format version 99, this eccvkit reads 1"):
        store.read(ADDRESS)


def test_a_note_that_was_left_names_the_dead(store):
    with store.hold(ADDRESS, "sweep"):
        (lock,) = fsspec.open_files(f"{store.root}/30_rpl/.smoke-seed0.lock")
        with lock as stream:
            left = stream.read()
    with fsspec.open(f"{store.root}/30_rpl/.smoke-seed0.lock", "wb") as stream:
        stream.write(left)
    with store.hold(ADDRESS, "sweep") as hold:
        (line,) = hold.lost
        assert line.startswith(f"WorkerLost: the worker died during the run ({gethostname()}, pid ")


def test_whoever_died_is_named_to_the_next_attempt(tmp_path):
    store = FolderStore(tmp_path)
    script = f"""
import os
from eccvkit.runner.store import open_store
with open_store({store.root!r}).hold({ADDRESS!r}, "sweep"):
    os._exit(9)
"""
    for sweep, died in (("sweep", 1), ("sweep", 2), ("another", 0)):
        # The second time the holder itself finds that one died before it.
        done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
        assert done.returncode == 9
        if died == 2:
            assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 9
        with store.hold(ADDRESS, sweep) as hold:
            assert len(hold.lost) == died
            assert all(line.startswith("WorkerLost: the worker died") for line in hold.lost)
        with store.hold(ADDRESS, sweep) as hold:
            assert hold.lost == ()
    assert list((store.path / "30_rpl").iterdir()) == []


def test_two_do_not_hold_the_same_run(tmp_path):
    one, two = FolderStore(tmp_path), FolderStore(tmp_path)
    with one.hold(ADDRESS, "a") as first, two.hold(ADDRESS, "b") as second:
        assert first is not None
        assert second is None
        with two.hold(ADDRESS + "1", "b") as other:
            assert other is not None
    with two.hold(ADDRESS, "b") as second:
        assert second is not None


def test_a_holder_removes_what_a_dead_one_left(tmp_path):
    store = FolderStore(tmp_path)
    stem = tmp_path / "30_rpl"
    (stem / ".smoke-seed0.partial-elsewhere-123").mkdir(parents=True)
    (stem / ".smoke-seed0.lock").write_text("half of a no")
    with store.hold(ADDRESS, "s") as hold:
        assert hold.lost == ()
    assert list(stem.iterdir()) == []


def test_a_worker_that_does_not_see_the_folder(tmp_path):
    store = FolderStore(tmp_path / "only on the client")
    with (
        pytest.raises(FileNotFoundError, match="does not see the output folder"),
        store.hold(ADDRESS, "s"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_url_that_nobody_knows():
    with pytest.raises(EccvkitError, match=r"cannot use nonsense://x"):
        open_store("nonsense://x")


def test_a_full_place_keeps_nothing_half_written():
    FullFileSystem.install(room=60)
    store = open_store("full://runs")
    store.check()
    with (
        pytest.raises(OSError, match="No space left"),
        store.folder(ADDRESS) as folder,
    ):
        (folder / "a.txt").write_text("short")
        (folder / "b.txt").write_text("x" * 100)
        write_record(make_record(), folder)
    assert FullFileSystem.store == {}
    assert store.records() == ([], [])
