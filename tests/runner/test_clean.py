from __future__ import annotations

import copy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from eccvkit.errors import EccvkitError
from eccvkit.outputs import WIDGET_VIEW
from eccvkit.runner.clean import clean, refuse_unfit

from .conftest import Runs, eccvkit, write_notebook


def executed(*outputs):
    cell = new_code_cell("x", outputs=list(outputs), execution_count=1)
    return new_notebook(cells=[new_markdown_cell("# Title"), cell])


def test_traces_of_the_run_are_removed(runs: Runs, library):
    raw = nbformat.read(runs.folder("chapter/smoke-seed0-lam0.25") / "notebook.ipynb", 4)
    before = copy.deepcopy(raw)
    stored = clean(raw)
    assert raw == before
    nbformat.validate(stored)
    source = nbformat.read(library / "chapter.ipynb", 4)
    assert [c.source for c in stored.cells] == [c.source for c in source.cells]
    assert [c.id for c in stored.cells] == [c.id for c in source.cells]
    assert stored.metadata.kernelspec.name == "python3"
    assert stored.metadata.kernelspec.display_name == "Python 3"
    for trace in ("papermill", "iopub", "injected"):
        assert trace in nbformat.writes(raw)
        assert trace not in nbformat.writes(stored)


def test_widget_state_is_removed():
    notebook = executed()
    notebook.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    assert "widgets" not in clean(notebook).metadata


def test_marks_for_slides_and_handout_stay():
    notebook = executed()
    marks = {
        "slideshow": {"slide_type": "slide"},
        "eccvkit": {"slide": "Short.", "handout": True},
    }
    notebook.cells[1].metadata = {**marks, "papermill": {"duration": 1}}
    assert clean(notebook).cells[1].metadata == marks


def test_what_a_cell_tells_about_this_machine_is_not_stored():
    notebook = executed(new_output("stream", text="free memory 3 GB\n"))
    notebook.cells[1].metadata.tags = ["this-machine"]
    assert clean(notebook).cells[1].outputs == []
    assert clean(notebook).cells[1].execution_count == 1


def test_a_widget_keeps_its_text():
    output = new_output("display_data", {WIDGET_VIEW: {"model_id": "0"}, "text/plain": "slider"})
    assert clean(executed(output)).cells[1].outputs[0].data == {"text/plain": "slider"}


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (new_output("error", ename="ValueError", evalue="no", traceback=[]), "ends in ValueError"),
        (new_output("stream", text=f"read {Path.home()}/data\n"), "shows the path"),
        (new_output("stream", text="see /home/alice/x\n"), "shows the path /home/alice"),
        (new_output("stream", text="see C:\\Users\\alice\\x\n"), "shows the path"),
        (new_output("display_data", {"text/html": "<b>/secret/place/x</b>"}), "/secret/place"),
        (new_output("display_data", {"application/json": {"a": ["/secret/place"]}}), "/secret"),
        (
            new_output("stream", name="stderr", text="UserWarning: beware\n"),
            "'UserWarning: beware'",
        ),
        (new_output("stream", text="x" * 1_600_000), "1.6 MB"),
    ],
)
def test_unfit_outputs_are_refused(output, cause):
    with pytest.raises(EccvkitError) as error:
        refuse_unfit(executed(output), "nb.ipynb", private=(Path("/secret/place"),))
    assert cause in str(error.value)
    assert "cell 2" in str(error.value)
    assert "\n" not in str(error.value)


def test_fit_outputs_pass():
    png = "iVBOR/tmp/x" + str(Path.home())
    notebook = executed(
        new_output("stream", text="loss 0.1, https://doi.org/10.1007, a/tmpfile\n"),
        new_output("display_data", {"image/png": png, "text/plain": "<Figure>"}),
        new_output("display_data", {"text/html": f'<img src="data:image/png;base64,{png}">'}),
    )
    refuse_unfit(notebook, "nb.ipynb", private=(Path("/"),))


def test_store_replaces_only_what_succeeds(tmp_path):
    good = write_notebook(tmp_path / "good.ipynb", ["print(seed, preset)"])
    assert eccvkit("store", good).returncode == 0
    stored = nbformat.read(good, as_version=4)
    assert stored.cells[2].outputs[0].text == "0 lab\n"
    assert "papermill" not in good.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["good.ipynb"]

    for cell, cause in (
        ("raise ValueError('no')", "bad.ipynb is not stored: ValueError: no in cell 3"),
        ("import os; print(os.getcwd())", "bad.ipynb is not stored: cell 3 shows the path"),
    ):
        bad = write_notebook(tmp_path / "bad.ipynb", [cell])
        before = bad.read_bytes()
        refused = eccvkit("store", bad)
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"eccvkit: error: {cause}")
        assert bad.read_bytes() == before
