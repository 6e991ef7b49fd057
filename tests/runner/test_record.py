from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys

import pytest

from eccvkit.errors import DataError, EccvkitError
from eccvkit.runner.record import (
    Record,
    RunError,
    check_replaceable,
    check_writable,
    read_record,
    read_records,
    remove_stale,
    run_folder,
    write_record,
    write_text,
)


def make_record(**changes) -> Record:
    values = {
        "slug": "rpl", "stem": "30_rpl", "title": "Reciprocal points", "run": "smoke-seed0",
        "status": "ok", "error": None, "parameters": {"preset": "smoke", "seed": 0, "lam": 0.1},
        "preset": "smoke", "seed": 0, "device": "cpu", "versions": {"python": "3.11"},
        "platform": "Linux", "cpu_count": 2, "threads": 1, "started": "2024-01-01T00:00:00+00:00",
        "seconds": 1.5, "peak_memory_mb": 100.0,
    }  # fmt: skip
    return Record(**{**values, **changes})


def test_round_trip(tmp_path):
    claims = {"claims": [{"id": "C1", "text": "t", "verdict": "leaning"}]}
    record = make_record(status="failed", error=RunError("ValueError", "no", 3), claims=claims)
    write_record(record, tmp_path)
    assert read_record(tmp_path / "record.json") == record
    assert json.loads((tmp_path / "record.json").read_text())["format"] == 1


def test_what_is_not_finite_becomes_null(tmp_path):
    rows = [{"value": math.nan}, {"value": -math.inf}, {"value": 1.0}]
    write_record(make_record(tables={"t": rows}), tmp_path)
    text = (tmp_path / "record.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert [r["value"] for r in read_record(tmp_path / "record.json").tables["t"]] == [
        None,
        None,
        1,
    ]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda d: d.pop("format"), "not a record of eccvkit"),
        (lambda d: d.update(format=99), "format version 99, this eccvkit reads 1"),
        (lambda d: d.pop("seconds"), "damaged"),
        (lambda d: d.update(seconds="long"), "damaged"),
        (lambda d: d.update(status="maybe"), "damaged"),
        (lambda d: d.update(status="failed"), "damaged"),
        (lambda d: d.update(error={"kind": 1}), "damaged"),
        (lambda d: d.update(error="ValueError"), "damaged"),
        (lambda d: d.update(claims={"claims": [{"id": "C1"}]}), "damaged"),
        (lambda d: d.update(claims={"claims": [3]}), "damaged"),
    ],
)
def test_foreign_records(tmp_path, change, cause):
    data = make_record().to_json()
    change(data)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match=cause) as error:
        read_record(path)
    assert str(path) in str(error.value)


def test_a_field_of_a_later_version_is_ignored():
    assert Record.from_json({**make_record().to_json(), "mood": "fine"}) == make_record()


def test_others_are_read_beside_a_broken_one(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / "stem" / name).mkdir(parents=True)
        write_record(make_record(run=name), tmp_path / "stem" / name)
    (tmp_path / "stem" / "b" / "record.json").write_text("{")
    (tmp_path / "stem" / ".d.partial-host-1").mkdir()
    (tmp_path / "stem" / ".d.partial-host-1" / "record.json").write_text("{")
    records, problems = read_records(tmp_path)
    assert [r.run for r in records] == ["a", "c"]
    assert len(problems) == 1
    assert os.path.join("stem", "b", "record.json") in str(problems[0])  # noqa: PTH118


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_only_when_complete(tmp_path):
    final = tmp_path / "stem" / "run"
    with run_folder(final) as folder:
        (folder / "file").write_text("1")
        assert not final.exists()
    assert (final / "file").read_text() == "1"
    assert list(final.parent.iterdir()) == [final]


def test_a_failed_run_leaves_nothing_and_keeps_the_old(tmp_path):
    final = tmp_path / "stem" / "run"
    with run_folder(final) as folder:
        (folder / "file").write_text("old")
    with pytest.raises(OSError, match="full"), run_folder(final) as folder:
        (folder / "file").write_text("new")
        raise OSError("full")
    assert (final / "file").read_text() == "old"
    assert list(final.parent.iterdir()) == [final]


def test_a_new_run_replaces_the_old(tmp_path):
    final = tmp_path / "stem" / "run"
    for text in ("old", "new"):
        with run_folder(final) as folder:
            (folder / text).write_text(text)
    assert [p.name for p in final.iterdir()] == ["new"]
    assert list(final.parent.iterdir()) == [final]


def test_partial_folders_of_the_dead_are_removed(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    host = socket.gethostname()
    stale = tmp_path / f".run.partial-{host}-{dead}"
    alive = tmp_path / f".run.partial-{host}-{os.getppid()}"
    elsewhere = tmp_path / f".run.partial-elsewhere-{dead}"
    other = tmp_path / f".run2.partial-{host}-{dead}"
    for folder in (stale, alive, elsewhere, other):
        folder.mkdir()
    remove_stale(tmp_path / "run")
    assert sorted(tmp_path.iterdir()) == sorted([alive, elsewhere, other])
    # Whoever holds the run is alone with it.
    remove_stale(tmp_path / "run", alone=True)
    assert list(tmp_path.iterdir()) == [other]


def test_a_result_set_aside_by_a_dead_process_comes_back(tmp_path):
    aside = tmp_path / ".run.partial-somewhere-1-replaced"
    aside.mkdir()
    (aside / "record.json").write_text("old")
    (tmp_path / ".run.partial-somewhere-1").mkdir()
    remove_stale(tmp_path / "run", alone=True)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert (tmp_path / "run" / "record.json").read_text() == "old"


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EccvkitError, match=r"cannot write into .*choose another with --out"):
        check_writable(tmp_path / "file" / "runs")
    check_writable(tmp_path / "new" / "runs")
    assert list((tmp_path / "new" / "runs").iterdir()) == []


def test_only_runs_are_replaced(tmp_path):
    check_replaceable(tmp_path / "absent")
    check_replaceable(tmp_path)
    write_record(make_record(), tmp_path)
    check_replaceable(tmp_path)
    (tmp_path / "record.json").unlink()
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(EccvkitError, match="replace it with --force"):
        check_replaceable(tmp_path)
