"""Keys: what changes them, and what does not."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from eccvkit.errors import DataError
from eccvkit.runner import fingerprint
from eccvkit.runner.fingerprint import code_digest, digest, imports_of, notebook_digest, run_key


def notebook(*sources, text="# Title"):
    return new_notebook(cells=[new_markdown_cell(text), *map(new_code_cell, sources)])


def test_the_code_counts_and_nothing_else():
    first = notebook("a = 1", "b = 2")
    same = notebook("a = 1", "b = 2", text="# Another title")
    same.cells[1].outputs = [nbformat.v4.new_output("stream", text="1")]
    same.cells[1].execution_count = 7
    assert notebook_digest(first) == notebook_digest(same)
    assert notebook_digest(first) != notebook_digest(notebook("a = 1", "b = 3"))
    assert notebook_digest(first) != notebook_digest(notebook("a = 1b = 2"))
    tagged = notebook("a = 1", "b = 2")
    tagged.cells[1].metadata.tags = ["parameters"]
    assert notebook_digest(first) != notebook_digest(tagged)


def test_a_source_may_be_one_text_or_lines():
    lines = {"cells": [{"cell_type": "code", "source": ["a = 1\n", "b = 2"], "metadata": {}}]}
    whole = {"cells": [{"cell_type": "code", "source": "a = 1\nb = 2", "metadata": {}}]}
    assert notebook_digest(lines) == notebook_digest(whole)


def test_parts_do_not_run_together():
    assert digest("ab", "c") != digest("a", "bc")


def test_imports():
    source = (
        "import eccvkit.papers.rpl as p\n%matplotlib inline\nif True:\n    from eccvkit import viz"
    )
    assert imports_of(notebook(source, "not python at all", "import numpy")) == (
        "eccvkit",
        "eccvkit.papers",
        "eccvkit.papers.rpl",
        "eccvkit.viz",
    )


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of four modules: a imports b, b imports c inside a function, d stands alone."""
    files = {
        "__init__.py": "",
        "a.py": "from eccvkit import b",
        "b.py": "def f():\n    from eccvkit.c import number",
        "c/__init__.py": "number = 1",
        "d.py": "",
    }
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    monkeypatch.setattr(fingerprint, "_ROOT", tmp_path)
    return tmp_path


def test_a_change_reaches_whoever_imports_it(package):
    before = {name: code_digest([f"eccvkit.{name}"]) for name in "abcd"}
    assert len(set(before.values())) == 4
    (package / "c/__init__.py").write_text("number = 22")
    after = {name: code_digest([f"eccvkit.{name}"]) for name in "abcd"}
    assert [name for name in "abcd" if before[name] != after[name]] == ["a", "b", "c"]


def test_a_module_that_does_not_parse(package):
    (package / "c/__init__.py").write_text("number = ")
    with pytest.raises(DataError, match="install eccvkit again"):
        code_digest(["eccvkit.a"])


def test_a_paper_does_not_depend_on_another():
    modules = ["eccvkit.papers.rpl"]
    assert code_digest(modules) == code_digest([*modules, "eccvkit.training"])
    assert code_digest(modules) != code_digest([*modules, "eccvkit.papers.limp"])


def test_every_parameter_counts():
    keys = {run_key("n", "c", p) for p in ({}, {"a": 1}, {"a": 2}, {"a": None}, {"b": 1})}
    assert len(keys) == 5
    assert run_key("n", "c", {"a": 1, "b": 2}) == run_key("n", "c", {"b": 2, "a": 1})
    assert len({run_key("n", "c", {}), run_key("m", "c", {}), run_key("n", "d", {})}) == 3
