"""What nbgrader runs of a submission: everything but the training.

``nbgrader_config.py`` of a course names the class below. Only nbgrader imports this module: the
rest of the runner works where nbgrader is not installed.
"""

from __future__ import annotations

from nbformat import NotebookNode
from nbgrader.preprocessors import Execute
from traitlets import Unicode


class ExecuteExercises(Execute):
    """Execute a submission without the cells that train, or need what was trained.

    A chapter tags these cells ``nbval-skip``; its exercises do not need them. A cell that is part
    of an exercise is executed whatever its tags: nbgrader takes a test that did not run for one
    that passed.
    """

    skip_cells_with_tag = Unicode(
        "nbval-skip", help="Tag of the cells that are not executed when a submission is graded."
    ).tag(config=True)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict, index: int
    ) -> tuple[NotebookNode, dict]:
        """Execute one cell, or leave it out."""
        if "nbgrader" in cell.metadata:
            cell.metadata.pop("tags", None)
        return super().preprocess_cell(cell, resources, index)
