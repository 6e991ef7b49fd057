"""Whether each test of an assignment can pass alone, whatever becomes of the others.

A test that stops at its first assertion defines nothing below it. So no test may use a name that
only another test defines.
"""

from __future__ import annotations

import ast
import builtins
from typing import NamedTuple

from nbformat import NotebookNode


class Borrowed(NamedTuple):
    """A name that one test uses and only another one defines; tests by their grade ids."""

    test: str
    name: str
    lender: str


def borrowed_names(notebook: NotebookNode) -> list[Borrowed]:
    """Names that tests marked by nbgrader take from each other.

    Examples
    --------
    >>> from nbformat.v4 import new_code_cell, new_notebook
    >>> graded = [{"nbgrader": {"grade": True, "solution": False, "grade_id": i}} for i in "ab"]
    >>> cells = [new_code_cell(s, metadata=m) for s, m in zip(["n = 3", "assert n"], graded)]
    >>> borrowed_names(new_notebook(cells=cells))
    [Borrowed(test='b', name='n', lender='a')]
    """
    known, tests = set(dir(builtins)), {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        names = _names(cell.source)
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade") and not marks.get("solution"):
            tests[marks["grade_id"]] = names
        else:
            known |= names[0]
    return [
        Borrowed(test, name, lender)
        for test, (own, used) in tests.items()
        for name in sorted(used - own - known)
        for lender, (lent, _) in tests.items()
        if name in lent
    ]


def _names(source: str) -> tuple[set[str], set[str]]:
    """Names that a cell binds, anywhere in it, and those that it reads."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set(), set()
    bound, used = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    return bound, used
