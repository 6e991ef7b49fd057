"""A one-page handout for a reading group, from a stored notebook: HTML, and PDF through Chromium.

Idea, key formula and figures, the claims with their verdicts, and the questions to discuss. A cell
takes part if its metadata say so: ``eccvkit.handout`` is the text to print, or true for the cell's
own figure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from nbformat import NotebookNode

from eccvkit.errors import EccvkitError
from eccvkit.outputs import Figure, claim_order, collect, effect_text
from eccvkit.runner.notebook import read
from eccvkit.runner.page import markdown_to_html
from eccvkit.runner.report import count_verdicts, tally
from eccvkit.runner.templating import render
from eccvkit.volume import Paper

#: Names under which systems install Chromium; the environment variable wins.
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_VARIABLE = "ECCVKIT_CHROMIUM"
#: Chromium prints a page in two seconds; this is for a loaded machine.
_PRINT_SECONDS = 120
#: Claims on a page that can be read on paper; the deck has them all.
MAX_CLAIMS = 9
#: Sizes of type tried until the handout fits; the smallest is 6.7 points.
_SCALES = (1, 0.94, 0.88, 0.82, 0.76, 0.7)


class ChromiumMissing(EccvkitError):
    """No Chromium on this machine; the message holds the line that installs it."""


def build_handout(path: Path, paper: Paper) -> str:
    """Render the handout of a stored notebook as one self-contained HTML page.

    Parameters
    ----------
    path : Path
    paper : Paper

    Raises
    ------
    DataError
        The file is no notebook.
    """
    notebook = read(path)
    facts = collect(notebook)
    claims = facts.claims["claims"] if facts.claims else []
    return render(
        "handout.html.j2",
        paper=paper,
        texts=[markdown_to_html(text) for text in marked_texts(notebook)],
        figures=marked_figures(notebook, facts.figures) or [facts.thumbnail],
        claims=[{**c, "effect_text": effect_text(c)} for c in chief_claims(claims)],
        left_out=len(claims) - len(chief_claims(claims)),
        tally=tally(count_verdicts(claims)),
        seeds=sorted({c["n"] for c in claims if c.get("n")}),
        run=facts.run,
    )


def chief_claims(claims: Sequence[dict[str, Any]], most: int = MAX_CLAIMS) -> list[dict[str, Any]]:
    """Choose claims for a page, in the order of their names: the first of each family come first.

    Examples
    --------
    >>> rows = [{"id": name} for name in ("C1a", "C3", "C1b", "C2a", "C2b")]
    >>> [c["id"] for c in chief_claims(rows, most=4)]
    ['C1a', 'C1b', 'C2a', 'C3']
    """
    ordered = sorted(claims, key=lambda claim: claim_order(claim["id"]))
    place: Counter[str] = Counter()
    ranked = []
    for position, claim in enumerate(ordered):
        family = claim["id"].rstrip(ascii_lowercase)
        ranked.append((place[family], position))
        place[family] += 1
    chosen = sorted(position for _, position in sorted(ranked)[:most])
    return [ordered[position] for position in chosen]


def print_one_page(page: Path, pdf: Path) -> None:
    """Print a handout to PDF with headless Chromium, smaller until it fits on one page.

    Parameters
    ----------
    page, pdf : Path
        The HTML file of :func:`build_handout`, and the file to write.

    Raises
    ------
    ChromiumMissing
        There is none on this machine.
    EccvkitError
        Printing failed, or the smallest type is too large.
    """
    html = page.read_text("utf-8")
    with tempfile.TemporaryDirectory(prefix="eccvkit-") as folder:
        for scale in _SCALES:
            scaled = Path(folder) / page.name
            scaled.write_text(html.replace("--scale: 1;", f"--scale: {scale};"), "utf-8")
            print_pdf(scaled, pdf)
            if count_pages(pdf) == 1:
                return
    pdf.unlink()
    raise EccvkitError(
        f"{page.name} does not fit on one page: mark fewer figures and texts for the handout"
    )


def count_pages(pdf: Path) -> int:
    """Number of pages of a PDF that Chromium wrote (its page objects are not compressed)."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))


def print_pdf(page: Path, pdf: Path) -> None:
    """Print an HTML file to PDF with headless Chromium.

    Raises
    ------
    ChromiumMissing
        There is none on this machine.
    EccvkitError
        It failed; the message holds its last line.
    """
    program = find_chromium()
    with tempfile.TemporaryDirectory(prefix="eccvkit-") as profile:
        command = [
            program,
            "--headless",
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
            f"--print-to-pdf={pdf.absolute()}",
            page.absolute().as_uri(),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium refuses its sandbox to root
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PRINT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise EccvkitError(
                f"{program} did not print {page.name} within {_PRINT_SECONDS} s: print the HTML "
                "page from a browser"
            ) from error
    if done.returncode or not pdf.is_file():
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EccvkitError(
            f"{program} could not print {page.name} ({last}): print the HTML page from a browser"
        )


def find_chromium() -> str:
    """Path of a Chromium or Chrome.

    Raises
    ------
    ChromiumMissing
        None is on the path, and ECCVKIT_CHROMIUM names none.
    """
    given = os.environ.get(CHROMIUM_VARIABLE)
    for name in (given,) if given else CHROMIUM_NAMES:
        if found := shutil.which(name):
            return found
    raise ChromiumMissing(
        f"{CHROMIUM_VARIABLE}={given} is no program: name one or unset it"
        if given
        else "no Chromium found: install it (Debian: apt-get install chromium), or name one with "
        f"{CHROMIUM_VARIABLE}"
    )


def marked_texts(notebook: NotebookNode) -> list[str]:
    """Markdown that cells bring for the handout."""
    marks = (cell.metadata.get("eccvkit", {}).get("handout") for cell in notebook.cells)
    return [mark for mark in marks if isinstance(mark, str) and mark.strip()]


def marked_figures(notebook: NotebookNode, figures: list[Figure]) -> list[Figure]:
    """Those of the figures whose cells are marked for the handout."""
    return [
        figure
        for figure in figures
        if notebook.cells[figure.cell].metadata.get("eccvkit", {}).get("handout") is True
    ]
