"""Stored notebooks as chapters of the site.

The notebooks in ``notebooks/`` are the only source. This module reads them and makes the copies
that the site shows: with alternative texts where myst-nb looks for them, without widgets that
need a kernel, and with solutions of exercises folded.
"""

from __future__ import annotations

import copy
import os
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode, v4

from eccvkit.errors import DataError, UnknownName
from eccvkit.outputs import RECORDS, WIDGET_TEXT, WIDGET_VIEW, Facts, collect
from eccvkit.volume import Paper, find

_NOTEBOOK_LINK = re.compile(r'(<a href="\d\d_\w+)\.ipynb"')


@dataclass(frozen=True)
class Chapter:
    """One stored notebook.

    Attributes
    ----------
    path : Path
        The ``.ipynb`` file.
    notebook : NotebookNode
        Its content.
    facts : Facts
        Claims, tables and figures found in its outputs.
    paper : Paper or None
        The paper it is about; None for a notebook about the volume (``00_start_here``).
    """

    path: Path
    notebook: NotebookNode
    facts: Facts
    paper: Paper | None

    @property
    def stem(self) -> str:
        """File name without suffix, which is also the name of the page."""
        return self.path.stem

    @property
    def title(self) -> str:
        """Number and title of the paper; for other notebooks their first heading."""
        if self.paper:
            return f"{self.paper.number}. {self.paper.title}"
        return _first_heading(self.notebook) or self.stem.replace("_", " ")


def read_chapters(folder: Path) -> list[Chapter]:
    """Read every notebook of a folder, in the order of the volume.

    Raises
    ------
    DataError
        A file is not a notebook.
    """
    return [_read(path) for path in sorted(folder.glob("*.ipynb"))]


def _read(path: Path) -> Chapter:
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat's upgrade code trips over damage in many ways
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise DataError(f"{path.name} is not a readable notebook ({reason}): restore it") from error
    try:
        paper = find(path.stem)
    except UnknownName:
        paper = None
    return Chapter(path, notebook, collect(notebook), paper)


def figures_without_alt(chapter: Chapter) -> list[int]:
    """Cell numbers (from 0) of figures that a reader with a screen reader could not follow."""
    return [figure.cell for figure in chapter.facts.figures if not figure.alt.strip()]


def page(chapter: Chapter, folder: Path) -> NotebookNode:
    """Make the copy of a notebook that the site shows.

    Parameters
    ----------
    chapter : Chapter
    folder : Path
        Where the copy will be written: the download link is relative to it.
    """
    notebook = copy.deepcopy(chapter.notebook)
    notebook.metadata.pop("widgets", None)
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            _drop_what_no_reader_sees(cell)
            _link_to_pages(cell)
            _fold_solution(cell)
            cells += _one_alt_per_cell(cell)
        else:
            cells.append(cell)
    original = Path(os.path.relpath(chapter.path, folder)).as_posix()
    link = v4.new_markdown_cell(f"{{download}}`Download this notebook <{original}>`")
    if _first_heading(notebook) is None:
        cells.insert(0, v4.new_markdown_cell(f"# {chapter.title}"))
    notebook.cells = [cells[0], link, *cells[1:]]
    return notebook


def _first_heading(notebook: NotebookNode) -> str | None:
    """Text of the level-1 heading that opens the notebook, or None."""
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown":
        return None
    line = first.source.lstrip().split("\n", 1)[0]
    return line.removeprefix("# ").strip() if line.startswith("# ") else None


def _drop_what_no_reader_sees(cell: NotebookNode) -> None:
    """Remove records for machines, and widgets: these need a kernel, and a player from a CDN."""
    kept = []
    for output in cell.outputs:
        data = output.get("data", {})
        for mime in RECORDS:
            data.pop(mime, None)
        left = WIDGET_TEXT.match(data.get("text/plain", ""))
        if not (data.pop(WIDGET_VIEW, None) or left) or set(data) - {"text/plain"}:
            kept.append(output)
    cell.outputs = kept


def _link_to_pages(cell: NotebookNode) -> None:
    """Let tables that link notebooks lead to their pages (Sphinx does so for Markdown only)."""
    for output in cell.outputs:
        if "text/html" in (data := output.get("data", {})):
            data["text/html"] = _NOTEBOOK_LINK.sub(r'\1.html"', data["text/html"])


def _fold_solution(cell: NotebookNode) -> None:
    if cell.metadata.get("nbgrader", {}).get("solution"):
        cell.metadata.setdefault("tags", []).append("hide-input")
        cell.metadata.setdefault("mystnb", {})["code_prompt_show"] = "Show a solution"


def _one_alt_per_cell(cell: NotebookNode) -> list[NotebookNode]:
    """Split a cell so that each part has one alternative text, the most myst-nb can take.

    Outputs keep their order; parts after the first show outputs only (and need some source, as
    myst-nb skips empty cells).
    """
    parts: list[NotebookNode] = [cell]
    tags = [t for t in cell.metadata.get("tags", []) if t.endswith(("output", "cell"))]
    outputs, cell.outputs = cell.outputs, []
    for output in outputs:
        alt = output.get("metadata", {}).get("image/png", {}).get("alt")
        image = parts[-1].metadata.get("mystnb", {}).get("image")
        if alt and image:
            parts.append(v4.new_code_cell("#", metadata={"tags": [*tags, "remove-input"]}))
        if alt:
            parts[-1].metadata.setdefault("mystnb", {})["image"] = {"alt": alt}
        parts[-1].outputs.append(output)
    return parts
