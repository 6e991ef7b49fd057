"""Parameters as people type them: ``KEY=VALUE`` texts, and the grid they span.

==================== ==========================================
text                 values
==================== ==========================================
``lr=1e-3``          0.001
``lr=1e-3,1e-4``     0.001 and 0.0001
``seed=0..4``        0, 1, 2, 3, 4 (both ends are included)
``width=0..8..2``    0, 2, 4, 6, 8
``name="a,b"``       the text ``a,b``
``sizes=[1,2]``      the list ``[1, 2]``, one value
``lam=true,null``    True and None
==================== ==========================================
"""

from __future__ import annotations

import ast
import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eccvkit.errors import EccvkitError

#: A grid larger than this is taken for a slip of the finger.
MAX_RUNS = 10_000
#: A range longer than this is never meant.
MAX_RANGE = 1_000_000

_WORDS = {"true": True, "false": False, "null": None, "none": None}
_INT = re.compile(r"[-+]?\d+")
_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_RANGE = re.compile(r"N\.\.N(?:\.\.N)?".replace("N", r"([-+]?\d+(?:\.\d+)?)"))
_PAIRS = {"[": "]", "{": "}", "(": ")"}


def parse_value(text: str) -> Any:
    """Read one value: number, true/false/null, quoted text, list or mapping, else plain text.

    Raises
    ------
    EccvkitError
        A quote or bracket is opened and the value does not parse.

    Examples
    --------
    >>> parse_value("1e-3"), parse_value("true"), parse_value("cuda"), parse_value("[1, 2]")
    (0.001, True, 'cuda', [1, 2])
    """
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text[:1] in ('"', "'", "[", "{", "("):
        return _parse_literal(text)
    return text


def _parse_literal(text: str) -> Any:
    """Read a quoted text, list or mapping in JSON or Python notation."""
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError):
            continue
        # JSON is what a parameter must survive: records and notebooks are JSON.
        return list(value) if isinstance(value, tuple) else value
    raise EccvkitError(
        f"cannot read the value {text}: close the quote or bracket, as in 'name=\"a,b\"' or "
        "'sizes=[1,2]' (the outer quotes are for your shell)"
    )


def parse_values(text: str) -> list[Any]:
    """Read what stands right of ``=``: one value, a comma list, or a range of whole numbers.

    Raises
    ------
    EccvkitError
        An empty item, an empty or over-long range, a range of fractions, or a broken literal.

    Examples
    --------
    >>> parse_values("0..2,10"), parse_values('"a,b"')
    ([0, 1, 2, 10], ['a,b'])
    """
    values: list[Any] = []
    for item in _split_commas(text):
        if not item:
            raise EccvkitError(
                f"empty value in {text!r}: write every value, and an empty text as \"''\""
            )
        span = _RANGE.fullmatch(item)
        values += _parse_range(item, span) if span else [parse_value(item)]
    return values


def _parse_range(item: str, span: re.Match[str]) -> list[int]:
    parts = [p for p in span.groups() if p is not None]
    if not all(_INT.fullmatch(p) for p in parts):
        raise EccvkitError(
            f"range {item!r} is not of whole numbers: write START..STOP or START..STOP..STEP, "
            "or list the values with commas"
        )
    start, stop, step = (*map(int, parts), 1)[:3]
    count = (stop - start) // step + 1 if step else 0
    if count < 1:
        raise EccvkitError(f"range {item!r} is empty: write START..STOP with START <= STOP")
    if count > MAX_RANGE:
        raise EccvkitError(f"range {item!r} has more than {MAX_RANGE} values: make it shorter")
    return [start + i * step for i in range(count)]


def _split_commas(text: str) -> list[str]:
    """Split at commas that stand outside quotes and brackets."""
    items, start, closers, quote = [], 0, [], ""
    for i, char in enumerate(text):
        if quote:
            # A backslash escapes the quote, as in JSON.
            if char == quote and text[i - 1] != "\\":
                quote = ""
        elif char in "\"'" and (closers or not text[start:i].strip()):
            # Inside a word a quote is an apostrophe (name=it's), at the start of a value it opens.
            quote = char
        elif char in _PAIRS:
            closers.append(_PAIRS[char])
        elif closers and char == closers[-1]:
            closers.pop()
        elif char == "," and not closers:
            items.append(text[start:i].strip())
            start = i + 1
    return [*items, text[start:].strip()]


def parse_grid(assignments: Iterable[str]) -> dict[str, list[Any]]:
    """Read ``KEY=VALUE`` texts into the values each parameter takes, in the order given.

    Raises
    ------
    EccvkitError
        No ``=``, a key that is no Python name, a key given twice, or an unreadable value.
    """
    grid: dict[str, list[Any]] = {}
    for text in assignments:
        key, equals, values = text.partition("=")
        key = key.strip()
        if not equals or not key.isidentifier():
            raise EccvkitError(f"cannot read parameter {text!r}: write KEY=VALUE, as in lr=1e-3")
        if key in grid:
            raise EccvkitError(
                f"parameter {key!r} is given twice: write all its values in one list, "
                f"as in {key}=1,2"
            )
        grid[key] = parse_values(values)
    return grid


def expand(grid: Mapping[str, Sequence[Any]], limit: int | None = MAX_RUNS) -> list[dict[str, Any]]:
    """Every combination of the grid's values; the last key varies fastest.

    Raises
    ------
    EccvkitError
        A parameter without values, or more than ``limit`` combinations.

    Examples
    --------
    >>> expand({"lr": [0.1, 0.2], "seed": [0, 1]})[1]
    {'lr': 0.1, 'seed': 1}
    """
    for name, values in grid.items():
        if not values:
            raise EccvkitError(f"parameter {name!r} has no values: name at least one, or leave it")
    count = math.prod(len(v) for v in grid.values())
    if limit is not None and count > limit:
        raise EccvkitError(f"the grid has {count} runs, more than {limit}: shorten a list")
    return [dict(zip(grid, point)) for point in itertools.product(*grid.values())]
