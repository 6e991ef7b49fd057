from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eccvkit.errors import EccvkitError
from eccvkit.runner.grid import expand, parse_grid, parse_value, parse_values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("2.", 2.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ("cuda:0", "cuda:0"),
        ("it's", "it's"),
        ('"a,b"', "a,b"),
        ("'3'", "3"),
        ('"true"', "true"),
        ("[1, 2]", [1, 2]),
        ("(1, 2)", [1, 2]),
        ('{"a": [1]}', {"a": [1]}),
        ("['a', True]", ["a", True]),
        ("../data", "../data"),
        ("nan", "nan"),
    ],
)
def test_one_value(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-3,1e-4", [1e-3, 1e-4]),
        ("0..4", [0, 1, 2, 3, 4]),
        ("0..8..2", [0, 2, 4, 6, 8]),
        ("0..7..2", [0, 2, 4, 6]),
        ("4..0..-2", [4, 2, 0]),
        ("-1..1", [-1, 0, 1]),
        ("0..2,10", [0, 1, 2, 10]),
        ('"a,b",c', ["a,b", "c"]),
        ("[1,2],[3]", [[1, 2], [3]]),
        ('["a,b"],x', [["a,b"], "x"]),
        ("it's,so", ["it's", "so"]),
        ("''", [""]),
        ("true, null", [True, None]),
    ],
)
def test_several_values(text, values):
    assert parse_values(text) == values


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "empty value"),
        ("1,,2", "empty value"),
        ("4..0", "is empty"),
        ("0..4..0", "is empty"),
        ("0.1..0.5", "whole numbers"),
        ("0..1..0.5", "whole numbers"),
        ("0..99999999999", "more than 1000000 values"),
        ('"open', "close the quote"),
        ("[1,2", "close the quote or bracket"),
    ],
)
def test_unreadable_values(text, remedy):
    with pytest.raises(EccvkitError, match=remedy):
        parse_values(text)


@pytest.mark.parametrize("text", ["lr", "=3", "1lr=3", "a b=3", "--lr=3"])
def test_malformed_assignment(text):
    with pytest.raises(EccvkitError, match="write KEY=VALUE"):
        parse_grid([text])


def test_a_key_given_twice():
    with pytest.raises(EccvkitError, match=r"'lr' is given twice.*lr=1,2"):
        parse_grid(["lr=1", "seed=0", "lr=2"])


def test_value_may_hold_an_equals_sign():
    assert parse_grid(["tag=a=b"]) == {"tag": ["a=b"]}


def test_last_key_varies_fastest():
    grid = parse_grid(["lr=1,2", "seed=0..1"])
    assert [(p["lr"], p["seed"]) for p in expand(grid)] == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_no_parameters_are_one_run():
    assert expand({}) == [{}]


def test_too_large_a_grid():
    with pytest.raises(EccvkitError, match="1000000 runs"):
        expand(dict.fromkeys("abc", range(100)))


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)  # fmt: skip
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(), scalars, max_size=3)


@given(st.lists(values, min_size=1, max_size=5), st.booleans())
def test_json_survives_the_round_trip(wanted, ascii_only):
    text = ",".join(json.dumps(v, ensure_ascii=ascii_only) for v in wanted)
    assert parse_values(text) == wanted


@given(
    st.dictionaries(
        st.sampled_from("abcd"), st.lists(st.integers(), min_size=1, max_size=4, unique=True)
    )
)
def test_expansion_is_the_product(grid):
    points = expand(grid)
    assert len(points) == math.prod(map(len, grid.values()))
    assert len({tuple(p.values()) for p in points}) == len(points)
    assert all(list(p) == list(grid) and all(p[k] in grid[k] for k in p) for p in points)
