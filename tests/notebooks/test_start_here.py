"""The start page is no chapter: its own contract, and a run."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import nbformat
import pytest
from bs4 import BeautifulSoup

from eccvkit import start_page
from eccvkit.runner.clean import THIS_MACHINE
from eccvkit.volume import notebooks_dir, papers

from . import contract
from .test_notebooks import SMOKE_SECONDS, nbval

pytestmark = [pytest.mark.notebook, pytest.mark.timeout(300)]

PATH = notebooks_dir() / "00_start_here.ipynb"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(PATH, as_version=4)


def tables(notebook) -> BeautifulSoup:
    """All HTML that the notebook shows."""
    outputs = [o.get("data", {}) for c in notebook.cells for o in c.get("outputs", [])]
    return BeautifulSoup("".join(o.get("text/html", "") for o in outputs), "html.parser")


def rows(page: BeautifulSoup) -> list[list[str]]:
    """Text, links and alternative texts of the table of papers, row by row."""
    return [
        [
            cell.get_text("|")
            + "".join(x.get("href", x.get("alt", "")) for x in cell.select("[href], img"))
            for cell in row.select("td")
        ]
        for row in page.select("table")[0].select("tbody tr")
    ]


def test_form(notebook):
    findings = [
        *contract.file_form(PATH),
        *contract.nesting(notebook),
        *contract.execution(notebook),
        *contract.clean_text(notebook),
    ]
    assert findings == []


def test_it_shows_every_paper_as_it_stands_now(notebook):
    now = BeautifulSoup(start_page.table(start_page.entries()), "html.parser")
    assert rows(tables(notebook)) == rows(now), "run `make readme`"


def test_every_chapter_is_linked_and_every_picture_described(notebook):
    page = tables(notebook)
    links = {a["href"] for a in page.select("a")}
    assert links == {f"{p.stem}.ipynb" for p in papers() if p.status == "ready"}
    assert all((PATH.parent / link).is_file() for link in links)
    pictures = page.select("img")
    assert len(pictures) == len(links)
    assert all(len(picture["alt"].split()) >= 4 for picture in pictures)


def test_nothing_about_the_machine_that_stored_it(notebook):
    private = [c for c in notebook.cells if THIS_MACHINE in contract.tags(c)]
    assert [c.outputs for c in private] == [[]]
    assert "free memory" not in json.dumps(notebook)


def test_it_runs_and_takes_parameters(tmp_path):
    out, start = tmp_path / "out.ipynb", time.perf_counter()
    command = [sys.executable, "-m", "papermill", str(PATH), str(out), "-p", "topic", "open set"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    print(f"00_start_here: {seconds:.1f} s")
    assert done.returncode == 0, done.stderr[-3000:]
    executed = nbformat.read(out, as_version=4)
    assert len(rows(tables(executed))) == sum("open set" in p.topics for p in papers())
    assert "free memory" in tables(executed).text
    assert seconds < SMOKE_SECONDS


def test_recorded_times_print_what_is_stored(tmp_path, notebook):
    compared = contract.compared_cells(notebook)
    assert compared
    passed, log = nbval(PATH, tmp_path)
    assert set(compared) <= passed, log[-3000:]
