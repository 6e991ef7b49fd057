"""``SWEEP.toml``: which papers, over which grid, and how to run them.

::

    papers = ["rpl", "limp"]       # slugs, numbers, notebook files (beside this file), or "all"
    preset = ["smoke", "lab"]      # every key of a grid takes one value or a list of values;
    seed = "0..4"                  # a text is read as on the command line: ranges, commas

    out = "runs"                   # these six are the options of the same name
    jobs = 2
    timeout = 600
    memory = 4000
    retries = 2
    scheduler = "tcp://HOST:PORT"

    [parameters]                   # for all of these papers
    device = "cpu"

    [[grid]]                       # or several grids; what stands above holds in each of them
    papers = ["rpl"]
    [grid.parameters]
    gamma = [0.5, 1.0]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eccvkit.errors import DataError, EccvkitError, unknown
from eccvkit.runner.grid import parse_values

#: Settings and the type each must have.
SETTINGS: dict[str, type | tuple[type, ...]] = {
    "out": str,
    "jobs": int,
    "timeout": (int, float),
    "memory": (int, float),
    "retries": int,
    "scheduler": str,
}
#: Parameters that every notebook has, so that they may stand outside ``[parameters]``.
COMMON = ("preset", "seed", "device")
_GRID = ("papers", *COMMON, "parameters")


@dataclass(frozen=True)
class Block:
    """Papers, and the values that each parameter takes."""

    papers: list[str]
    grid: dict[str, list[Any]]


@dataclass(frozen=True)
class SweepFile:
    """A sweep as it was written down.

    Attributes
    ----------
    blocks : list of Block
    settings : dict
        Those of :data:`SETTINGS` that are given.
    """

    blocks: list[Block]
    settings: dict[str, Any] = field(default_factory=dict)


def read_sweep(path: Path) -> SweepFile:
    """Read a sweep file.

    Raises
    ------
    DataError
        It cannot be read or is not TOML.
    UnknownName
        A key that means nothing.
    EccvkitError
        No papers, a parameter without values or given twice, or a setting of the wrong type.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise DataError(f"{path} is not TOML ({error}): mend that line") from error
    for key in data:
        if key not in (*_GRID, *SETTINGS, "grid"):
            raise unknown(f"key of {path.name}", key, [*_GRID, *SETTINGS, "grid"])
    settings = {key: data[key] for key in SETTINGS if key in data}
    for key, value in settings.items():
        negative = isinstance(value, (int, float)) and value < (0 if key == "retries" else 1)
        if not isinstance(value, SETTINGS[key]) or isinstance(value, bool) or negative:
            raise EccvkitError(f"{path.name}: {key} is {value!r}: see 'eccvkit sweep --help'")
    tables = data.get("grid", [{}])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise EccvkitError(f"{path.name}: write [[grid]] with two brackets, once for each grid")
    return SweepFile([_block(path, data, table) for table in tables], settings)


def _block(path: Path, common: Mapping[str, Any], table: Mapping[str, Any]) -> Block:
    for key in table:
        if key not in _GRID:
            raise unknown(f"key of a grid in {path.name}", key, _GRID)
    names = table.get("papers", common.get("papers"))
    if isinstance(names, (str, int)):
        names = [names]
    if not isinstance(names, list) or not names:
        raise EccvkitError(
            f'{path.name} names no papers: write papers = ["rpl"], or "all", for every grid'
        )
    grid = {**_values(path, common), **_values(path, table)}
    return Block([_beside(path.parent, str(name)) for name in names], grid)


def _values(path: Path, table: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Values per parameter of one table, the common ones and those under ``parameters``."""
    given = table.get("parameters", {})
    if not isinstance(given, dict):
        raise EccvkitError(f"{path.name}: parameters is {given!r}: write a table [parameters]")
    common = {key: table[key] for key in COMMON if key in table}
    twice = sorted(common.keys() & given.keys())
    if twice:
        raise EccvkitError(f"{path.name}: {twice[0]!r} is given twice: leave one of them")
    grid = {name: _listed(value) for name, value in {**common, **given}.items()}
    for name, values in grid.items():
        if not values:
            raise EccvkitError(
                f"{path.name}: the grid is empty, parameter {name!r} has no values: name at least "
                "one, or leave it out"
            )
    return grid


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return parse_values(value) if isinstance(value, str) else [value]


def _beside(folder: Path, name: str) -> str:
    """A notebook file is looked for beside the sweep file first."""
    path = folder / name
    return str(path) if path.is_file() else name
