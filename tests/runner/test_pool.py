"""The client's side without kernels: order, shares, faults, retries, and runs that are lost."""

from __future__ import annotations

import io
import threading
import time

import pytest
from rich.console import Console

from eccvkit.runner import pool
from eccvkit.runner.cluster import local
from eccvkit.runner.progress import Pace, follow
from eccvkit.runner.record import RECORD, read_record
from eccvkit.runner.spec import RunSpec
from eccvkit.runner.store import note
from eccvkit.runner.work import Ended, Job, work

from .test_record import make_record

#: Two tasks meet here, or the test fails.
TOGETHER = threading.Barrier(2, timeout=10)
#: What tasks have seen, in order.
seen: list[str] = []


def jobs(out, *names, **terms):
    return [
        Job(RunSpec(f"{n}.ipynb", n, n, n, "run", parameters={"preset": "smoke"}), str(out),
            "sweep", **terms)
        for n in names
    ]  # fmt: skip


# Dask looks a task's function up by its name, so these stand at the top of the module.


def good(job):
    seen.append(job.spec.stem)
    return Ended("done", make_record(stem=job.spec.stem, run=job.spec.name))


def slow_a(job):
    time.sleep(0.2 if job.spec.stem == "a" else 0)
    return good(job)


def meet(job):
    TOGETHER.wait()
    return good(job)


def difficult(job):
    if job.spec.stem == "bug":
        raise TypeError("a mistake of ours")
    if job.spec.stem == "full":
        return Ended("fault", faults=(*job.faults, "StoreFailed: No space left on device"))
    if job.spec.stem == "tired" and len(job.faults) < 2:
        return Ended("fault", faults=(*job.faults, f"KernelDied: attempt {len(job.faults) + 1}"))
    if job.spec.stem == "held" and seen.count("held") < 1:
        seen.append("held")
        return Ended("busy")
    return good(job)


def real(job):
    return work(job, execute=stub)


def stub(spec, store, *, threads, faults, **_):
    seen.append(f"{spec.stem} with {threads}")
    return make_record(stem=spec.stem, run=spec.name, faults=list(faults))


@pytest.fixture(autouse=True)
def _nothing_seen():
    seen.clear()


def run(wanted, function, workers=1, terminal=False):
    text = io.StringIO()
    console = Console(file=text, width=200, force_terminal=terminal, highlight=False)
    with local(workers) as cluster, follow(console, [j.spec for j in wanted], {"b/run"}) as display:
        return pool.run_all(wanted, cluster, display, function), text.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_lost_runs_do_not_hold_up_the_others(tmp_path, caplog, terminal):
    absent = tmp_path / "absent"
    result, text = run(jobs(absent, "a", "full", "bug", "b"), difficult, terminal=terminal)
    assert [r.stem for r in result.records] == ["a", "b"]
    assert [s.stem for s, _ in result.lost] == ["full", "bug"]
    assert result.lost[0][1] == "StoreFailed: No space left on device"
    assert result.lost[1][1] == "TypeError: a mistake of ours"
    assert not result.ok
    assert "No space left on device" in text
    # The traceback of a mistake is logged; a full disk needs none.
    assert [r.message for r in caplog.records if r.name.startswith("eccvkit")] == ["bug/run"]


def test_records_come_in_the_order_asked_for(tmp_path):
    result, text = run(jobs(tmp_path, "a", "b", "c"), slow_a, workers=3)
    assert [r.stem for r in result.records] == ["a", "b", "c"]
    assert result.ok
    (line,) = [x for x in text.splitlines() if x.startswith("done") and "b/run" in x]
    assert "replaces the older run" in line
    assert text.count("replaces") == 1


def test_one_worker_works_in_the_order_asked_for(tmp_path):
    run(jobs(tmp_path, *"zaybxc"), good)
    assert seen == list("zaybxc")


def test_as_many_at_once_as_workers(tmp_path):
    assert run(jobs(tmp_path, "a", "b", "c", "d"), meet, workers=2)[0].ok


def test_faults_are_tried_again_a_bounded_number_of_times(tmp_path):
    result, text = run(jobs(tmp_path, "tired", retries=2), difficult)
    assert result.ok
    again = [line for line in text.splitlines() if line.startswith("again")]
    assert [line.partition("KernelDied: ")[2] for line in again] == ["attempt 1", "attempt 2"]
    # One attempt too few: the run is marked failed, with its last fault as the cause.
    result, _ = run(jobs(tmp_path, "tired", retries=1), difficult)
    (record,) = result.records
    assert str(record.error) == "KernelDied: attempt 2"
    assert record.faults == ["KernelDied: attempt 1"]
    assert read_record(tmp_path / "tired" / "run" / RECORD) == record
    assert [p.name for p in (tmp_path / "tired").iterdir()] == ["run"]


def test_a_run_that_keeps_killing_its_worker_is_given_up(tmp_path):
    # Two workers died at it: what the second one found, and its own note.
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".run.lock").write_bytes(note("sweep", ("WorkerLost: the first",)))
    result, _ = run(jobs(tmp_path, "a", retries=1), real)
    (record,) = result.records
    assert record.error.type == "WorkerLost"
    assert record.faults == ["WorkerLost: the first"]
    assert seen == []  # it was not started a third time
    assert run(jobs(tmp_path, "b", retries=1), real)[0].ok


def test_a_run_that_another_sweep_holds_is_asked_for_again(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "BUSY_PAUSE", 0.1)
    result, _ = run(jobs(tmp_path, "held", "b"), difficult)
    assert [r.stem for r in result.records] == ["held", "b"]
    assert seen == ["held", "b", "held"]


def test_the_thread_share_of_the_job_reaches_the_kernel(tmp_path):
    run(jobs(tmp_path, "a", threads=3), real)
    assert seen == ["a with 3"]


def test_nothing_to_do(tmp_path):
    assert pool.run_all([], None, None) == pool.Result()


def test_pace():
    specs = [job.spec for job in jobs("x", "a", "b", "c", "d")]
    pace = Pace(specs, workers=2)
    assert pace.seconds_left() is None
    pace.finished(specs[0], 10.0)
    assert pace.seconds_left() == pytest.approx(15)  # three of 10 s on two workers
    pace.finished(specs[1])
    pace.finished(specs[2], 30.0)
    assert pace.seconds_left() == pytest.approx(20)  # the last one, on one of them
