"""Notebooks in JupyterLab in a real browser: run all cells at smoke, and move a slider.

Screenshots are kept in ``build/test-artefacts``, or where ``ECCVKIT_ARTEFACTS`` says. As for other
limits, ``ECCVKIT_TIME_FACTOR`` allows for a slower or a busy machine.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import nbformat
import pytest
from playwright.sync_api import Page, expect

from eccvkit.outputs import collect
from eccvkit.volume import notebooks_dir, papers

from . import jupyter

pytestmark = [pytest.mark.notebook, pytest.mark.timeout(900)]

#: The quickest chapters with a slider.
CHAPTERS = ("30_rpl", "40_mobilenext")

FACTOR = float(os.environ.get("ECCVKIT_TIME_FACTOR", "1"))
#: From ``make lab`` to the first widget moved.
SECONDS = 90 * FACTOR
VIEWPORT = {"width": 1400, "height": 1000}


def at_smoke(stem: str, folder: Path) -> Path:
    """Copy a chapter, with the one edit that a reader in a hurry makes."""
    notebook = nbformat.read(notebooks_dir() / f"{stem}.ipynb", as_version=4)
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    cell.source, edits = re.subn(r'^preset = "lab"', 'preset = "smoke"', cell.source, flags=re.M)
    assert edits == 1
    folder.mkdir()
    nbformat.write(notebook, folder / f"{stem}.ipynb")
    return folder / f"{stem}.ipynb"


def run_all(page: Page) -> None:
    """Menu Run, Run All Cells; returns when no cell waits any more."""
    expect(page.locator(".jp-StatusBar-Left")).to_contain_text("| Idle", timeout=60_000 * FACTOR)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator('[data-command="runmenu:run-all"]').first.click()
    waiting = page.locator(".jp-InputPrompt", has_text="[*]")
    expect(waiting.last).to_be_attached(timeout=20_000 * FACTOR)
    expect(waiting).to_have_count(0, timeout=300_000 * FACTOR)


class Widget:
    """The widget of the section Play: controls, words with numbers in them, and a picture."""

    def __init__(self, page: Page):
        box = page.locator(".jp-OutputArea:has(.widget-slider):has(.jp-RenderedImage)").first
        self.handle = box.locator(".noUi-handle").first
        self.words = box.locator(".widget-html-content").last
        self.picture = box.locator(".jp-RenderedImage img")

    def png(self) -> bytes:
        """The bytes of the picture, from where the browser keeps them."""
        read = "new Uint8Array(await (await fetch(image.src)).arrayBuffer())"
        return bytes(self.picture.evaluate(f"async image => Array.from({read})"))


@pytest.mark.parametrize("stem", CHAPTERS)
def test_slider_moves_picture_and_number(stem, tmp_path, open_page, artefacts):
    path = at_smoke(stem, tmp_path / "notebooks")
    with jupyter.lab(path.parent, tmp_path) as server:
        page = open_page(viewport=VIEWPORT)
        page.goto(server.address(path.name))
        run_all(page)
        widget = Widget(page)
        widget.handle.scroll_into_view_if_needed()
        words, png = widget.words.inner_text(), widget.png()
        source = widget.picture.get_attribute("src")
        page.screenshot(path=artefacts / f"{stem}-before.png")
        widget.handle.focus()
        page.keyboard.press("ArrowRight")
        expect(widget.words).not_to_have_text(words, timeout=30_000 * FACTOR)
        expect(widget.picture).not_to_have_attribute("src", source, timeout=30_000 * FACTOR)
        seconds = time.monotonic() - server.started
        moved_words, moved_png = widget.words.inner_text(), widget.png()
        page.screenshot(path=artefacts / f"{stem}-after.png")
        page.keyboard.press("Control+s")
        saved = wait_until_saved(path)

    print(f"{stem}: {seconds:.1f} s from `make lab` to the first widget moved")
    assert png[:4] == moved_png[:4] == b"\x89PNG"
    assert moved_png != png
    assert re.findall(r"[\d.]+", moved_words) != re.findall(r"[\d.]+", words)
    code = [c for c in saved.cells if c.cell_type == "code" and c.source.strip()]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    assert [o.ename for c in code for o in c.outputs if o.output_type == "error"] == []
    assert collect(saved).run["preset"] == "smoke"
    assert seconds < SECONDS, "too slow on an idle machine; see ECCVKIT_TIME_FACTOR"


def wait_until_saved(path: Path) -> nbformat.NotebookNode:
    before, deadline = path.stat().st_mtime_ns, time.monotonic() + 20
    while path.stat().st_mtime_ns == before and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    return nbformat.read(path, as_version=4)


def test_a_taken_port_is_named_and_the_next_one_used(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with jupyter.lab(tmp_path, tmp_path, f"--port={port}") as server:
            assert f":{port}/" not in server.url
            log = (tmp_path / "jupyter.log").read_text()
    assert f"port {port} is already in use" in log


def test_server_asks_for_its_token_listens_here_only_and_ends(tmp_path):
    with jupyter.lab(tmp_path, tmp_path) as server:
        host, port = re.match(r"http://([\w.]+):(\d+)/", server.url).groups()
        assert host in ("localhost", "127.0.0.1")
        with pytest.raises(HTTPError, match="403"):
            urlopen(f"{server.url}api/contents")
        assert urlopen(f"{server.url}api/contents?token={server.token}").status == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("localhost", int(port)))


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("1", "errors")])
def test_missing_chromium_is_said_with_its_remedy(tmp_path, ci, outcome):
    (tmp_path / "conftest.py").symlink_to(jupyter.ROOT / "tests" / "conftest.py")
    (tmp_path / "test_it.py").write_text("def test_it(chromium): ...")
    command = [sys.executable, "-m", "pytest", "-rsE", "--color=no", "-p", "no:cacheprovider"]
    environment = os.environ | {"PATH": str(tmp_path), "CI": ci, "COLUMNS": "200"}
    done = subprocess.run(
        [*command, str(tmp_path)], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert "apt-get install chromium" in done.stdout
    assert re.search(rf"1 {outcome[:5]}", done.stdout)


def test_start_page_filters_and_leads_to_a_chapter(tmp_path, open_page, artefacts):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for stem in ("00_start_here", "30_rpl"):
        shutil.copy(notebooks_dir() / f"{stem}.ipynb", notebooks)
    with jupyter.lab(notebooks, tmp_path) as server:
        page = open_page(viewport=VIEWPORT)
        page.goto(server.address("00_start_here.ipynb"))
        run_all(page)
        rows = page.locator(".jp-OutputArea-output table:has(th:text('Verdicts')) tbody tr")
        expect(rows).to_have_count(len(papers()))
        topic = page.get_by_label("topic")
        topic.scroll_into_view_if_needed()
        topic.select_option("open set")
        expect(rows).to_have_count(sum("open set" in paper.topics for paper in papers()))
        rows.first.hover()
        page.screenshot(path=artefacts / "00_start_here-open-set.png")
        rows.get_by_role("link", name=re.compile("^30")).click()
        expect(page.get_by_role("heading", name=re.compile("^30"))).to_be_visible(timeout=20_000)
        page.screenshot(path=artefacts / "00_start_here-to-30.png")
