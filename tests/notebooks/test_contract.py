"""The checker of notebooks: a good notebook passes, and each defect is found."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from eccvkit.outputs import CLAIMS, RUN

from . import contract

WORDS = "Short words of plain prose. " * 120
PARAMETERS = 'preset = "lab"\nseed = 0\ndevice = "auto"\nlam = 0.1'
SOLUTION = "def half(x):\n    ### BEGIN SOLUTION\n    return x / 2\n    ### END SOLUTION"
TESTS = """\
assert half(4) == 2
### BEGIN HIDDEN TESTS
assert half(-1) == -0.5
### END HIDDEN TESTS"""
ESSAY = "<!-- ### BEGIN SOLUTION -->\nBecause it is half.\n<!-- ### END SOLUTION -->"


def figure(alt: str = "A grey square") -> NotebookNode:
    stream = io.BytesIO()
    Image.new("L", (4, 4), 200).save(stream, "png")
    png = base64.b64encode(stream.getvalue()).decode()
    return new_output(
        "display_data", {"image/png": png}, metadata={"image/png": {"alt": alt, "thumbnail": False}}
    )


def record(mime: str, **payload) -> NotebookNode:
    return new_output("display_data", {mime: payload, "text/plain": "shown"})


def printed(text: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=text)


def graded(grade_id: str, **changes) -> dict:
    base = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return {"nbgrader": base | {"grade_id": grade_id} | changes}


def exercise(number: int) -> list[NotebookNode]:
    tests = graded(f"tests-{number}", grade=True, locked=True, points=2)
    return [
        new_code_cell(SOLUTION, metadata=graded(f"exercise-{number}", solution=True)),
        new_code_cell(TESTS, metadata=tests),
    ]


def good() -> NotebookNode:
    """A notebook that keeps the contract."""
    claim = {"id": "C1", "verdict": "reproduced"}
    essay = graded("essay", grade=True, solution=True, points=1)
    body = {
        "Paper card": [new_code_cell("card()", outputs=[figure("The paper")])],
        "Parameters": [
            new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            new_code_cell("start()", outputs=[record(RUN, preset="lab", seed=0)]),
        ],
        "Idea": [new_markdown_cell(WORDS), new_code_cell("plot()", outputs=[figure()])],
        "Method": [
            new_code_cell(
                f"print({n})",
                outputs=[printed(str(n))],
                metadata={"tags": ["nbval-check-output"]},
            )
            for n in range(5)
        ],
        "Look inside": [
            new_markdown_cell("### Latents\n\n```python\n# no heading\n```"),
            new_code_cell("plot()", outputs=[figure()]),
            new_code_cell("plot()", outputs=[figure()], metadata={"tags": ["nbval-skip"]}),
        ],
        "Claims": [
            new_code_cell("judge()", outputs=[record(CLAIMS, preset="lab", claims=[claim])]),
        ],
        "Exercises": [
            *exercise(1),
            *exercise(2),
            new_markdown_cell(ESSAY, metadata=essay),
            new_code_cell(""),
        ],
    }
    cells = [new_markdown_cell("# 8. A title\n\nWhat it is about.")]
    for number, name in enumerate(contract.SECTIONS, start=1):
        cells += [new_markdown_cell(f"## {number}. {name}"), *body.get(name, [])]
    for cell in cells:
        if cell.source.startswith("#"):
            cell.metadata["slideshow"] = {"slide_type": "slide"}
    cells[1].metadata["eccvkit"] = {"handout": "$a = b$"}
    cells[2].metadata["eccvkit"] = {"handout": True}
    count = 0
    for cell in cells:
        if cell.cell_type == "code" and cell.source:
            cell.execution_count = count = count + 1
    return new_notebook(cells=cells)


def at(notebook: NotebookNode, source: str) -> NotebookNode:
    """The first cell whose source starts like this."""
    return next(cell for cell in notebook.cells if cell.source.startswith(source))


def drop(notebook: NotebookNode, source: str) -> None:
    notebook.cells.remove(at(notebook, source))


def edit(start: str, **changes) -> Callable[[NotebookNode], None]:
    return lambda notebook: at(notebook, start).update(changes)


def tag(source: str, *names: str) -> Callable[[NotebookNode], None]:
    return lambda notebook: at(notebook, source).metadata.update(tags=list(names))


def mark(source: str, **changes) -> Callable[[NotebookNode], None]:
    return lambda notebook: at(notebook, source).metadata.nbgrader.update(changes)


def on_the_handout(source: str, value: object) -> Callable[[NotebookNode], None]:
    return lambda notebook: at(notebook, source).metadata.update(eccvkit={"handout": value})


def slides(kind: str, *sources: str) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        for cell in notebook.cells:
            if any(source in cell.source for source in sources):
                cell.metadata["slideshow"] = {"slide_type": kind}

    return change


def swap_sections(notebook: NotebookNode) -> None:
    idea, method = at(notebook, "## 3."), at(notebook, "## 4.")
    idea.source, method.source = method.source, idea.source


def check(notebook: NotebookNode, tmp_path) -> list[str]:
    path = tmp_path / "08_topogan.ipynb"
    nbformat.write(notebook, path)
    return contract.findings(path, {"C1"})


def test_a_good_notebook_passes(tmp_path):
    assert check(good(), tmp_path) == []


DEFECTS = {
    "old format": (lambda nb: nb.update(nbformat_minor=4), "format older than 4.5"),
    "no parameters": (tag("preset"), "0 cells tagged 'parameters'"),
    "two parameters": (tag("start", "parameters"), "2 cells tagged 'parameters'"),
    "smoke by default": (
        edit("preset", source=PARAMETERS.replace("lab", "smoke")),
        "parameter preset is not 'lab'",
    ),
    "no seed": (edit("preset", source='preset = "lab"\ndevice = "auto"'), "parameter seed"),
    "a section missing": (lambda nb: drop(nb, "## 10."), "sections missing: 10. Play"),
    "sections swapped": (swap_sections, "not the thirteen in order"),
    "level skipped": (edit("### Latents", source="#### Latents"), "of level 4 directly below"),
    "two titles": (edit("### Latents", source="# Latents"), "the only one of level 1"),
    "no title": (lambda nb: drop(nb, "# 8."), "the title must be the first heading"),
    "not executed": (edit("judge", execution_count=None), "was not executed"),
    "out of order": (edit("judge", execution_count=1), "out of order"),
    "error output": (
        edit("judge", outputs=[new_output("error", ename="ValueError", evalue="", traceback=[])]),
        "ends in ValueError",
    ),
    "path in output": (
        edit("print(1)", outputs=[printed("read /home/jo/x")]),
        "machine path: /home/",
    ),
    "path on Windows": (
        edit("print(1)", outputs=[printed(r"read C:\Users\jo")]),
        "machine path: C:",
    ),
    "path in source": (edit("print(1)", source="open('/tmp/x')"), "machine path: /tmp/"),
    "path in HTML": (
        edit("print(1)", outputs=[new_output("display_data", {"text/html": "<b>/root/x</b>"})]),
        "machine path: /root/",
    ),
    "warning": (
        edit("print(1)", outputs=[printed("x.py:1: UserWarning: careful")]),
        "shows a warning",
    ),
    "two pictures in a cell": (
        edit("plot", outputs=[figure("one"), figure("two")]),
        "shows 2 pictures",
    ),
    "no alternative text": (edit("plot", outputs=[figure(" ")]), "without alternative text"),
    "too few pictures": (edit("plot", outputs=[]), "3 pictures, at least 4"),
    "stored at smoke": (
        edit("start", outputs=[record(RUN, preset="smoke")]),
        "come from preset 'smoke'",
    ),
    "no claims": (edit("judge", outputs=[]), "no claims are judged"),
    "claim not judged": (
        edit(
            "judge", outputs=[record(CLAIMS, preset="lab", claims=[{"id": "C2", "verdict": "x"}])]
        ),
        "claim C1 has no verdict",
    ),
    "foreign verdict": (
        edit(
            "judge", outputs=[record(CLAIMS, preset="lab", claims=[{"id": "C2", "verdict": "x"}])]
        ),
        "verdict on C2, no claim of the paper",
    ),
    "unknown verdict": (
        edit(
            "judge", outputs=[record(CLAIMS, preset="lab", claims=[{"id": "C1", "verdict": "x"}])]
        ),
        "unknown verdict 'x'",
    ),
    "claims at smoke": (
        edit(
            "judge", outputs=[record(CLAIMS, preset="smoke", claims=[{"id": "C1", "verdict": ""}])]
        ),
        "verdicts come from preset 'smoke'",
    ),
    "too few words": (edit("Short words", source="$a$ " * 900), "words of prose"),
    "compared without output": (edit("print(1)", outputs=[]), "4 cells with output are tagged"),
    "skipped and compared": (
        tag("print(1)", "nbval-check-output", "nbval-skip"),
        "4 cells with output are tagged",
    ),
    "duplicate grade id": (mark("assert", grade_id="essay"), "Duplicate grade id"),
    "old schema": (mark("assert", schema_version=2), "nbgrader schema is 2"),
    "broken metadata": (lambda nb: at(nb, "assert").metadata.nbgrader.pop("points"), "points"),
    "two exercises": (lambda nb: drop(nb, "<!--"), "2 exercises"),
    "solution without markers": (
        edit("def half", source="def half(x):\n    return x / 2"),
        "solution without ### BEGIN",
    ),
    "solution not closed": (
        edit("def half", source=SOLUTION.replace("END", "FINISH")),
        "nbgrader makes no student edition",
    ),
    "marker in the text": (
        edit("Short", source=WORDS + "Between ### BEGIN SOLUTION and ### END SOLUTION."),
        "nbgrader makes no student edition",
    ),
    "no slides": (slides("skip", "#"), "08_topogan.ipynb has no slide metadata"),
    "too few slides": (slides("-", "## 1.", "## 2.", "## 3.", "## 4.", "## 5."), "has 11"),
    "too many slides": (slides("slide", "print(", "plot("), "a talk has 12 to 20"),
    "handout without text": (on_the_handout("## 1.", ""), "no text is marked for the handout"),
    "handout without picture": (on_the_handout("card", False), "no picture is marked"),
    "handout mark on text": (on_the_handout("print(1)", True), "marked for the handout and has no"),
    "solution told twice": (
        edit("def half", source="# say\n#    return x / 2\n" + SOLUTION + "\n    return x / 2"),
        "still shows a solution",
    ),
}


@pytest.mark.parametrize(("spoil", "finding"), DEFECTS.values(), ids=DEFECTS)
def test_each_defect_is_found(tmp_path, spoil, finding):
    notebook = good()
    spoil(notebook)
    assert any(finding in line for line in check(notebook, tmp_path))


@pytest.mark.parametrize(
    ("tests", "finding"),
    [
        (TESTS.split("\n", 1)[1], "no visible test"),
        ("assert half(4) == 2", "no hidden test"),
        (TESTS.replace("assert half(-1) == -0.5\n", ""), "no hidden test"),
    ],
)
def test_both_kinds_of_tests_are_wanted(tmp_path, tests, finding):
    notebook = good()
    for cell in notebook.cells:
        if cell.source == TESTS:
            cell.source = tests
    assert any(finding in line for line in check(notebook, tmp_path))


def test_a_chapter_without_questions_is_found():
    assert "volume.toml has no questions to discuss" in contract.reading_group(good(), "01_sizer")


def test_a_heavy_notebook_is_found(tmp_path):
    notebook = good()
    at(notebook, "print(1)").outputs = [printed("x" * contract.MAX_BYTES)]
    assert any("MB stored, at most 1.5" in line for line in check(notebook, tmp_path))


def test_cells_without_ids_are_found(tmp_path):
    stored = json.loads(nbformat.writes(good()))
    del stored["cells"][2]["id"]
    path = tmp_path / "08_topogan.ipynb"
    path.write_text(json.dumps(stored))
    assert contract.file_form(path) == ["cells without id: 3"]


def test_an_invalid_notebook_is_found(tmp_path):
    stored = json.loads(nbformat.writes(good()))
    stored["cells"][2]["id"] = "not an id"
    path = tmp_path / "08_topogan.ipynb"
    path.write_text(json.dumps(stored))
    assert "not a valid notebook" in contract.file_form(path)[0]


def test_addresses_are_no_machine_paths(tmp_path):
    notebook = good()
    at(notebook, "print(1)").outputs = [printed("https://example.org/home/x and ../work/x")]
    assert check(notebook, tmp_path) == []


def plot(*colours: str, background: str = "white") -> str:
    picture = Image.new("RGB", (100, 100), background)
    for k, colour in enumerate(colours):
        picture.paste(colour, (10 * k, 0, 10 * k + 10, 40))
    stream = io.BytesIO()
    picture.save(stream, "png")
    return base64.b64encode(stream.getvalue()).decode()


def test_hues_that_some_readers_confuse_are_found():
    output = figure()
    output.data["image/png"] = plot("#2468f2", "#c524f2", "black")
    notebook = new_notebook(cells=[new_code_cell("x", outputs=[output])])
    assert contract.colours(notebook) == ["cell 1: #c524f2 and #2468f2 look alike under protanopia"]


def test_hues_are_what_a_plot_is_drawn_in():
    shades_and_greys = plot("#0273b2", "#0173b2", "#808080", "#de8f05")
    assert contract.hues(shades_and_greys) == ["#de8f05", "#0273b2"]
    assert contract.hues(plot("black", "white")) == []


def test_a_picture_without_background_is_no_plot():
    photograph = plot(*(f"#{k}0{9 - k}0f0" for k in range(10)))
    assert len(contract.hues(photograph)) > 1
    picture = Image.open(io.BytesIO(base64.b64decode(photograph))).crop((0, 0, 100, 60))
    stream = io.BytesIO()
    picture.save(stream, "png")
    assert contract.hues(base64.b64encode(stream.getvalue()).decode()) == []


def test_headings_in_code_do_not_count():
    notebook = new_notebook(cells=[new_markdown_cell("# A `b`\n\n```\n# no\n```\n\nC\n-\n")])
    assert list(contract.headings(notebook)) == [(1, 1, "A `b`"), (1, 2, "C")]


def test_positions_of_compared_cells_count_code_cells():
    # card, parameters and start, plot: the five printing cells come fifth to ninth.
    assert contract.compared_cells(good()) == [4, 5, 6, 7, 8]
