"""Finding and opening the files of a data set, with errors that say what was looked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eccvkit.errors import DataError, EccvkitError, unknown

#: Environment variable that names the folder of all data sets.
VARIABLE = "ECCVKIT_DATA"


def data_root(root: str | Path | None) -> Path:
    """Return the folder to read from: ``root``, or the one that ``ECCVKIT_DATA`` names.

    Raises
    ------
    DataError
        Neither is given, or it is no folder.
    """
    if root is None:
        root = os.environ.get(VARIABLE, "")
        if not root:
            raise DataError(
                f"no data folder: give data_dir (root in Python), or set the environment variable "
                f"{VARIABLE} to the folder that holds your data sets"
            )
        source = f"{VARIABLE} names"
    else:
        source = "root is"
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise DataError(f"{source} {folder}, which is no folder: create it or correct the path")
    return folder


def check_split(split: str, valid: Sequence[str]) -> None:
    """Raise :class:`~eccvkit.errors.UnknownName` unless ``split`` is one of ``valid``."""
    if split not in valid:
        raise unknown("split", split, valid)


def holds(folder: Path, most: int = 5) -> str:
    """Say what a folder holds: its first few names.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as name:
    ...     for i in range(7):
    ...         _ = Path(name, f"{i}.txt").write_text("")
    ...     print(holds(Path(name)).replace(name, "F"))
    F holds 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more
    """
    names = sorted(p.name + "/" * p.is_dir() for p in folder.iterdir())
    if not names:
        return f"{folder} is empty"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{folder} holds {', '.join(names[:most])}{more}"


def find_file(
    root: Path, names: Sequence[str], advice: str, subfolders: Sequence[str] = (".",)
) -> Path:
    """Return the first existing file of ``names`` in the first of ``subfolders`` that has one.

    Parameters
    ----------
    root : Path
        An existing folder.
    names : sequence of str
        Equally good names of the file.
    advice : str
        What to do if there is none; ends the error message.
    subfolders : sequence of str
        Where below ``root`` to look, in this order; "." is ``root`` itself.

    Raises
    ------
    DataError
        No such file.
    """
    return _find(Path.is_file, root, names, advice, subfolders)


def find_folder(root: Path, name: str, advice: str, subfolders: Sequence[str] = (".",)) -> Path:
    """Return the folder ``name`` in the first of ``subfolders`` that has one."""
    return _find(Path.is_dir, root, [name], advice, subfolders)


def _find(
    is_right: Callable[[Path], bool],
    root: Path,
    names: Sequence[str],
    advice: str,
    subfolders: Sequence[str],
) -> Path:
    for subfolder in subfolders:
        for name in names:
            if is_right(path := root / subfolder / name):
                return path
    below = [s for s in subfolders if s != "."]
    places = [str(root)] if "." in subfolders else []
    places += [f"the folder {s} in it" if places else str(root / s) for s in below]
    raise DataError(
        f"found no {' or '.join(names)} in {' or '.join(places)} ({holds(root)}): {advice}"
    )


@contextmanager
def parsing(path: Path, kind: str, remedy: str) -> Iterator[None]:
    """Turn whatever a parser raises on a damaged file into one DataError that names the file.

    Parsers of foreign formats (pickle, zlib, MAT, image codecs) document no complete list of what
    they raise on damaged input, so everything but our own errors is translated.

    Parameters
    ----------
    path : Path
        The file being read.
    kind : str
        What it should be ("JPEG image", "MAT file").
    remedy : str
        What to do about it.
    """
    try:
        yield
    except EccvkitError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise DataError(f"{path} is no readable {kind} ({reason}): {remedy}") from error


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Read the lines of a text file that are not blank, stripped, each with its number from 1.

    Raises
    ------
    DataError
        The file is missing or no UTF-8 text.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}: correct the path or put the file there")
    with parsing(path, "text file", "save it as UTF-8 text"):
        # -sig: editors on Windows start the file with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    lines = ((number, line.strip()) for number, line in enumerate(text.split("\n"), start=1))
    return [(number, line) for number, line in lines if line]
