"""A search for solutions and hidden tests where students would find them.

A line is found if it stands anywhere in the notebook: in a source, an output, metadata, an
attachment (decoded, if it is text) or a cell id. Long lines are also found inside other lines.
"""

from __future__ import annotations

import base64
import keyword
import re
from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode

from eccvkit.runner.exercises import SECRETS, regions

#: Characters from which on a line is also searched within lines.
_LONG = 20
_WORD = re.compile(r"[^\W\d_]\w*")


def secret_lines(notebook: NotebookNode) -> set[str]:
    """Lines of all solutions, hidden tests and mark schemes, blanks squeezed.

    Lines of brackets and keywords alone (``)``, ``else:``) say nothing and are left out.
    """
    return {
        _squeeze(line)
        for number, cell in enumerate(notebook.cells, start=1)
        for kind in SECRETS
        for text in regions(cell, kind, f"cell {number}")
        for line in text.split("\n")
        if any(not keyword.iskeyword(word) for word in _WORD.findall(line))
    }


def find_leaks(notebook: NotebookNode, secrets: set[str]) -> list[str]:
    """Say where secret lines, or the markers around them, stand in a notebook.

    Parameters
    ----------
    notebook : NotebookNode
        The students' edition.
    secrets : set of str
        From :func:`secret_lines` of the notebook that it was made from.

    Returns
    -------
    list of str
        One finding per line, for example ``"cell 12: 'return x + 1'"``; empty if all is well.
    """
    markers = {f"{word} {kind}" for kind in SECRETS for word in ("BEGIN", "END")}
    long = {line for line in secrets if len(line) >= _LONG} | markers
    found = []
    places = [("the notebook's metadata", notebook.metadata)]
    places += [(f"cell {number}", cell) for number, cell in enumerate(notebook.cells, start=1)]
    for place, node in places:
        lines = [_squeeze(line) for text in _texts(node) for line in text.splitlines()]
        text = "\n".join(lines)
        hits = (secrets & set(lines)) | {line for line in long if line in text}
        found += [f"{place}: {line!r}" for line in sorted(hits)]
    return found


def _squeeze(line: str) -> str:
    return " ".join(line.split())


def _texts(value: Any) -> Iterator[str]:
    """Every text in a piece of JSON, keys included; what is base64 of a text, decoded too."""
    if isinstance(value, str):
        yield value
        try:
            yield base64.b64decode(value, validate=True).decode()
        except ValueError:  # no base64, or a picture
            return
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
