"""A reveal.js deck from a stored notebook: one HTML file for the projector, no network needed.

The notebook says itself what the audience sees. A cell takes part if its metadata say so in the way
that JupyterLab and nbconvert know (``slideshow.slide_type``: slide, subslide, fragment, notes). A
Markdown cell may bring a shorter text for the wall (``eccvkit.slide``); its full text then goes
into the speaker's notes (key S). Of code cells the outputs are shown, and the code where
``eccvkit.code`` is true. nbconvert does the work; reveal.js lies in ``templates/reveal`` (MIT).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import nbformat
from nbconvert.exporters import SlidesExporter
from nbformat import NotebookNode, v4

from eccvkit.errors import DataError
from eccvkit.runner.notebook import read
from eccvkit.runner.page import TEMPLATES, OfflineExporter
from eccvkit.volume import Paper

#: How many slides make a talk of half an hour to an hour.
FEWEST, MOST = 12, 20

#: The types that put something on the wall, and the notes beside it.
_SHOWN = {"slide", "subslide", "fragment", "-"}


class _DeckExporter(OfflineExporter, SlidesExporter):
    """nbconvert's slides with everything inside one file."""

    def __init__(self):
        super().__init__(
            template_file="slides.html.j2", exclude_input_prompt=True, exclude_output_prompt=True
        )


@cache
def _exporter() -> _DeckExporter:
    return _DeckExporter()


def slide_type(cell: NotebookNode) -> str:
    """What a cell is in the deck; "skip" if its metadata do not say."""
    return cell.metadata.get("slideshow", {}).get("slide_type") or "skip"


def count_slides(notebook: NotebookNode) -> int:
    """Number of slides, those below each other included."""
    return sum(slide_type(cell) in ("slide", "subslide") for cell in notebook.cells)


def check_deck(notebook: NotebookNode, name: str) -> None:
    """Refuse a notebook that would make no talk.

    Raises
    ------
    DataError
        No slide metadata, a deck that starts in the middle of a slide, or an odd number of slides.
    """
    types = [slide_type(cell) for cell in notebook.cells]
    shown = [kind for kind in types if kind in _SHOWN]
    if not shown:
        raise DataError(
            f"{name} has no slide metadata: in JupyterLab open the property inspector and set the "
            "Slide Type of the cells to show"
        )
    if unknown := sorted({kind for kind in types if kind not in _SHOWN | {"skip", "notes"}}):
        raise DataError(
            f"{name}: slide type {unknown[0]!r} is none of slide, subslide, fragment, -, skip, "
            "notes: set it in JupyterLab's property inspector"
        )
    if shown[0] != "slide":
        raise DataError(f"{name}: the first cell shown has type {shown[0]!r}: make it a 'slide'")
    if not FEWEST <= (slides := count_slides(notebook)) <= MOST:
        raise DataError(
            f"{name} has {slides} slides, a talk has {FEWEST} to {MOST}: change the slide types"
        )


def arrange(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook as its audience sees it; the argument is not changed.

    Cells without a slide type are left out, texts for the wall replace the prose, and the prose
    becomes notes.
    """
    cells = [new for cell in notebook.cells for new in _arranged(cell)]
    return nbformat.from_dict({**notebook, "cells": cells})


def _arranged(cell: NotebookNode) -> Iterator[NotebookNode]:
    kind = slide_type(cell)
    if kind == "skip":
        return
    ours = cell.metadata.get("eccvkit", {})
    shown = nbformat.from_dict({**cell, "metadata": {**cell.metadata}})
    if cell.cell_type == "code":
        # nbconvert's own mark for a folded input.
        shown.metadata["transient"] = {"remove_source": not ours.get("code", False)}
    elif kind != "notes" and "slide" in ours:
        shown["source"] = ours["slide"]
        yield shown
        yield v4.new_markdown_cell(cell.source, metadata={"slideshow": {"slide_type": "notes"}})
        return
    yield shown


def build_deck(path: Path, paper: Paper | None = None) -> str:
    """Render the deck of a stored notebook as one self-contained HTML page.

    Parameters
    ----------
    path : Path
        The notebook.
    paper : Paper, optional
        For the title of the page.

    Raises
    ------
    DataError
        The file is no notebook, or :func:`check_deck` refuses it.
    """
    notebook = read(path)
    check_deck(notebook, path.name)
    folder = TEMPLATES / "reveal"
    resources = {
        "metadata": {"name": paper.title if paper else path.stem},
        "deck": {
            "scripts": [(folder / name).read_text("utf-8") for name in ("reveal.js", "notes.js")],
            "styles": [(folder / "reveal.css").read_text("utf-8")],
        },
    }
    html, _ = _exporter().from_notebook_node(arrange(notebook), resources=resources)
    return html
