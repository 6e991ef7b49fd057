"""A reveal.js deck from a stored notebook: one HTML file for the projector, no network needed.

The notebook says itself what the audience sees. A cell takes part if its metadata say so in the way
that JupyterLab and nbconvert know (``slideshow.slide_type``: slide, subslide, fragment, notes). A
Markdown cell may bring a shorter text for the wall (``eccvkit.slide``); its full text then goes
into the speaker's notes (key S). Of code cells the outputs are shown, and the code where
``eccvkit.code`` is true; a text of theirs stands above. A table of verdicts is set anew in large
type, a few claims to a slide, and the questions of ``volume.toml`` are the last slide. nbconvert
does the work; reveal.js lies in ``templates/reveal`` (MIT).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import SlidesExporter
from nbformat import NotebookNode, v4

from eccvkit.errors import DataError
from eccvkit.outputs import CLAIMS, claim_order, effect_text
from eccvkit.runner.notebook import read
from eccvkit.runner.page import OfflineExporter
from eccvkit.runner.templating import TEMPLATES
from eccvkit.volume import Paper

#: How many slides make a talk of half an hour to an hour.
FEWEST, MOST = 12, 20

#: Claims on one slide: what the last row can read.
CLAIMS_PER_SLIDE = 6

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


def count_slides(deck: NotebookNode) -> int:
    """Number of slides of an arranged deck, those below each other included."""
    return sum(slide_type(cell) in ("slide", "subslide") for cell in deck.cells)


def check_deck(notebook: NotebookNode, name: str, questions: Sequence[str] = ()) -> None:
    """Refuse a notebook that would make no talk.

    Parameters
    ----------
    notebook : NotebookNode
    name : str
        What to call it in the message.
    questions : sequence of str
        As for :func:`arrange`; they make a slide.

    Raises
    ------
    DataError
        No slide metadata, no outputs to show, a deck that starts in the middle of a slide, or too
        few or too many slides.
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
    code = [c for c in notebook.cells if c.cell_type == "code" and slide_type(c) in _SHOWN]
    if code and not any(cell.outputs for cell in code):
        raise DataError(f"{name} has no outputs to show: run it first")
    if not FEWEST <= (slides := count_slides(arrange(notebook, questions))) <= MOST:
        raise DataError(
            f"{name} has {slides} slides, a talk has {FEWEST} to {MOST}: change the slide types"
        )


def arrange(notebook: NotebookNode, questions: Sequence[str] = ()) -> NotebookNode:
    """Return the notebook as its audience sees it; the argument is not changed.

    Cells without a slide type are left out, texts for the wall replace the prose, and the prose
    becomes notes.

    Parameters
    ----------
    notebook : NotebookNode
    questions : sequence of str
        What to discuss, as plain text; the last slide, if there are any.
    """
    cells = [new for cell in notebook.cells for new in _arranged(cell)]
    if questions:
        items = "".join(f"<li>{escape(question)}</li>" for question in questions)
        cells.append(_text(f"## To discuss\n\n<ol class='questions'>{items}</ol>", "slide"))
    return nbformat.from_dict({**notebook, "cells": cells})


def _arranged(cell: NotebookNode) -> Iterator[NotebookNode]:
    kind = slide_type(cell)
    if kind == "skip":
        return
    ours = cell.metadata.get("eccvkit", {})
    text = ours.get("slide", "")
    shown = nbformat.from_dict({**cell, "metadata": {**cell.metadata}})
    if cell.cell_type != "code":
        if text and kind != "notes":
            yield _text(text, kind)
            yield _text(cell.source, "notes")
        else:
            yield shown
    elif claims := _claims(cell):
        yield from _claim_slides(claims, text or "## Claims")
    else:
        if text:
            yield _text(text, kind)
            shown.metadata["slideshow"] = {"slide_type": "-"}
        # nbconvert's own mark for a folded input.
        shown.metadata["transient"] = {"remove_source": not ours.get("code", False)}
        yield shown


def _text(source: str, kind: str) -> NotebookNode:
    return v4.new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}})


def _claims(cell: NotebookNode) -> list[dict[str, Any]]:
    """Verdicts among the outputs of a cell."""
    return [c for o in cell.outputs for c in o.get("data", {}).get(CLAIMS, {}).get("claims", [])]


def _claim_slides(claims: Sequence[dict[str, Any]], heading: str) -> Iterator[NotebookNode]:
    """Slides with a table each, of nearly equal length; the heading counts them."""
    claims = sorted(claims, key=lambda claim: claim_order(claim["id"]))
    number = -(-len(claims) // CLAIMS_PER_SLIDE)
    for k in range(number):
        part = claims[k * len(claims) // number : (k + 1) * len(claims) // number]
        rows = "".join(_claim_row(claim) for claim in part)
        counted = f"{heading} ({k + 1} of {number})" if number > 1 else heading
        head = "<tr><th>Claim</th><th>Paper</th><th>Ours</th><th>Effect [95%]</th><th>Verdict</th>"
        yield _text(
            f"{counted}\n\n"
            f"<table class='claims'><thead>{head}</tr></thead><tbody>{rows}</tbody></table>",
            "slide",
        )


def _claim_row(claim: dict[str, Any]) -> str:
    facts = (claim.get("paper") or "–", claim.get("ours") or "–", effect_text(claim) or "–")
    cells = "".join(f"<td>{escape(fact)}</td>" for fact in facts)
    verdict = escape(claim["verdict"])
    return (
        f"<tr><td><b>{escape(claim['id'])}</b> {escape(claim['text'])}</td>{cells}"
        f"<td class='{verdict.replace(' ', '-')}'>{verdict}</td></tr>"
    )


def build_deck(path: Path, paper: Paper | None = None) -> str:
    """Render the deck of a stored notebook as one self-contained HTML page.

    Parameters
    ----------
    path : Path
        The notebook.
    paper : Paper, optional
        For the title of the page, and what to discuss.

    Raises
    ------
    DataError
        The file is no notebook, or :func:`check_deck` refuses it.
    """
    notebook = read(path)
    questions = paper.questions if paper else ()
    check_deck(notebook, path.name, questions)
    folder = TEMPLATES / "reveal"
    resources = {
        "metadata": {"name": paper.title if paper else path.stem},
        "deck": {
            "scripts": [(folder / name).read_text("utf-8") for name in ("reveal.js", "notes.js")],
            "styles": [(folder / "reveal.css").read_text("utf-8")],
        },
    }
    html, _ = _exporter().from_notebook_node(arrange(notebook, questions), resources=resources)
    return html
