"""What may go into a stored notebook: outputs as a reader wants them, and no trace of the run.

:func:`clean` takes away what only the execution needed; :func:`refuse_unfit` says no to a notebook
whose outputs should not be published; :func:`store` executes, cleans, checks and replaces.
"""

from __future__ import annotations

import copy
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from eccvkit.errors import EccvkitError
from eccvkit.outputs import WIDGET_VIEW
from eccvkit.runner import process
from eccvkit.runner.engine import OnCell, Session, run_notebook
from eccvkit.runner.record import write_text

#: Largest stored notebook, in bytes.
MAX_BYTES = 1_500_000

#: Tag of cells that tell about the machine they run on: their outputs are for its owner only.
THIS_MACHINE = "this-machine"

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}

#: Paths of somebody's machine, whoever's it is.
_HOMES = re.compile(r"/(?:home|Users|root)/[\w.-]+|[A-Za-z]:\\Users\\[\w.-]+")
_DATA_URI = re.compile(r"data:[\w/+.-]+;base64,[\w/+=]*")


def clean(notebook: NotebookNode) -> NotebookNode:
    """Return a copy without papermill's and the kernel's traces; sources and cell ids stay.

    Removed are injected parameters, papermill and timing metadata, widget state and widget views
    (their text stays), and the outputs of cells tagged :data:`THIS_MACHINE`. The kernel is named
    plainly, whatever it is called on this machine.
    """
    stored = copy.deepcopy(notebook)
    stored.cells = [c for c in stored.cells if "injected-parameters" not in _tags(c)]
    for cell in stored.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if not _tags(cell):
            cell.metadata.pop("tags", None)
        if THIS_MACHINE in _tags(cell):
            cell.outputs = []
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    for key in ("papermill", "widgets"):
        stored.metadata.pop(key, None)
    stored.metadata.kernelspec = KERNELSPEC
    # The patch release of whoever stored it last would only make noise in version control.
    stored.metadata.get("language_info", {}).pop("version", None)
    return stored


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def refuse_unfit(notebook: NotebookNode, name: str, private: tuple[Path, ...] = ()) -> None:
    """Refuse outputs that must not be stored.

    Parameters
    ----------
    notebook : NotebookNode
        Cleaned.
    name : str
        What to call it in the message.
    private : tuple of Path
        Folders whose names must not appear, besides home, temporary and interpreter folders.

    Raises
    ------
    EccvkitError
        An error output, a path of this machine, a warning, or more than 1.5 MB; the message names
        the cell (counted from 1, as it stands in the file).
    """
    paths = [str(p) for p in (*private, Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix))]
    names = "|".join(re.escape(p) for p in paths if len(p) > 1)  # not "/"
    local = re.compile(rf"(?<![\w.-])(?:{names})(?![\w.-])")
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            where = f"{name} is not stored: cell {number}"
            if output.output_type == "error":
                raise EccvkitError(f"{where} ends in {output.ename}: make it run first")
            for text in _texts(output):
                found = local.search(text) or _HOMES.search(text)
                if found:
                    raise EccvkitError(f"{where} shows the path {found[0]}: print no paths")
                warning = next((w for w in text.splitlines() if "Warning:" in w), None)
                if warning:
                    raise EccvkitError(
                        f"{where} shows {warning.strip()[:80]!r}: mend its cause or catch it there"
                    )
    size = len(nbformat.writes(notebook).encode())
    if size > MAX_BYTES:
        big, number = max(
            (len(str(c.get("outputs", ""))), n) for n, c in enumerate(notebook.cells, 1)
        )
        raise EccvkitError(
            f"{name} is not stored: {size / 1e6:.1f} MB, at most {MAX_BYTES / 1e6:.1f}; the "
            f"largest outputs ({big / 1e6:.1f} MB) are in cell {number}: make its figures smaller"
        )


def _texts(value: Any) -> Iterator[str]:
    """All text in an output, images left out."""
    if isinstance(value, str):
        yield _DATA_URI.sub("", value)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not str(key).startswith("image/") or key == "image/svg+xml":
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def store(
    path: Path,
    *,
    threads: int | None = None,
    timeout: float | None = None,
    on_cell: OnCell | None = None,
) -> float:
    """Execute a notebook at its own defaults and, only if it is fit, put it in the file's place.

    Parameters
    ----------
    path : Path
    threads : int or None
        Thread share of the kernel; None gives it every core.
    timeout : float or None
        Seconds of wall time.
    on_cell : callable or None
        Called with (cells finished, cells in all).

    Returns
    -------
    float
        Wall time in seconds.

    Raises
    ------
    EccvkitError
        It failed or is not fit to be stored; the file is as it was.
    """
    with tempfile.TemporaryDirectory(prefix="eccvkit-store-") as scratch:
        session = Session(
            Path(scratch), threads=threads or process.cores(), timeout=timeout, on_cell=on_cell
        )
        outcome = run_notebook(path, {}, session)
        if outcome.error:
            at = f" in cell {outcome.error.cell + 1}" if outcome.error.cell is not None else ""
            raise EccvkitError(f"{path.name} is not stored: {outcome.error}{at}")
        stored = clean(outcome.notebook)
        refuse_unfit(stored, path.name, private=(Path(scratch), Path.cwd(), path.parent.parent))
    write_text(path, nbformat.writes(stored) + "\n")
    return outcome.seconds
