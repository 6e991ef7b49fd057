"""The exercises of a notebook as nbgrader sees them: questions, parts, points, model answers.

A cell is a part of an exercise when its nbgrader metadata says so. A *solution* is code that the
student writes, *tests* are code that marks it, an *answer* is marked by a person. What stands
between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` is the model answer; what stands between
``### BEGIN HIDDEN TESTS`` and ``### END HIDDEN TESTS`` is run only when the lecturer grades.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from eccvkit.errors import DataError
from eccvkit.runner.independence import borrowed_names
from eccvkit.runner.notebook import inspect, read
from eccvkit.volume import Paper, papers

#: Regions that nbgrader takes out of the students' edition, by the words of their markers.
SECRETS = ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")

_ROLES = {(False, True): "solution", (True, False): "tests", (True, True): "answer"}
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*#*$", re.M)
_MARKER_LINES = re.compile(r"^.*\b(?:BEGIN|END) (?:SOLUTION|MARK SCHEME)\b.*\n?", re.M)
#: Names of cells and assignments.
GRADE_ID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Part:
    """One cell of an exercise.

    Attributes
    ----------
    grade_id : str
        Its name in nbgrader's gradebook.
    role : {"solution", "tests", "answer"}
    points : float
        0 for a solution: its tests hold the points.
    language : str
        "python" or "" (Markdown), for the model answer.
    model : str
        The model answer, in the cell that asks for it; "" for tests.
    shown, hidden : int
        Assertions that the student sees, and those that only the lecturer has.
    """

    grade_id: str
    role: str
    points: float
    language: str
    model: str
    shown: int = 0
    hidden: int = 0


@dataclass(frozen=True)
class Exercise:
    """A question and its parts.

    Attributes
    ----------
    title : str
        The last heading before the parts.
    text : str
        The Markdown below that heading.
    parts : tuple of Part
    """

    title: str
    text: str
    parts: tuple[Part, ...]

    @property
    def automatic(self) -> float:
        """Points that nbgrader gives."""
        return sum(part.points for part in self.parts if part.role == "tests")

    @property
    def by_hand(self) -> float:
        """Points that a person gives."""
        return sum(part.points for part in self.parts if part.role == "answer")


@dataclass(frozen=True)
class Lab:
    """A chapter seen as an assignment.

    Attributes
    ----------
    slug : str
        Name of the assignment.
    stem, title : str
    paper : Paper or None
        None for a notebook that is no chapter of the volume.
    goals : tuple of str
        Learning goals, as the paper card lists them.
    exercises : tuple of Exercise
    notebook : NotebookNode
    """

    slug: str
    stem: str
    title: str
    paper: Paper | None
    goals: tuple[str, ...]
    exercises: tuple[Exercise, ...]
    notebook: NotebookNode

    @property
    def automatic(self) -> float:
        """Points that nbgrader gives."""
        return sum(exercise.automatic for exercise in self.exercises)

    @property
    def by_hand(self) -> float:
        """Points that a person gives."""
        return sum(exercise.by_hand for exercise in self.exercises)


def read_lab(path: Path) -> Lab:
    """Read a notebook as an assignment.

    Raises
    ------
    DataError
        It cannot be one; the message names file, cell and remedy.
    """
    facts = inspect(path)
    notebook = read(path)
    paper = next((p for p in papers() if p.slug == facts.slug), None)
    exercises = read_exercises(notebook, path.name)
    for test, borrowed, lender in borrowed_names(notebook):
        raise DataError(
            f"{path.name}: the test {test} uses {borrowed!r}, which only the test {lender} "
            "defines: define it in both, since a test that fails defines nothing"
        )
    goals = learning_goals(notebook)
    return Lab(facts.slug, facts.stem, facts.title, paper, goals, exercises, notebook)


def read_exercises(notebook: NotebookNode, name: str) -> tuple[Exercise, ...]:
    """Collect the exercises of a notebook, in its order.

    Parameters
    ----------
    notebook : NotebookNode
    name : str
        What to call it in messages.

    Raises
    ------
    DataError
        No exercise, a duplicate grade id, a solution without markers, markers that do not pair or
        stand in the wrong cell, an exercise without points, ...
    """
    found: list[tuple[str, str, list[Part]]] = []
    title, text = "", ""
    seen: dict[str, int] = {}
    for number, cell in enumerate(notebook.cells, start=1):
        where = f"{name}: cell {number}"
        role = _role(cell, where)
        _check_markers(cell, role, where)
        if not role:
            headings = list(_HEADING.finditer(cell.source)) if cell.cell_type == "markdown" else []
            if headings:
                title, text = headings[-1][1], cell.source[headings[-1].end() :].strip()
            continue
        part = _part(cell, role, where)
        if part.grade_id in seen:
            raise DataError(
                f"{where} has the grade id {part.grade_id!r} of cell {seen[part.grade_id]}: "
                "give each its own"
            )
        seen[part.grade_id] = number
        if not found or found[-1][:2] != (title, text):
            found.append((title, text, []))
        found[-1][2].append(part)
    if not found:
        raise DataError(
            f"{name} has no exercises: mark the cells of its section 12 with nbgrader "
            "(JupyterLab: Create Assignment)"
        )
    exercises = tuple(Exercise(title, text, tuple(parts)) for title, text, parts in found)
    for exercise in exercises:
        if not exercise.automatic + exercise.by_hand:
            raise DataError(
                f"{name}: {exercise.title!r} ({exercise.parts[0].grade_id}) has no points: add a "
                "test cell or an answer that is marked by hand"
            )
    return exercises


def regions(cell: NotebookNode, kind: str, where: str) -> list[str]:
    """Text of the regions ``BEGIN kind`` to ``END kind`` of a cell, told apart as nbgrader does.

    Raises
    ------
    DataError
        A marker without its partner.
    """
    found: list[str] = []
    inside: list[str] | None = None
    unpaired = DataError(f"{where}: '### BEGIN {kind}' and '### END {kind}' must stand in pairs")
    for line in cell.source.split("\n"):
        if f"BEGIN {kind}" in line:
            if inside is not None:
                raise unpaired
            inside = []
        elif f"END {kind}" in line:
            if inside is None:
                raise unpaired
            found.append("\n".join(inside))
            inside = None
        elif inside is not None:
            inside.append(line)
    if inside is not None:
        raise unpaired
    return found


def learning_goals(notebook: NotebookNode) -> tuple[str, ...]:
    """Read the list ``learn`` of the call of ``paper_card``; empty where there is none."""
    for call in _calls(notebook, "paper_card"):
        for keyword in call.keywords:
            if keyword.arg == "learn" and isinstance(keyword.value, ast.List):
                items = keyword.value.elts
                return tuple(item.value for item in items if isinstance(item, ast.Constant))
    return ()


def _calls(notebook: NotebookNode, function: str) -> Iterator[ast.Call]:
    for cell in notebook.cells:
        if cell.cell_type == "code" and f"{function}(" in cell.source:
            try:
                tree = ast.parse(cell.source)
            except SyntaxError:  # a magic of IPython
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(function):
                    yield node


def _role(cell: NotebookNode, where: str) -> str:
    """Role of a cell: solution, tests, answer, or "" for one that is no part of an exercise."""
    meta = cell.metadata.get("nbgrader")
    if not meta:
        return ""
    if meta.get("schema_version") != 3:
        raise DataError(
            f"{where} has nbgrader metadata of version {meta.get('schema_version')!r}, not 3: "
            "run nbgrader update on the notebook"
        )
    if meta.get("task"):
        raise DataError(
            f"{where} is a task of nbgrader: ask in a plain cell, and mark the cell for the answer"
        )
    role = _ROLES.get((bool(meta.get("grade")), bool(meta.get("solution"))), "")
    if cell.cell_type != "code" and role in ("solution", "tests"):
        raise DataError(f"{where} is Markdown: nbgrader can only mark it by hand, as an answer")
    return role


def _check_markers(cell: NotebookNode, role: str, where: str) -> None:
    """Refuse secrets where nbgrader would not look for them, and solutions without markers."""
    allowed = {
        "SOLUTION": ("solution", "answer"),
        "HIDDEN TESTS": ("tests", "answer"),
        "MARK SCHEME": ("answer",),
    }
    for kind in SECRETS:
        texts = regions(cell, kind, where)
        if texts and role not in allowed[kind]:
            raise DataError(
                f"{where} holds '### BEGIN {kind}' but is no cell for it: mark the cell with "
                "nbgrader (JupyterLab: Create Assignment), or remove the marker"
            )
        if kind == "SOLUTION" and role in allowed[kind] and not any(t.strip() for t in texts):
            raise DataError(
                f"{where} ({cell.metadata.nbgrader.get('grade_id')}) is an exercise without a "
                "model answer: put it between '### BEGIN SOLUTION' and '### END SOLUTION'"
            )


def _part(cell: NotebookNode, role: str, where: str) -> Part:
    meta = cell.metadata.nbgrader
    grade_id = meta.get("grade_id")
    if not isinstance(grade_id, str) or not GRADE_ID.fullmatch(grade_id):
        raise DataError(f"{where} has the grade id {grade_id!r}: use letters, digits, '-' and '_'")
    points = meta.get("points", 0) if role != "solution" else 0
    if role != "solution" and not (isinstance(points, (int, float)) and points > 0):
        raise DataError(f"{where} ({grade_id}) is worth {points!r} points: give it more than 0")
    hidden = sum(text.count("assert ") for text in regions(cell, "HIDDEN TESTS", where))
    return Part(
        grade_id=grade_id,
        role=role,
        points=points,
        language="python" if cell.cell_type == "code" else "",
        model=_MARKER_LINES.sub("", cell.source).strip() if role != "tests" else "",
        shown=cell.source.count("assert ") - hidden if role == "tests" else 0,
        hidden=hidden,
    )
