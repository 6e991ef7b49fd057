"""The pool without kernels: order, threads, and runs that cannot be stored."""

from __future__ import annotations

import io
import threading
import time

import pytest
from rich.console import Console

from eccvkit.runner import pool, process
from eccvkit.runner.progress import follow
from eccvkit.runner.spec import RunSpec

from .test_record import make_record


def specs(*names):
    return [RunSpec(f"{n}.ipynb", n, n, n, "run") for n in names]


@pytest.fixture
def execute(monkeypatch):
    """Replace the execution by a function of the spec; returns the thread shares asked for."""
    shares = []

    def use(function):
        def execute(spec, out, *, threads, timeout, on_cell, register):
            shares.append(threads)
            on_cell(0, 1)
            function(spec)
            return make_record(stem=spec.stem, run=spec.name)

        monkeypatch.setattr(pool, "execute", execute)
        return shares

    return use


def run(tmp_path, names, jobs=1, terminal=False):
    text = io.StringIO()
    console = Console(file=text, width=200, force_terminal=terminal, highlight=False)
    wanted = specs(*names)
    with follow(console, wanted, {"b/run"}) as listener:
        result = pool.run_all(wanted, tmp_path, jobs=jobs, listener=listener)
    return result, text.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_lost_runs_do_not_hold_up_the_others(execute, tmp_path, caplog, terminal):
    def fail(spec):
        if spec.stem == "full":
            raise OSError(28, "No space left on device")
        if spec.stem == "bug":
            raise TypeError("a mistake of ours")

    execute(fail)
    result, text = run(tmp_path, ["a", "full", "bug", "b"], terminal=terminal)
    assert [r.stem for r in result.records] == ["a", "b"]
    assert [(s.stem, type(e)) for s, e in result.lost] == [("full", OSError), ("bug", TypeError)]
    assert not result.ok
    assert "No space left on device" in text
    # The traceback of a mistake is logged; a full disk needs none.
    assert [r.message for r in caplog.records] == ["bug/run"]
    assert caplog.records[0].exc_info


def test_records_come_in_the_order_asked_for(execute, tmp_path):
    execute(lambda spec: time.sleep(0.1 if spec.stem == "a" else 0))
    result, text = run(tmp_path, ["a", "b", "c"], jobs=3)
    assert [r.stem for r in result.records] == ["a", "b", "c"]
    assert result.ok
    (line,) = [x for x in text.splitlines() if x.startswith("done") and "b/run" in x]
    assert "replaces the older run" in line
    assert text.count("replaces") == 1


def test_as_many_at_once_as_jobs(execute, tmp_path):
    # Passes only if two runs are in the function at the same time.
    together = threading.Barrier(2, timeout=10)
    execute(lambda spec: together.wait())
    assert run(tmp_path, ["a", "b", "c", "d"], jobs=2)[0].ok


def test_threads_are_shared_among_the_runs_there_are(execute, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "cores", lambda: 8)
    shares = execute(lambda spec: None)
    run(tmp_path, ["a", "b", "c", "d"], jobs=4)
    run(tmp_path, ["a"], jobs=4)
    assert shares == [2, 2, 2, 2, 8]
