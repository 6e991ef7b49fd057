from __future__ import annotations

import json

import nbformat
import pytest

from eccvkit.errors import DataError, EccvkitError, UnknownName
from eccvkit.runner.notebook import COMPUTED, inspect, locate, locate_all
from eccvkit.volume import find

from .conftest import write_notebook


def test_parameters_as_written(library):
    parameters = inspect(library / "chapter.ipynb").parameters
    assert list(parameters) == [
        "preset", "seed", "device", "lam", "steps", "verbose", "tag", "sizes", "total",
    ]  # fmt: skip
    assert parameters["lam"].default == 0.5
    assert parameters["lam"].help == "weight of the second term"
    assert parameters["tag"].default == "a#b=c"
    assert parameters["tag"].help == ""
    assert parameters["sizes"].default == [8, 16]
    assert parameters["total"].default is COMPUTED
    assert parameters["total"].source == "2 * steps"


def test_title_from_the_heading(library):
    notebook = inspect(library / "chapter.ipynb")
    assert (notebook.title, notebook.slug, notebook.stem) == (
        "A small chapter",
        "chapter",
        "chapter",
    )


def test_title_from_the_bibliography(tmp_path):
    notebook = inspect(write_notebook(tmp_path / "30_rpl.ipynb", []))
    assert (notebook.slug, notebook.title) == ("rpl", find("rpl").title)


def test_annotations_and_other_statements(tmp_path):
    source = "import os\nlr: float = 1e-3  # rate\na = b = 2\nnote: str\nx, y = 1, 2\n"
    notebook = inspect(write_notebook(tmp_path / "a.ipynb", [], source))
    assert {n: p.default for n, p in notebook.parameters.items()} == {"lr": 1e-3}


def corrupt(tmp_path, name):
    path = tmp_path / f"{name}.ipynb"
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")])
    if name == "not_json":
        path.write_text("{ this is no JSON")
    elif name == "binary":
        path.write_bytes(bytes(range(256)))
    elif name == "other_json":
        path.write_text("[1, 2]")
    elif name == "bad_cells":
        broken = json.loads(nbformat.writes(node))
        broken["cells"][0]["cell_type"] = "poem"
        path.write_text(json.dumps(broken))
    elif name == "untagged":
        nbformat.write(node, path)
    elif name == "magic":
        write_notebook(path, [], "%matplotlib inline\nseed = 0")
    elif name == "julia":
        node.metadata.kernelspec = {"name": "julia", "display_name": "Julia", "language": "julia"}
        nbformat.write(node, path)
    return path


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("not_json", "not a valid notebook"),
        ("binary", "not a valid notebook"),
        ("other_json", "not a valid notebook"),
        ("bad_cells", "not a valid notebook"),
        ("untagged", "no code cell tagged 'parameters'"),
        ("magic", "keep only assignments"),
        ("julia", "only Python notebooks"),
        ("missing", "cannot read"),
    ],
)
def test_corrupt_notebooks(tmp_path, name, cause):
    path = corrupt(tmp_path, name)
    with pytest.raises(DataError, match=cause) as error:
        inspect(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_locate_a_file(library):
    assert locate(str(library / "chapter.ipynb")) == library / "chapter.ipynb"


def test_the_same_notebook_twice_runs_once(library):
    path = str(library / "chapter.ipynb")
    assert locate_all([path, path]) == [library / "chapter.ipynb"]


def test_a_missing_file(library):
    with pytest.raises(EccvkitError, match=r"no notebook .*gone\.ipynb"):
        locate(str(library / "gone.ipynb"))


def test_unknown_and_planned_papers():
    with pytest.raises(UnknownName, match="did you mean 'limp'"):
        locate("limpp")
    with pytest.raises(EccvkitError, match="'revise' has no notebook"):
        locate("revise")
