"""A notebook as a file: where it lies, whether it is sound, and which parameters it takes."""

from __future__ import annotations

import ast
import copy
import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eccvkit.errors import DataError, EccvkitError, UnknownName
from eccvkit.runner.fingerprint import imports_of, notebook_digest
from eccvkit.volume import find, notebooks_dir, papers

if TYPE_CHECKING:
    from nbformat import NotebookNode

#: Stands for a default that is computed (``steps = 2 * 50``): only the kernel knows its value.
COMPUTED = object()


@dataclass(frozen=True)
class Parameter:
    """One assignment of the cell tagged ``parameters``.

    Attributes
    ----------
    name : str
    default : object
        Value of the literal, or :data:`COMPUTED`.
    source : str
        The default as written.
    help : str
        The comment at the end of its line.
    """

    name: str
    default: Any
    source: str
    help: str = ""


@dataclass(frozen=True)
class Notebook:
    """A sound notebook with a parameters cell.

    Attributes
    ----------
    path : Path
        Absolute.
    slug, stem, title : str
        From the bibliography for a chapter of the volume, else from the file.
    parameters : dict of str to Parameter
        In the order of the cell.
    text : str
        The file as it was read, without outputs.
    digest : str
        Hash of its code, see :mod:`eccvkit.runner.fingerprint`.
    imports : tuple of str
        Modules of this package that it imports.
    """

    path: Path
    slug: str
    stem: str
    title: str
    parameters: dict[str, Parameter]
    text: str = ""
    digest: str = ""
    imports: tuple[str, ...] = ()


def locate(name: str) -> Path:
    """Return the absolute path of a notebook given by file path, slug, number or stem.

    Raises
    ------
    UnknownName
        No such paper.
    EccvkitError
        The file is missing, or the paper has no notebook yet.
    """
    path = Path(name)
    if path.is_file():
        return path.resolve()
    if path.suffix == ".ipynb" and path.name != name:
        raise EccvkitError(f"no notebook {name}: check the path, or name a paper by its slug")
    paper = find(name)
    stored = notebooks_dir() / f"{paper.stem}.ipynb"
    if not stored.is_file():
        if paper.status == "ready":
            raise EccvkitError(f"notebook {stored} is missing: restore it from version control")
        ready = ", ".join(p.slug for p in papers() if p.status == "ready")
        raise EccvkitError(
            f"paper {paper.slug!r} has no notebook {stored.name} yet; ready: {ready or 'none'}"
        )
    return stored.resolve()


def locate_all(names: list[str]) -> list[Path]:
    """Locate several notebooks; ``all`` stands for every paper whose notebook is ready."""
    wanted: list[str] = []
    for name in names:
        every = name == "all" and not Path(name).is_file()
        wanted += [p.slug for p in papers() if p.status == "ready"] if every else [name]
    # The same paper named twice runs once.
    return list(dict.fromkeys(locate(name) for name in wanted))


def read(path: Path) -> NotebookNode:
    """Read and validate a notebook file.

    Raises
    ------
    DataError
        Not JSON, not a notebook, or a notebook that breaks the format.
    """
    import nbformat

    try:
        node = nbformat.read(path, as_version=4)
        nbformat.validate(node)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:
        # nbformat raises many classes (also AttributeError for JSON that is no notebook).
        cause = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"{path} is not a valid notebook ({cause[0][:120]}): restore it from version control "
            "or save it again in JupyterLab"
        ) from error
    return node


def inspect(path: Path) -> Notebook:
    """Read a notebook's name and parameters.

    Raises
    ------
    DataError
        Corrupt file, not a Python notebook, or no readable cell tagged ``parameters``.
    """
    node = read(path)
    language = node.metadata.get("kernelspec", {}).get("language", "python")
    if language != "python":
        raise DataError(f"{path} is a {language} notebook: only Python notebooks can run")
    stem = path.stem
    try:
        paper = find(stem)
        slug, title = paper.slug, paper.title
    except UnknownName:
        slug, title = stem, _heading(node) or stem
    return Notebook(
        path=path,
        slug=slug,
        stem=stem,
        title=title,
        parameters=parameters(node, path),
        text=_without_outputs(node),
        digest=notebook_digest(node),
        imports=imports_of(node),
    )


def _without_outputs(node: NotebookNode) -> str:
    import nbformat

    bare = copy.copy(node)
    bare.cells = [copy.copy(cell) for cell in node.cells]
    for cell in bare.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(bare)


def _heading(node: NotebookNode) -> str:
    for cell in node.cells:
        found = re.search(r"^# +(.+)$", cell.source, re.M) if cell.cell_type == "markdown" else None
        if found:
            return found[1].strip()
    return ""


def parameters(node: NotebookNode, path: Path) -> dict[str, Parameter]:
    """Read the assignments of the cell tagged ``parameters``.

    Papermill's own inspection reads lines by a pattern and loses what holds a second ``=`` or a
    ``#`` inside quotes; Python's parser does not.

    Raises
    ------
    DataError
        No such cell, or it does not parse.
    """
    tagged = [c for c in node.cells if "parameters" in c.metadata.get("tags", [])]
    if not tagged or tagged[0].cell_type != "code":
        raise DataError(
            f"{path} has no code cell tagged 'parameters': tag the cell that sets preset, seed and "
            "device (JupyterLab: property inspector, cell tags)"
        )
    source = tagged[0].source
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise DataError(
            f"{path}: the cell tagged 'parameters' is not plain Python (line {error.lineno}): "
            "keep only assignments in it"
        ) from error
    comments = _comments(source)
    found = {}
    for statement in statements:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target = statement.target
        else:
            continue
        if isinstance(target, ast.Name):
            found[target.id] = Parameter(
                name=target.id,
                default=_literal(statement.value),
                source=ast.get_source_segment(source, statement.value) or "",
                help=comments.get(statement.end_lineno, ""),
            )
    return found


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return COMPUTED


def _comments(source: str) -> dict[int, str]:
    """Comment text by line number."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
