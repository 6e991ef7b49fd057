"""Two steps of ours in nbgrader's grading: no submission stops it, and it takes seconds.

``nbgrader_config.py`` of a course names the classes below. Only nbgrader imports this module: the
rest of the runner works where nbgrader is not installed.
"""

from __future__ import annotations

from nbformat import NotebookNode
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from traitlets import Unicode


class DropBrokenMarks(NbGraderPreprocessor):
    """Take nbgrader's metadata off cells where it is incomplete.

    A student who copies a cell of an exercise copies its metadata. nbgrader empties those of the
    copy, takes the empty ones for an old version of its format, and stops grading everybody.
    """

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict, index: int
    ) -> tuple[NotebookNode, dict]:
        """Clean one cell."""
        meta = cell.metadata.get("nbgrader", {})
        if meta.get("schema_version") != 3 or not meta.get("grade_id"):
            cell.metadata.pop("nbgrader", None)
        return cell, resources


class ExecuteExercises(Execute):
    """Execute a submission at a small preset and leave out the cells that train.

    A chapter tags them, and those that need what they trained, ``nbval-skip``; its exercises depend
    on neither of them, nor on the preset. A cell that is part of an exercise is executed whatever
    its tags: nbgrader takes a test that did not run for one that passed.
    """

    skip_cells_with_tag = Unicode(
        "nbval-skip", help="Tag of the cells that are not executed when a submission is graded."
    ).tag(config=True)

    preset = Unicode("smoke", help="Preset at which submissions are executed.").tag(config=True)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict, index: int
    ) -> tuple[NotebookNode, dict]:
        """Execute one cell, or leave it out."""
        if "parameters" in cell.metadata.get("tags", []):
            cell.source += f"\npreset = {self.preset!r}  # set for grading"
        if "nbgrader" in cell.metadata:
            cell.metadata.pop("tags", None)
        return super().preprocess_cell(cell, resources, index)
