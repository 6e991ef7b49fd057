"""Labs: what students get, and what nbgrader's own command line gives them for it."""

from __future__ import annotations

import base64
import copy
import csv
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
import typer
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from typer.testing import CliRunner

from eccvkit.errors import DataError, EccvkitError
from eccvkit.runner.exercises import read_exercises, read_lab
from eccvkit.runner.labs import build_course
from eccvkit.runner.labs_command import app
from eccvkit.runner.leaks import find_leaks, secret_lines
from eccvkit.runner.notebook import locate

from .conftest import running

NOTE = "Solutions are included here; the student edition, made with nbgrader, asks for them."
SECRET = "the margin grows with every class that is known"


def meta(grade_id: str, *, grade=False, solution=False, points=None) -> dict:
    facts = {"schema_version": 3, "grade_id": grade_id, "grade": grade, "solution": solution}
    facts |= {"locked": grade and not solution, "task": False}
    return {"nbgrader": facts | ({"points": points} if points else {})}


def chapter() -> NotebookNode:
    """A chapter in small, with secrets in every place where a notebook can hold one."""
    double = """\
def double(x):
    \"\"\"Twice x.\"\"\"
    ### BEGIN SOLUTION
    both = [x, x]
    return base * sum(both)
    ### END SOLUTION
"""
    double_tests = """\
assert double(2) == 4, "twice two"
### BEGIN HIDDEN TESTS
assert double(-3) == -6, "negative numbers too"
### END HIDDEN TESTS
print("doubled")
"""
    total = """\
def total(values):
    ### BEGIN SOLUTION
    result = 0
    for number in values:
        result += number
    return result
    ### END SOLUTION
"""
    total_tests = """\
assert total([1, 2, 3]) == 6
### BEGIN HIDDEN TESTS
assert total(iter([4, 5])) == 9, "any iterable"
assert (preset, base) == ("smoke", 1), "not what the student set"
### END HIDDEN TESTS
"""
    why = f"<!-- ### BEGIN SOLUTION -->\nMostly because {SECRET}.\n<!-- ### END SOLUTION -->"
    tests = {"grade": True, "solution": False}
    return new_notebook(
        cells=[
            new_markdown_cell("# A small chapter"),
            new_code_cell('def paper_card(slug, learn): ...\npaper_card("mini", learn=["add up"])'),
            new_code_cell('preset = "lab"\nbase = 1', metadata={"tags": ["parameters"]}),
            new_code_cell(
                "import time; time.sleep(600)  # training", metadata={"tags": ["nbval-skip"]}
            ),
            new_markdown_cell(f"## 12. Exercises\n\n{NOTE}"),
            new_markdown_cell("### Exercise 1: twice\n\nDouble a number $x$."),
            new_code_cell(double, metadata=meta("double", solution=True), id="both-x-x"),
            new_code_cell(
                double_tests,
                metadata={**meta("double-tests", points=4, **tests), "note": "assert double(-3)"},
                outputs=[new_output("stream", text="assert double(-3) == -6")],
                execution_count=7,
            ),
            new_code_cell("doubled = True", metadata=meta("unmarked")),
            new_markdown_cell("### Exercise 2: sum\n\nAdd up."),
            new_code_cell(total, metadata=meta("total", solution=True)),
            new_code_cell(total_tests, metadata=meta("total-tests", points=3, **tests)),
            new_markdown_cell("### Exercise 3: why"),
            new_markdown_cell(
                why,
                metadata=meta("why", grade=True, solution=True, points=2),
                attachments={"a.txt": {"text/plain": base64.b64encode(why.encode()).decode()}},
                id="mostly-because-the-margin-grows",
            ),
        ],
        metadata={"model": {"answers": [SECRET]}, "widgets": {"state": "return base * sum(both)"}},
    )


def cell(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    return next(
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )


def write(notebook: NotebookNode, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def secrets_of(notebook: NotebookNode) -> set[str]:
    """Lines between the markers, found in another way than the package does."""
    pattern = r"BEGIN (SOLUTION|HIDDEN TESTS).*?\n(.*?)\n[^\n]*END \1"
    text = "\n".join(c.source for c in notebook.cells)
    lines = {x.strip() for _, t in re.findall(pattern, text, re.S) for x in t.split("\n")}
    return {line for line in lines if re.search(r"\w", line)}


def nbgrader(course: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The real command line, in the course's folder, with more environment variables."""
    scripts = sysconfig.get_path("scripts")
    path = os.pathsep.join([scripts, os.environ["PATH"]])
    environment = os.environ | {"PATH": path} | variables
    command = [sys.executable, "-m", "nbgrader", *arguments]
    return subprocess.run(
        command, cwd=course, env=environment, capture_output=True, text=True, timeout=240
    )


def grades(course: Path, slug: str) -> dict[str, float]:
    """Points by student, from the table that nbgrader exports."""
    done = nbgrader(course, "export", "--to", "grades.csv")
    assert done.returncode == 0, done.stderr
    with (course / "grades.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["assignment"] == slug]
    return {row["student_id"]: float(row["score"]) for row in rows}


# --- hand out -------------------------------------------------------------------------------


def invoke(*arguments: object):
    root = typer.Typer()
    root.add_typer(app, name="labs")
    return CliRunner().invoke(root, ["labs", *map(str, arguments)])


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> list[str]:
    """What the command prints: one assignment built, a setting changed, another one added."""
    folder = tmp_path_factory.mktemp("labs")
    printed = []
    for stem in ("mini", "more"):
        result = invoke(
            "build", write(chapter(), folder / f"{stem}.ipynb"), "-o", folder / "course"
        )
        assert result.exit_code == 0, result.output
        printed += result.output.splitlines()
        with (folder / "course/nbgrader_config.py").open("a") as stream:
            stream.write(f"# changed after {stem}\n")
    return printed


@pytest.fixture(scope="module")
def course(built) -> Path:
    return Path(built[-1].removeprefix("guide: ")).parent


def read(course: Path, edition: str, stem: str = "mini", slug: str = "mini") -> NotebookNode:
    return nbformat.read(course / edition / slug / f"{stem}.ipynb", as_version=4)


def test_the_command_says_what_it_made(built, course):
    for line, stem in ((built[0], "mini"), (built[2], "more")):
        release = course / f"release/{stem}/{stem}.ipynb"
        assert release.is_file()
        assert line == f"{stem}: 3 exercises, 7 points by nbgrader, 2 by hand: {release}"
    assert built[1] == built[3] == f"guide: {course / 'README.md'}"


def test_a_second_build_keeps_the_settings(course):
    lines = (course / "nbgrader_config.py").read_text().splitlines()
    assert lines[-2:] == ["# changed after mini", "# changed after more"]


def test_students_do_not_find_a_secret_line(course):
    stored = chapter()
    secrets = secrets_of(stored)
    assert len(secrets) == 10
    before = json.dumps(stored, ensure_ascii=False).replace('\\"', '"')
    release = read(course, "release")
    after = json.dumps(release, ensure_ascii=False).replace('\\"', '"')
    for line in secrets:
        assert line in before
        assert line not in after
    encoded = base64.b64encode(b"### BEGIN SOLUTION").decode()[:16]
    for trace in ("BEGIN", "HIDDEN", "attachments", "both-x-x", "mostly-because", encoded, SECRET):
        assert trace not in after
    assert all(not c.get("outputs") and not c.get("execution_count") for c in release.cells)


def test_students_get_the_whole_chapter(course):
    release, stored = read(course, "release"), chapter()
    nbformat.validate(release)
    for given, original in zip(release.cells, stored.cells, strict=True):
        if "nbgrader" not in original.metadata and NOTE not in original.source:
            assert given.source == original.source
    assert "where a cell raises `NotImplementedError`" in release.cells[4].source
    assert "raise NotImplementedError" in cell(release, "double").source
    assert cell(release, "why").source.strip() == "YOUR ANSWER HERE"
    assert "assert double(2) == 4" in cell(release, "double-tests").source
    parameters = release.cells[2]
    assert parameters.metadata.tags == ["parameters"]
    assert parameters.metadata.get("editable", True)


def test_the_sources_keep_solutions_and_tests(course):
    source, stored = read(course, "source"), chapter()
    for given, original in zip(source.cells, stored.cells, strict=True):
        if NOTE not in original.source:
            assert given.source == original.source


def test_the_guide_lists_marks_goals_and_model_answers(course):
    guide = (course / "README.md").read_text()
    for line in (
        "| `mini` | A small chapter | 3 | 7 | 2 |  |",
        "| `more` | A small chapter | 3 | 7 | 2 |  |",
        "  - add up",
        "| `double-tests` | Exercise 1: twice | 4 | by nbgrader: assertions shown 1, hidden 1 |",
        "| `why` | Exercise 3: why | 2 | by hand, against the model answer |",
        "Double a number $x$.",
        "    return base * sum(both)",
        f"> Mostly because {SECRET}.",
    ):
        assert line in guide.splitlines(), line
    assert "BEGIN" not in guide


# --- grade ----------------------------------------------------------------------------------


def solve(release: NotebookNode, **bodies: str) -> NotebookNode:
    """Put code in the place of the stub of some exercises."""
    notebook = copy.deepcopy(release)
    for grade_id, body in bodies.items():
        target = cell(notebook, grade_id)
        stub = re.search(r"^( *)# YOUR CODE HERE\n.*$", target.source, re.M)
        lines = "\n".join(stub[1] + line for line in body.split("\n"))
        target.source = target.source.replace(stub[0], lines)
    return notebook


def edited(notebook: NotebookNode, edit: Callable[[NotebookNode], object]) -> NotebookNode:
    notebook = copy.deepcopy(notebook)
    edit(notebook)
    return notebook


GOOD = {"double": "return 2 * x", "total": "return sum(values)"}
STUBBORN = """\
import os, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
open(os.environ["STUBBORN"], "w").write(str(os.getpid()))
while True: pass"""

#: Student, what was handed in (made from the release), and the points it should get of 7.
STUDENTS: dict[str, tuple[Callable[[NotebookNode], NotebookNode], float]] = {
    "nothing": (lambda nb: nb, 0),
    "right": (lambda nb: solve(nb, **GOOD), 7),
    "half": (lambda nb: solve(nb, total=GOOD["total"]), 3),
    "visible-only": (lambda nb: solve(nb, double="return 2 * abs(x)", total=GOOD["total"]), 3),
    "endless": (lambda nb: solve(nb, double="while True: pass", total=GOOD["total"]), 3),
    "raises": (lambda nb: solve(nb, double=GOOD["double"], total="return 1 / 0"), 4),
    "turned": (
        lambda nb: edited(
            solve(nb, **GOOD), lambda n: n.cells[2].update(source='preset = "gpu"\nbase = 99')
        ),
        7,
    ),
    "own-test": (
        lambda nb: edited(nb, lambda n: cell(n, "double-tests").update(source="pass")),
        0,
    ),
    "tagged": (
        lambda nb: edited(
            nb, lambda n: cell(n, "double-tests").metadata.update(tags=["nbval-skip"])
        ),
        0,
    ),
    "deleted": (
        lambda nb: edited(solve(nb, **GOOD), lambda n: n.cells.remove(cell(n, "total-tests"))),
        4,
    ),
    "copied": (
        lambda nb: edited(
            solve(nb, **GOOD),
            lambda n: n.cells.append(NotebookNode(cell(n, "double") | {"id": "copy"})),
        ),
        7,
    ),
    "old-format": (
        lambda nb: edited(
            solve(nb, **GOOD), lambda n: cell(n, "total").metadata.nbgrader.update(schema_version=1)
        ),
        7,
    ),
    "a-stubborn": (lambda nb: solve(nb, double=STUBBORN, total=GOOD["total"]), 0),
    "a-dead": (lambda nb: solve(nb, double="import os; os._exit(1)", total=GOOD["total"]), 0),
}


@pytest.fixture(scope="module")
def graded(course, tmp_path_factory) -> tuple[subprocess.CompletedProcess[str], dict[str, float]]:
    release = read(course, "release")
    submitted = course / "submitted"
    for student, (make, _) in STUDENTS.items():
        write(make(release), submitted / student / "mini" / "mini.ipynb")
    write(read(course, "source"), submitted / "reference" / "mini" / "mini.ipynb")
    pid = tmp_path_factory.mktemp("pids") / "stubborn"
    timeout = "--ExecutePreprocessor.timeout=3"
    done = nbgrader(course, "autograde", "mini", timeout, STUBBORN=str(pid))
    assert not running(int(pid.read_text())), "a kernel is left behind"
    return done, grades(course, "mini")


def test_the_reference_gets_full_marks(graded):
    assert graded[1]["reference"] == 7


@pytest.mark.parametrize("student", STUDENTS)
def test_each_student_gets_the_points_due(graded, student):
    assert graded[1][student] == STUDENTS[student][1]


def test_only_broken_kernels_are_left_to_the_lecturer(graded, course):
    done, _ = graded
    named = set(re.findall(r"assignment 'mini' for student '([\w-]+)'", done.stderr))
    assert done.returncode == 1
    assert named == {"a-stubborn", "a-dead"}
    marked = {path.parent.parent.name for path in course.glob("autograded/*/mini/mini.ipynb")}
    assert marked == {*STUDENTS, "reference"} - named


def test_a_graded_assignment_is_not_made_again(graded, course):
    with pytest.raises(EccvkitError, match="mini was already graded"):
        build_course([str(course.parent / "mini.ipynb")], course)


def test_a_chapter_of_the_volume(tmp_path):
    (lab,) = build_course(["rpl"], tmp_path)
    secrets = secrets_of(lab.notebook)
    assert len(secrets) > 30
    release = (tmp_path / "release/rpl/30_rpl.ipynb").read_text().replace('\\"', '"')
    assert [line for line in secrets if line in release] == []
    for student, edition in (("reference", "source"), ("untouched", "release")):
        notebook = read(tmp_path, edition, "30_rpl", "rpl")
        write(notebook, tmp_path / "submitted" / student / "rpl" / "30_rpl.ipynb")
    done = nbgrader(tmp_path, "autograde", "rpl")
    assert done.returncode == 0, done.stderr[-2000:]
    assert grades(tmp_path, "rpl") == {"reference": lab.automatic, "untouched": 0}
    assert lab.automatic == 7


# --- the search -----------------------------------------------------------------------------


def plant(place: str, line: str) -> NotebookNode:
    notebook = new_notebook(cells=[new_markdown_cell("text"), new_code_cell("x = 1")])
    text, code = notebook.cells
    if place == "source":
        code.source += f"\n    {line}"
    elif place == "stream":
        code.outputs = [new_output("stream", text=f"a\n{line}\n")]
    elif place == "html":
        code.outputs = [new_output("display_data", {"text/html": f"<pre>{line}</pre>"})]
    elif place == "cell metadata":
        code.metadata["note"] = {"deep": [line]}
    elif place == "metadata key":
        notebook.metadata[line] = True
    elif place == "attachment":
        encoded = base64.b64encode(f"first\n{line}\n".encode()).decode()
        text.attachments = {"a.txt": {"text/plain": encoded}}
    return notebook


@pytest.mark.parametrize(
    "place", ["source", "stream", "html", "cell metadata", "metadata key", "attachment"]
)
def test_the_search_finds_a_planted_line(place):
    line = "return base * sum(both)"
    secrets = secret_lines(chapter())
    assert line in secrets
    assert find_leaks(plant("nowhere", line), secrets) == []
    (found,) = find_leaks(plant(place, line), secrets)
    assert line in found


def test_the_search_finds_markers_and_short_lines():
    notebook = new_notebook(cells=[new_code_cell("result = 0\n### END HIDDEN TESTS\n)\nelse:")])
    found = find_leaks(notebook, {"result = 0"})
    assert found == ["cell 1: 'END HIDDEN TESTS'", "cell 1: 'result = 0'"]


def test_lines_that_say_nothing_are_no_secrets():
    notebook = chapter()
    cell(
        notebook, "double"
    ).source += "### BEGIN SOLUTION\n)\nelse:\n\nreturn None\n### END SOLUTION"
    assert secret_lines(notebook) == secret_lines(chapter())


def test_a_solution_in_the_open_is_refused(tmp_path):
    notebook = chapter()
    notebook.cells.insert(
        3, new_code_cell("values = [1]\nfor number in values:\n    print(number)")
    )
    with pytest.raises(EccvkitError, match="cell 4: 'for number in values:'") as error:
        build_course([str(write(notebook, tmp_path / "mini.ipynb"))], tmp_path / "course")
    assert "\n" not in str(error.value)
    assert [*(tmp_path / "course").glob("*/mini")] == []


# --- bad input ------------------------------------------------------------------------------


def mark(part: str, **changes) -> Callable[[NotebookNode], object]:
    return lambda notebook: cell(notebook, part).metadata.nbgrader.update(changes)


def replace(grade_id: str, old: str, new: str) -> Callable[[NotebookNode], object]:
    def edit(notebook):
        target = cell(notebook, grade_id)
        assert old in target.source
        target.source = target.source.replace(old, new)

    return edit


def borrow(notebook: NotebookNode) -> None:
    cell(notebook, "double-tests").source += "borrowed = 1\n"
    cell(notebook, "total-tests").source += "assert borrowed\n"


DEFECTS = {
    "no markers": (
        replace("double", "SOLUTION", "ANSWER"),
        "cell 7 .double. is an exercise without a model answer",
    ),
    "empty solution": (
        replace("why", f"Mostly because {SECRET}.\n", ""),
        "cell 14 .why. is an exercise without a model answer",
    ),
    "duplicate grade id": (
        mark("total", grade_id="double"),
        "cell 11 has the grade id 'double' of cell 7",
    ),
    "no end": (
        replace("total", "    ### END SOLUTION\n", ""),
        "cell 11: '### BEGIN SOLUTION' and '### END SOLUTION' must stand in pairs",
    ),
    "end first": (replace("total", "BEGIN", "END"), "cell 11: .* must stand in pairs"),
    "hidden tests without end": (
        replace("total-tests", "### END", "# end"),
        "cell 12: '### BEGIN HIDDEN TESTS' .* must stand in pairs",
    ),
    "hidden tests in a solution": (
        replace("total", "SOLUTION", "HIDDEN TESTS"),
        "cell 11 .total. is an exercise without|cell 11 holds '### BEGIN HIDDEN TESTS'",
    ),
    "solution in a plain cell": (
        lambda nb: cell(nb, "double").metadata.pop("nbgrader"),
        "cell 7 holds '### BEGIN SOLUTION' but is no cell for it",
    ),
    "a test that needs another": (
        borrow,
        "the test total-tests uses 'borrowed', which only the test double-tests defines",
    ),
    "no points": (mark("total-tests", points=0), "cell 12 .total-tests. is worth 0 points"),
    "no test": (
        lambda nb: nb.cells.remove(cell(nb, "total-tests")),
        "'Exercise 2: sum' .total. has no points",
    ),
    "odd grade id": (mark("total", grade_id="a b"), "cell 11 has the grade id 'a b'"),
    "old schema": (mark("total", schema_version=2), "cell 11 has nbgrader metadata of version 2"),
    "task": (mark("why", task=True), "cell 14 is a task"),
    "tests in markdown": (mark("why", solution=False), "cell 14 is Markdown"),
    "no exercises": (lambda nb: nb.update(cells=nb.cells[:5]), "has no exercises"),
    "no parameters": (lambda nb: nb.cells.pop(2), "no code cell tagged 'parameters'"),
}


@pytest.mark.parametrize(("spoil", "cause"), DEFECTS.values(), ids=DEFECTS)
def test_a_defect_is_one_line_and_nothing_is_written(tmp_path, spoil, cause):
    path = write(edited(chapter(), spoil), tmp_path / "mini.ipynb")
    with pytest.raises(DataError, match=cause) as error:
        build_course([str(path)], tmp_path / "course")
    assert "mini.ipynb" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "course").exists()


def test_the_parts_of_an_exercise():
    first, second, third = read_exercises(chapter(), "mini")
    assert [p.role for p in first.parts] == ["solution", "tests"]
    assert (first.automatic, second.automatic, third.by_hand) == (4, 3, 2)
    assert first.text == "Double a number $x$."
    assert first.parts[0].model.startswith("def double(x):")


def test_goals_are_those_of_the_paper_card():
    lab = read_lab(locate("rpl"))
    assert lab.goals[0] == "write the loss of reciprocal points and check it by hand"
    assert lab.paper.slug == "rpl"


@pytest.mark.parametrize("name", ["notes.txt", "nbgrader_config.py"])
def test_a_folder_of_other_files_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("c = get_config()\n")
    with pytest.raises(EccvkitError, match="files that are no course of ours"):
        build_course(["rpl"], tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_two_notebooks_of_one_name(tmp_path):
    paths = [write(chapter(), tmp_path / folder / "mini.ipynb") for folder in "ab"]
    with pytest.raises(EccvkitError, match="two notebooks are called 'mini'"):
        build_course([str(p) for p in paths], tmp_path / "course")


def test_a_name_that_nbgrader_would_refuse(tmp_path):
    path = write(chapter(), tmp_path / "my lab.ipynb")
    with pytest.raises(EccvkitError, match="'my lab' is no name for an assignment"):
        build_course([str(path)], tmp_path / "course")


def test_without_nbgrader(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EccvkitError, match="pip install"):
        build_course(["rpl"], tmp_path / "course")


def test_an_unknown_chapter(tmp_path):
    result = invoke("build", "rlp", "--out", tmp_path / "course")
    assert "did you mean 'rpl'" in str(result.exception)
