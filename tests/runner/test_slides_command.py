"""``eccvkit slides``: which files it writes, and what it refuses."""

import os
import stat

import nbformat
import pytest
from nbformat import v4

from eccvkit import volume
from eccvkit.runner import handout
from eccvkit.runner.handout import ChromiumMissing, count_pages
from eccvkit.runner.slides import FEWEST


@pytest.fixture
def chapter(tmp_path):
    """A stored chapter with a deck, the questions of ``volume.toml`` included."""
    cells = [
        v4.new_markdown_cell(f"## Part {i}", metadata={"slideshow": {"slide_type": "slide"}})
        for i in range(FEWEST)
    ]
    return _write(cells, tmp_path / "notebooks" / "30_rpl.ipynb")


def _write(cells, path):
    path.parent.mkdir(exist_ok=True)
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


HTML = ["30_rpl.handout.html", "30_rpl.slides.html"]


def test_deck_and_handout(run, chapter, tmp_path):
    try:
        handout.find_chromium()
    except ChromiumMissing as missing:
        pytest.skip(str(missing))
    out = tmp_path / "out"
    status, printed, _ = run("slides", chapter, "--out", out)
    assert status == 0
    names = ["30_rpl.slides.html", "30_rpl.handout.html", "30_rpl.handout.pdf"]
    assert printed.split() == [str(out / name) for name in names]
    assert _names(out) == sorted(names)
    (question, *_) = volume.find("rpl").questions
    assert all(question in (out / name).read_text("utf-8") for name in names[:2])
    assert count_pages(out / names[2]) == 1


def test_all_is_every_ready_chapter(run, chapter, tmp_path, monkeypatch):
    monkeypatch.setattr(handout, "CHROMIUM_NAMES", ())
    ready = [paper for paper in volume.papers() if paper.status == "ready"]
    for paper in ready:
        _write(nbformat.read(chapter, 4).cells, chapter.with_name(f"{paper.stem}.ipynb"))
    monkeypatch.setattr("eccvkit.runner.notebook.notebooks_dir", lambda: chapter.parent)
    status, _, _ = run("slides", "--all", "-o", tmp_path / "out")
    assert status == 0
    decks = [p.name for p in (tmp_path / "out").glob("*.slides.html")]
    assert sorted(decks) == [f"{paper.stem}.slides.html" for paper in ready]


def test_without_chromium_the_pdf_is_left_out(run, chapter, tmp_path, monkeypatch):
    monkeypatch.setattr(handout, "CHROMIUM_NAMES", ("no-such-browser",))
    monkeypatch.delenv(handout.CHROMIUM_VARIABLE, raising=False)
    (tmp_path / "30_rpl.handout.pdf").write_bytes(b"of an earlier run")
    status, printed, err = run("slides", chapter, "-o", tmp_path)
    assert status == 0
    assert [name for name in _names(tmp_path) if name != "notebooks"] == HTML
    assert ".pdf" not in printed
    assert err.startswith("eccvkit: no PDF: ")
    assert "apt-get install chromium" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rlp"], "unknown paper 'rlp': did you mean 'rpl'?"),
        (["sizer"], "paper 'sizer' has no notebook 01_sizer.ipynb yet"),
        ([], "name one or more papers, or give --all"),
        (["rpl", "--all"], "name one or more papers, or give --all"),
        (["no/30_rpl.ipynb"], "no notebook no/30_rpl.ipynb"),
    ],
)
def test_names_that_are_refused(run, tmp_path, arguments, message):
    status, _, err = run("slides", *arguments, "--out", tmp_path / "out")
    assert status == 2
    assert err.startswith(f"eccvkit: error: {message}")
    assert not (tmp_path / "out").exists()


def test_a_notebook_without_slide_metadata_is_refused_first(run, chapter, tmp_path):
    bare = _write([v4.new_markdown_cell("# Title")], tmp_path / "02_limp.ipynb")
    status, _, err = run("slides", chapter, bare, "--out", tmp_path / "out")
    assert status == 2
    assert "02_limp.ipynb has no slide metadata: in JupyterLab" in err
    assert not (tmp_path / "out").exists()


def test_a_corrupt_notebook_is_refused(run, chapter, tmp_path):
    chapter.write_text("{")
    status, _, err = run("slides", chapter, "--out", tmp_path / "out")
    assert status == 2
    assert "30_rpl.ipynb is not a valid notebook" in err


def test_a_folder_that_cannot_be_written_is_refused(run, chapter, tmp_path):
    (tmp_path / "file").write_text("in the way")
    status, _, err = run("slides", chapter, "--out", tmp_path / "file")
    assert status == 2
    assert "cannot write into the output folder" in err


def test_a_chromium_that_fails_leaves_the_pages(run, chapter, tmp_path, monkeypatch):
    fake = tmp_path / "browser"
    fake.write_text("#!/bin/sh\necho display broken >&2\nexit 3\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(handout.CHROMIUM_VARIABLE, os.fspath(fake))
    status, _, err = run("slides", chapter, "--out", tmp_path / "out")
    assert status == 2
    assert "could not print 30_rpl.handout.html (display broken)" in err
    assert _names(tmp_path / "out") == HTML
