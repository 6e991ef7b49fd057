"""The contract of a stored notebook (DESIGN, section 3), as functions that list what breaks it.

Every check takes a notebook and returns findings, one line each; no finding means that it holds.
:func:`findings` runs them all.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Collection, Iterator
from copy import deepcopy
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
from markdown_it import MarkdownIt
from matplotlib.colors import to_hex
from nbformat import NotebookNode
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions
from PIL import Image
from skimage.color import rgb2lab

from eccvkit.claims import VERDICTS
from eccvkit.errors import DataError
from eccvkit.outputs import collect
from eccvkit.runner.handout import marked_figures, marked_texts
from eccvkit.runner.independence import borrowed_names
from eccvkit.runner.leaks import find_leaks, secret_lines
from eccvkit.runner.notebook import parameters
from eccvkit.runner.slides import check_deck
from eccvkit.viz.colour_vision import confused, differences
from eccvkit.volume import find

SECTIONS = (
    "Paper card",
    "Parameters",
    "Idea",
    "Method",
    "Full size",
    "Data",
    "Training",
    "Ablation",
    "Look inside",
    "Play",
    "Claims",
    "Exercises",
    "Going further",
)
DEFAULTS = {"preset": "lab", "seed": 0, "device": "auto"}
MAX_BYTES = 1_500_000
#: Two colours of a plot nearer than this (CIEDE2000) are shades of one.
DISTINCT = 15
MIN_WORDS = 600
MIN_PICTURES = 4
MIN_EXERCISES = 3
MIN_COMPARED = 5

_HOME = re.compile(r"(?<![\w.])/(?:home|root|work|tmp|Users)/|[A-Za-z]:\\+Users\\")
_DATA_URI = re.compile(r"data:[\w/+.-]+;base64,[\w/+=]*")
_REGION = re.compile(
    r"### BEGIN (SOLUTION|HIDDEN TESTS)\b[^\n]*\n(.*?)^[^\n]*### END \1\b", re.S | re.M
)


def findings(path: Path, claims: Collection[str] | None = None) -> list[str]:
    """Everything that breaks the contract in a notebook file.

    Parameters
    ----------
    path : Path
    claims : collection of str, optional
        Ids that the paper's module defines; the stored verdicts must be about exactly these.
    """
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    return [
        *file_form(path),
        *parameters_cell(notebook),
        *sections(notebook),
        *nesting(notebook),
        *execution(notebook),
        *clean_text(notebook),
        *pictures(notebook),
        *colours(notebook),
        *stored_verdicts(notebook, claims),
        *prose(notebook),
        *compared(notebook),
        *exercises(notebook),
        *student_edition(notebook),
        *reading_group(notebook, path.name),
    ]


def file_form(path: Path) -> list[str]:
    """Valid nbformat 4.5 or later with an id for every cell; not too large to load quickly."""
    # As JSON: nbformat gives ids to cells without them while it reads.
    stored = json.loads(path.read_text(encoding="utf-8"))
    found = []
    if (stored["nbformat"], stored["nbformat_minor"]) < (4, 5):
        found.append("format older than 4.5: cells have no ids")
    elif nameless := [n for n, cell in enumerate(stored["cells"], start=1) if "id" not in cell]:
        found.append(f"cells without id: {', '.join(map(str, nameless))}")
    else:
        try:
            nbformat.validate(stored)
        except nbformat.ValidationError as error:
            found.append(f"not a valid notebook: {str(error).splitlines()[0]}")
    size = path.stat().st_size
    if size > MAX_BYTES:
        found.append(f"{size / 1e6:.2f} MB stored, at most {MAX_BYTES / 1e6:g}")
    return found


def parameters_cell(notebook: NotebookNode) -> list[str]:
    """One cell tagged ``parameters``, with the defaults that every notebook has."""
    tagged = [cell for cell in notebook.cells if "parameters" in tags(cell)]
    if len(tagged) != 1:
        return [f"{len(tagged)} cells tagged 'parameters', expected one"]
    try:
        given = parameters(notebook, Path("notebook"))
    except DataError as error:
        return [str(error)]
    return [
        f"parameter {name} is not {default!r} by default"
        for name, default in DEFAULTS.items()
        if name not in given or given[name].default != default
    ]


def sections(notebook: NotebookNode) -> list[str]:
    """The thirteen sections in order."""
    found = []
    outline = [(level, text) for _, level, text in headings(notebook)]
    expected = [f"{number}. {name}" for number, name in enumerate(SECTIONS, start=1)]
    actual = [text for level, text in outline if level == 2]
    if actual != expected:
        missing = [text for text in expected if text not in actual]
        found.append(
            f"sections missing: {', '.join(missing)}"
            if missing
            else f"sections are not the thirteen in order: {', '.join(actual)}"
        )
    return found


def nesting(notebook: NotebookNode) -> list[str]:
    """One title above everything else, and no level of headings skipped."""
    found = []
    outline = [(level, text) for _, level, text in headings(notebook)]
    if [number for number, (level, _) in enumerate(outline) if level == 1] != [0]:
        found.append("the title must be the first heading and the only one of level 1")
    for (above, _), (level, text) in pairwise(outline):
        if level > above + 1:
            found.append(f"heading {text!r} of level {level} directly below level {above}")
    return found


def execution(notebook: NotebookNode) -> list[str]:
    """Every cell was executed, in order, without an error."""
    found = []
    last = 0
    for number, cell in code_cells(notebook):
        count = cell.execution_count
        if cell.source.strip() and count is None:
            found.append(f"cell {number} was not executed")
        elif count is not None:
            if count <= last:
                found.append(f"cell {number} was executed out of order")
            last = count
        found += [
            f"cell {number} ends in {output.ename}"
            for output in cell.outputs
            if output.output_type == "error"
        ]
    return found


def clean_text(notebook: NotebookNode) -> list[str]:
    """No path of somebody's machine anywhere, no warning in an output."""
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        outputs = [text for output in cell.get("outputs", []) for text in _texts(output)]
        for text in (cell.source, *outputs):
            if path := _HOME.search(_DATA_URI.sub("", text)):
                found.append(f"cell {number} shows a machine path: {path[0]}")
        if any("Warning:" in text for text in outputs):
            found.append(f"cell {number} shows a warning")
    return found


def pictures(notebook: NotebookNode) -> list[str]:
    """At least four pictures, one per cell, each with alternative text."""
    figures = collect(notebook).figures
    found = []
    if len(figures) < MIN_PICTURES:
        found.append(f"{len(figures)} pictures, at least {MIN_PICTURES} expected")
    cells = [figure.cell for figure in figures]
    found += [
        f"cell {cell + 1} shows {cells.count(cell)} pictures"
        for cell in sorted(set(cells))
        if cells.count(cell) > 1
    ]
    found += [
        f"cell {figure.cell + 1} shows a picture without alternative text"
        for figure in figures
        if not figure.alt.strip()
    ]
    return found


def colours(notebook: NotebookNode) -> list[str]:
    """No plot has two hues that readers with a colour-vision deficiency take for each other."""
    return [
        f"cell {figure.cell + 1}: {a} and {b} look alike under {deficiency}"
        for figure in collect(notebook).figures
        for a, b, deficiency in confused(hues(figure.png))
    ]


def hues(png: str) -> list[str]:
    """What a plot is drawn in: the colours that fill at least 0.15% of it each.

    Greys are left out, and near colours merged. A picture less than half of which is background is
    no plot but a photograph or a map: what one reads off it is not coded by hue, so it has none.
    """
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    pixels = picture.width * picture.height
    counted = sorted(picture.getcolors(pixels), reverse=True)
    if counted[0][0] < pixels / 2:
        return []
    often = [rgb for count, rgb in counted if count >= 0.0015 * pixels]
    values = np.array(often).reshape(-1, 3) / 255
    lab = rgb2lab(values)
    values = values[np.hypot(lab[:, 1], lab[:, 2]) > 20]
    near = differences(values) < DISTINCT
    kept: list[int] = []
    for i in range(len(values)):
        if not near[i, kept].any():
            kept.append(i)
    return [to_hex(values[i]) for i in kept]


def stored_verdicts(notebook: NotebookNode, claims: Collection[str] | None) -> list[str]:
    """Outputs come from the preset lab, and every claim of the paper has its verdict."""
    facts = collect(notebook)
    found = []
    if facts.run.get("preset") != "lab":
        found.append(f"stored outputs come from preset {facts.run.get('preset')!r}, not 'lab'")
    if not facts.claims or not facts.claims["claims"]:
        return [*found, "no claims are judged"]
    if facts.claims["preset"] != "lab":
        found.append(f"verdicts come from preset {facts.claims['preset']!r}, not 'lab'")
    judged = [claim["id"] for claim in facts.claims["claims"]]
    if len(set(judged)) < len(judged):
        found.append("a claim is judged twice")
    if claims is not None:
        found += [f"claim {name} has no verdict" for name in sorted(set(claims) - set(judged))]
        found += [f"verdict on {name}, no claim of the paper" for name in set(judged) - set(claims)]
    found += [
        f"claim {claim['id']} has the unknown verdict {claim['verdict']!r}"
        for claim in facts.claims["claims"]
        if claim["verdict"] not in VERDICTS
    ]
    return found


def prose(notebook: NotebookNode) -> list[str]:
    """Enough words to follow the idea; formulas and code are not words."""
    words = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$|`[^`]*`", " ", cell.source, flags=re.S)
            words += len(re.findall(r"[^\W\d_]{2,}", text))
    return [] if words >= MIN_WORDS else [f"{words} words of prose, at least {MIN_WORDS} expected"]


def compared(notebook: NotebookNode) -> list[str]:
    """Enough deterministic cells whose stored output nbval compares; training is skipped."""
    count = len(compared_cells(notebook))
    if count < MIN_COMPARED:
        return [f"{count} cells with output are tagged 'nbval-check-output', want {MIN_COMPARED}"]
    return []


def exercises(notebook: NotebookNode) -> list[str]:
    """Three exercises that nbgrader accepts, with visible and hidden tests."""
    found = []
    try:
        MetadataValidator().validate_nb(deepcopy(notebook))
    except Exception as error:  # ValidationError, or KeyError and the like from broken metadata
        found.append(f"nbgrader refuses the metadata: {type(error).__name__} {error}")
    graded = [
        (number, cell, cell.metadata["nbgrader"])
        for number, cell in enumerate(notebook.cells, start=1)
        if "nbgrader" in cell.metadata
    ]
    found += [
        f"cell {number}: nbgrader schema is {meta.get('schema_version')}, not 3"
        for number, _, meta in graded
        if meta.get("schema_version") != 3
    ]
    solutions = [(number, cell) for number, cell, meta in graded if meta.get("solution")]
    if len(solutions) < MIN_EXERCISES:
        found.append(f"{len(solutions)} exercises, at least {MIN_EXERCISES} expected")
    found += [
        f"cell {number}: solution without ### BEGIN SOLUTION ... ### END SOLUTION"
        for number, cell in solutions
        if not regions(cell, "SOLUTION")
    ]
    tests = [cell for _, cell, meta in graded if meta.get("grade") and not meta.get("solution")]
    if not any("assert" in _REGION.sub("", cell.source) for cell in tests):
        found.append("no visible test")
    if not any("assert" in text for cell in tests for text in regions(cell, "HIDDEN TESTS")):
        found.append("no hidden test between ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS")
    found += [
        f"the test {b.test} uses {b.name!r}, which only the test {b.lender} defines"
        for b in borrowed_names(notebook)
    ]
    return found


def student_edition(notebook: NotebookNode) -> list[str]:
    """Nbgrader takes every solution and hidden test out, and no line of them stands elsewhere."""
    steps = (ClearSolutions(), ClearHiddenTests())
    for step in steps:
        step.log.disabled = True  # what it would log is in the exception
    cleared = deepcopy(notebook)
    for number, cell in enumerate(cleared.cells, start=1):
        if cell.cell_type == "code":
            cell.outputs = []
        try:
            for step in steps:
                step.preprocess_cell(cell, {"language": "python"}, number)
        except Exception as error:  # RuntimeError, or KeyError and the like from broken metadata
            return [f"cell {number}: nbgrader makes no student edition: {error}"]
    try:
        secrets = secret_lines(notebook)
    except DataError as error:
        return [str(error)]
    return [
        f"the student edition still shows a solution: {leak}"
        for leak in find_leaks(cleared, secrets)
    ]


def reading_group(notebook: NotebookNode, name: str) -> list[str]:
    """A deck of the right length, a handout with a text and a picture, something to discuss."""
    found = []
    questions = find(name).questions
    try:
        check_deck(notebook, name, questions)
    except DataError as error:
        found.append(str(error))
    if not questions:
        found.append("volume.toml has no questions to discuss")
    if not marked_texts(notebook):
        found.append("no text is marked for the handout")
    marked = [
        number
        for number, cell in enumerate(notebook.cells, start=1)
        if cell.metadata.get("eccvkit", {}).get("handout") is True
    ]
    pictured = {f.cell + 1 for f in marked_figures(notebook, collect(notebook).figures)}
    if not pictured:
        found.append("no picture is marked for the handout")
    found += [
        f"cell {number} is marked for the handout and has no picture"
        for number in marked
        if number not in pictured
    ]
    return found


# --- reading a notebook ---------------------------------------------------------------------


def tags(cell: NotebookNode) -> list[str]:
    """Tags of a cell."""
    return cell.metadata.get("tags", [])


def code_cells(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    """Code cells with their numbers, counted from 1 over all cells."""
    return [(n, c) for n, c in enumerate(notebook.cells, start=1) if c.cell_type == "code"]


def compared_cells(notebook: NotebookNode) -> list[int]:
    """Position among the code cells, from 0 as nbval counts, of those it really compares."""
    return [
        position
        for position, (_, cell) in enumerate(code_cells(notebook))
        if "nbval-check-output" in tags(cell) and "nbval-skip" not in tags(cell) and cell.outputs
    ]


def headings(notebook: NotebookNode) -> Iterator[tuple[int, int, str]]:
    """Cell number, level and text of every Markdown heading; ``#`` inside code is none."""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            tokens = MarkdownIt().parse(cell.source)
            for token, content in pairwise(tokens):
                if token.type == "heading_open":
                    yield number, int(token.tag[1]), content.content


def regions(cell: NotebookNode, kind: str) -> list[str]:
    """Text of the regions ``### BEGIN kind`` to ``### END kind`` of a cell."""
    return [text for name, text in _REGION.findall(cell.source) if name == kind]


def _texts(value: object) -> Iterator[str]:
    """All text in an output, images left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if not key.startswith("image/"):
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
