"""JSON files read entry by entry, with errors that name the file and the entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from eccvkit.data.readers._files import parsing
from eccvkit.errors import DataError


def read_json(path: Path, kind: type, remedy: str) -> Any:
    """Content of a JSON file that must be an object or a list.

    Raises
    ------
    DataError
        The file is missing, no JSON, or of the other kind.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}: correct the path or put the file there")
    with parsing(path, "JSON file", remedy):
        content = json.loads(path.read_bytes())
    if not isinstance(content, kind):
        form = "an object" if kind is dict else "a list"
        raise DataError(f"{path} holds no {form[2:].strip()} at its top: expected {form}; {remedy}")
    return content


def rows(path: Path, content: dict, key: str) -> list[dict]:
    """A list of objects.

    Raises
    ------
    DataError
        The key is missing, or its value is no list of objects.
    """
    value = content.get(key)
    if not isinstance(value, list):
        raise DataError(f"{path} has no list {key!r}: is it the right file?")
    for i, row in enumerate(value):
        if not isinstance(row, dict):
            raise entry_error(path, key, i, "is no object")
    return value


def entry_error(path: Path, key: str, i: int, problem: str) -> DataError:
    """An error about one entry of a list."""
    return DataError(f"{path}: {key}[{i}]: {problem}")


def get(path: Path, key: str, i: int, row: dict, name: str) -> Any:
    """One value of an entry.

    Raises
    ------
    DataError
        It is missing.
    """
    if name not in row:
        raise entry_error(path, key, i, f"the key {name!r} is missing")
    return row[name]


def numbers(path: Path, key: str, i: int, row: dict, name: str) -> list[float]:
    """A list of finite numbers of an entry, nested lists flattened.

    Raises
    ------
    DataError
        It is missing, no list, or a member is no finite number.
    """
    value = get(path, key, i, row, name)
    try:
        array = np.asarray(value)
        fine = isinstance(value, list) and array.dtype.kind in "if" and np.isfinite(array).all()
    except ValueError:
        fine = False
    if not fine:
        text = repr(value)
        short = text if len(text) <= 60 else f"{text[:57]}..."
        raise entry_error(path, key, i, f"{name} is {short}; expected a list of finite numbers")
    return array.astype(float).ravel().tolist()
