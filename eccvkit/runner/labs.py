"""Chapters as assignments: a course folder for nbgrader, made from the notebooks.

::

    course/
      README.md            for the lecturer: marks, timing, goals, model answers
      nbgrader_config.py   how submissions are executed
      gradebook.db         nbgrader's own; holds the hidden tests
      source/SLUG/         the notebook with solutions and hidden tests
      release/SLUG/        what students get

Everything is checked before anything is written, nbgrader itself makes the release, and the release
is searched for every line that students must not see before it is left there.
"""

from __future__ import annotations

import copy
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from eccvkit import __version__
from eccvkit.errors import EccvkitError
from eccvkit.runner.clean import KERNELSPEC
from eccvkit.runner.exercises import GRADE_ID, Lab, read_lab
from eccvkit.runner.leaks import find_leaks, secret_lines
from eccvkit.runner.notebook import locate_all
from eccvkit.runner.record import check_writable, write_text
from eccvkit.runner.templating import render

CONFIG = "nbgrader_config.py"
README = "README.md"

#: Seconds after which nbgrader interrupts a cell of a submission.
TIMEOUT = 120

#: What the stored notebooks say about their solutions, and what students should read instead.
_STORED_NOTE = (
    "Solutions are included here; the student edition, made with nbgrader, asks for them."
)
_STUDENT_NOTE = (
    "Put your code where a cell raises `NotImplementedError`, and your answer where a cell asks "
    "for it. The test cell below an exercise checks your code; more tests follow in grading."
)


def build_course(names: Sequence[str], out: Path) -> list[Lab]:
    """Make, or extend, a course folder.

    Parameters
    ----------
    names : sequence of str
        Slugs, numbers or notebook files; "all", or none, for every chapter that is ready.
    out : Path
        A new or empty folder, or one that this function made. Assignments of the same name are
        made again; submissions, grades and a changed ``nbgrader_config.py`` stay.

    Returns
    -------
    list of Lab
        What was built, in the order of ``names``.

    Raises
    ------
    EccvkitError
        nbgrader is missing, the folder is somebody else's, or an assignment was already graded.
    DataError
        A notebook that cannot be an assignment; nothing is written then.
    """
    if importlib.util.find_spec("nbgrader") is None:
        raise EccvkitError("labs are made with nbgrader, which is missing: pip install nbgrader")
    labs = [read_lab(path) for path in locate_all(list(names) or ["all"])]
    _refuse_clashes(labs, out)
    check_writable(out)
    if not (out / CONFIG).exists():
        write_text(out / CONFIG, render(f"{CONFIG}.j2", timeout=TIMEOUT))
    for lab in labs:
        source, release = (out / edition / lab.slug for edition in ("source", "release"))
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir(parents=True)
        write_text(source / f"{lab.stem}.ipynb", nbformat.writes(source_edition(lab)) + "\n")
        try:
            _release(lab, out)
        except EccvkitError:
            for folder in (source, release):
                shutil.rmtree(folder, ignore_errors=True)
            raise
    write_text(out / README, lecturers_guide(out))
    return labs


def _refuse_clashes(labs: list[Lab], out: Path) -> None:
    twice = [slug for slug, count in Counter(lab.slug for lab in labs).items() if count > 1]
    if twice:
        raise EccvkitError(f"two notebooks are called {twice[0]!r}: rename one of the files")
    for lab in labs:
        if not GRADE_ID.fullmatch(lab.slug):
            raise EccvkitError(
                f"{lab.slug!r} is no name for an assignment: rename the file, with letters, "
                "digits, '-' and '_' only"
            )
    if out.is_dir() and any(out.iterdir()) and not _is_course(out):
        raise EccvkitError(f"{out} holds files that are no course of ours: choose another --out")
    for lab in labs:
        graded = sorted(out.glob(f"autograded/*/{lab.slug}"))
        if graded:
            raise EccvkitError(
                f"{lab.slug} was already graded in {out} ({graded[0].parent.name}, ...), and new "
                "tests would not fit these grades: choose another --out"
            )


def _is_course(folder: Path) -> bool:
    config = folder / CONFIG
    return config.is_file() and "eccvkit" in config.read_text(encoding="utf-8", errors="replace")


def source_edition(lab: Lab) -> NotebookNode:
    """Return the notebook as the course's ``source`` folder holds it.

    Solutions and tests stay. Outputs, attachments of exercises and all metadata but tags and
    nbgrader's go, for they may show what a solution does; so do the names of the cells, which are
    made from their first words. When a submission is graded, its parameters are put back to the
    chapter's: students may turn them at will.
    """
    notebook = copy.deepcopy(lab.notebook)
    notebook.metadata = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
        kept = ("tags", "nbgrader") if _is_marked(cell) else ("tags",)
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in kept}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "nbgrader" in cell.metadata:
            cell.pop("attachments", None)
        if "parameters" in cell.metadata.get("tags", []):
            cell.metadata["nbgrader"] = {
                "schema_version": 3,
                "grade_id": f"{lab.slug}-parameters",
                "grade": False,
                "solution": False,
                "locked": True,
                "task": False,
            }
        cell.source = cell.source.replace(_STORED_NOTE, _STUDENT_NOTE)
    return nbformat.from_dict(notebook)


def _is_marked(cell: NotebookNode) -> bool:
    """Whether nbgrader's metadata says anything: it stumbles over cells where it says nothing."""
    meta = cell.metadata.get("nbgrader", {})
    return any(meta.get(key) for key in ("grade", "solution", "locked"))


def _release(lab: Lab, out: Path) -> None:
    """Let nbgrader make the students' edition, and search it."""
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", lab.slug, "--force"]
    # nbgrader looks for a helper (alembic) on the search path, where this Python may not be.
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    done = subprocess.run(
        command, cwd=out, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        raise EccvkitError(f"nbgrader makes no release of {lab.slug}: {_cause(done.stderr)}")
    release = nbformat.read(out / "release" / lab.slug / f"{lab.stem}.ipynb", as_version=4)
    leaks = find_leaks(release, secret_lines(lab.notebook))
    if leaks:
        more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
        raise EccvkitError(
            f"the release of {lab.slug} would show a line of a solution or hidden test in "
            f"{leaks[0]}{more}: change it there, or in the exercise"
        )


def _cause(log: str) -> str:
    """The line of nbgrader's log that says why it failed: the exception below its traceback."""
    lines = [line.strip() for line in log.splitlines()]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Missing\w*)\b", line)]
    return (raised or lines or ["it says nothing"])[-1][:200]


def lecturers_guide(out: Path) -> str:
    """Text of the course's README: every assignment with its marks, goals and model answers."""
    labs = [read_lab(path) for path in sorted(out.glob("source/*/*.ipynb"))]
    labs.sort(key=lambda lab: lab.stem)
    return render("course.md.j2", labs=labs, version=__version__, timeout=TIMEOUT)
