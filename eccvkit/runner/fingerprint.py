"""What a run depends on, as short hashes: the notebook's code, the package's code, parameters.

Two runs with the same :func:`run_key` compute the same thing, so one of them is enough. The key
changes when a code cell changes (text and stored outputs do not count), when a module of this
package changes that the notebook imports, directly or through others, and with every parameter. It
does not see the data behind ``ECCVKIT_DATA``, nor the versions of other libraries, which stand in
the record.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from eccvkit.errors import DataError

PACKAGE = "eccvkit"
_ROOT = Path(__file__).resolve().parent.parent
_MAGIC = re.compile(r"^\s*[%!].*$", re.M)


def digest(*parts: str) -> str:
    """Hash some texts; ``digest("ab", "c")`` and ``digest("a", "bc")`` differ."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def notebook_digest(notebook: Mapping[str, Any]) -> str:
    """Hash the code cells of a notebook, and which of them holds the parameters."""
    cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    return digest(
        *(part for c in cells for part in (_source(c), str("parameters" in _tags(c)))),
    )


def _source(cell: Mapping[str, Any]) -> str:
    return "".join(cell["source"])  # a list of lines in a file, one text in memory


def _tags(cell: Mapping[str, Any]) -> list[str]:
    return cell.get("metadata", {}).get("tags", [])


def imports_of(notebook: Mapping[str, Any]) -> tuple[str, ...]:
    """Modules of this package that the code cells name in an import statement."""
    found: set[str] = set()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            try:
                tree = ast.parse(_MAGIC.sub("pass", _source(cell)))
            except SyntaxError:
                continue  # an exercise to be completed, or a cell that will fail anyway
            found |= set(_imported(tree))
    return tuple(sorted(found))


def code_digest(modules: Iterable[str]) -> str:
    """Hash the source of these modules of the package and of all that they import.

    Parameters
    ----------
    modules : iterable of str
        Dotted names, as :func:`imports_of` returns them.

    Raises
    ------
    DataError
        A module of the package cannot be read.
    """
    files: dict[str, str] = {}
    todo = [PACKAGE, *modules]
    while todo:
        path = _file(todo.pop())
        name = path.relative_to(_ROOT).as_posix() if path else ""
        if path and name not in files:
            files[name], imported = _read(path)
            todo += imported
    return digest(*(part for name in sorted(files) for part in (name, files[name])))


def run_key(notebook: str, code: str, parameters: Mapping[str, Any]) -> str:
    """Address of a run.

    Parameters
    ----------
    notebook, code : str
        From :func:`notebook_digest` and :func:`code_digest`.
    parameters : mapping
        All of them, defaults included (the preset is one).
    """
    return digest(notebook, code, json.dumps(parameters, sort_keys=True, default=repr))


def _file(module: str) -> Path | None:
    """Source of a module of the package; None for a name that is a function or class."""
    inside = _ROOT.joinpath(*module.split(".")[1:])
    for path in (inside / "__init__.py", inside.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """Hash of a module and what it imports from the package; parsed once until it changes."""
    try:
        state = path.stat()
        return _parse(path, state.st_mtime_ns, state.st_size)
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path} ({error}): install {PACKAGE} again") from error


@lru_cache(maxsize=1024)
def _parse(path: Path, changed: int, size: int) -> tuple[str, tuple[str, ...]]:
    source = path.read_text(encoding="utf-8")
    return digest(source), tuple(_imported(ast.parse(source)))


def _imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of the package in import statements, the packages around them included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # "from a.b import c" may mean the module a.b.c.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == PACKAGE:
                yield from (".".join(parts[:n]) for n in range(1, len(parts) + 1))
