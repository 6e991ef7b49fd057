"""The command line without a kernel: help, lists, cards, and every refusal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from eccvkit.volume import papers


@pytest.fixture
def notebook(tmp_path):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    source = 'preset = "lab"\nseed = 0\ndevice = "auto"\nlam = 0.5  # weight'
    cell = new_code_cell(source, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "nb.ipynb")
    return tmp_path / "nb.ipynb"


def test_help_lists_the_commands(run):
    status, out, _ = run("--help")
    assert status == 0
    commands = "list info run sweep report results doctor labs slides store tide"
    for command in commands.split():
        assert f"\n  {command} " in out


def test_tide_refuses_a_missing_file_in_one_line(run, tmp_path):
    status, _, err = run("tide", str(tmp_path / "no.json"), str(tmp_path / "neither.json"))
    assert status == 2
    assert "no.json" in err
    assert len(err.strip().splitlines()) == 1


def test_list(run):
    status, out, _ = run("list")
    assert status == 0
    assert all(p.slug in out for p in papers())


def test_list_by_topic(run):
    _, out, _ = run("list", "--topic", "open set")
    assert "rpl" in out
    assert "limp" not in out
    status, _, err = run("list", "--topic", "open sets")
    assert status == 2
    assert "unknown topic 'open sets': did you mean 'open set'?" in err


def test_list_ready(run):
    _, out, _ = run("list", "--ready")
    shown = {p.slug for p in papers() if f" {p.slug} " in out}
    assert shown == {p.slug for p in papers() if p.status == "ready"}


def test_info(run):
    status, out, _ = run("info", "limp")
    assert status == 0
    for part in ("LIMP", "Luca Cosmo", "19-35", "10.1007/978-3-030-58580-8_2", "sizer"):
        assert part in out


def test_info_shows_the_parameters(run, notebook, monkeypatch):
    from eccvkit import volume

    notebook.rename(notebook.with_name("02_limp.ipynb"))
    monkeypatch.setattr(volume, "notebooks_dir", lambda: notebook.parent)
    _, out, _ = run("info", 2)
    (line,) = [line for line in out.splitlines() if line.startswith("lam ")]
    assert line.split() == ["lam", "0.5", "weight"]


REFUSALS = [
    (["nosuch"], "unknown paper 'nosuch'"),
    (
        ["{nb}", "--preset", "smok"],
        "unknown preset 'smok': did you mean 'smoke'? Valid: smoke, lab",
    ),
    (["{nb}", "-p", "lamm=1"], "unknown parameter of nb 'lamm': did you mean 'lam'?"),
    (["{nb}", "-p", "lam"], "cannot read parameter 'lam': write KEY=VALUE"),
    (["{nb}", "-p", "lam=1", "-p", "lam=2"], "parameter 'lam' is given twice"),
    (["{nb}", "--seed", "1", "-p", "seed=2"], "parameter 'seed' is given twice"),
    (["{nb}", "-p", "lam=high"], "'lam' takes a number"),
    (["{nb}", "--seed", "-1"], "seed is -1: use a whole number"),
    (["{nb}", "--seed", "0-4"], "takes a whole number (several: 0,1,2 or 0..2)"),
    (["{nb}", "--seed", "4..0"], "range '4..0' is empty"),
    (["{nb}", "--seed", "0..99999"], "more than 10000"),
    (["{nb}", "--device", "gpu"], "unknown device 'gpu'"),
    (["{nb}", "--device", "cuda:99"], "device 'cuda:99' is not available"),
    (["{nb}", "--jobs", "0"], "'--jobs'"),
    (["{nb}", "--bogus"], "See eccvkit run --help."),
    ([], "Missing argument 'PAPER'. See eccvkit run --help."),
    (["{dir}/gone.ipynb"], "no notebook"),
    (["{dir}/corrupt.ipynb"], "is not a valid notebook"),
    (["{nb}", "{dir}/corrupt.ipynb"], "is not a valid notebook"),
    (["{nb}", "--out", "{nb}/runs"], "cannot write into the output folder"),
]


@pytest.mark.parametrize(("arguments", "cause"), REFUSALS, ids=str)
def test_refused_before_anything_starts(run, notebook, arguments, cause):
    (notebook.parent / "corrupt.ipynb").write_text('{"cells": [')
    out = notebook.parent / "runs"
    filled = [a.format(nb=notebook, dir=notebook.parent) for a in arguments]
    if "--out" not in filled:
        filled += ["--out", out]
    status, stdout, stderr = run("run", *filled)
    assert status == 2
    assert stdout == ""
    assert stderr.startswith("eccvkit: error: ")
    assert stderr.count("\n") == 1
    assert cause in stderr
    assert not out.exists()


def test_a_folder_in_the_way_is_not_replaced(run, notebook):
    thesis = notebook.parent / "runs" / "nb" / "lab-seed0" / "thesis.tex"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("")
    status, _, stderr = run("run", notebook, "--out", notebook.parent / "runs")
    assert status == 2
    assert "replace it with --force" in stderr
    assert thesis.exists()


def test_report_of_nothing(run, tmp_path):
    status, _, stderr = run("report", tmp_path)
    assert status == 2
    assert "holds no finished run" in stderr


def test_doctor_finds_this_machine(run, tmp_path):
    status, out, _ = run("doctor", "--out", tmp_path / "not" / "yet")
    assert status == 0
    for name in (
        "python",
        "torch",
        "device",
        "cores",
        "free memory",
        "free disk",
        "extra test",
        "speed",
        "time of rpl",
    ):
        assert name in out
    (line,) = [line for line in out.splitlines() if "time of rpl" in line]
    assert "smoke " in line
    assert "lab " in line
    assert not (tmp_path / "not").exists()


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "eccvkit", "report", "/nonexistent"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("eccvkit: error: no folder /nonexistent")
