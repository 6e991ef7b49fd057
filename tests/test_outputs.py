import json

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from eccvkit.outputs import CLAIMS, RUN, TABLE, collect


def output(data, metadata=None):
    return new_output("display_data", data=data, metadata=metadata or {})


def test_collect_reads_what_cells_emit():
    cells = [
        new_markdown_cell("text"),
        new_code_cell("a", outputs=[output({RUN: {"device": "cpu"}, "text/plain": ""})]),
        new_code_cell(
            "b",
            outputs=[
                output({TABLE: {"name": "main", "rows": [{"value": 1}]}}),
                output({"image/png": "AAAA"}, {"image/png": {"alt": "first"}}),
                output({"image/png": "BBBB"}, {"image/png": {"alt": "second", "thumbnail": True}}),
            ],
        ),
        new_code_cell("c", outputs=[output({CLAIMS: {"claims": [{"id": "C1"}]}})]),
        new_code_cell("d", outputs=[output({RUN: {"threads": 2}})]),
    ]
    notebook = new_notebook(cells=cells)
    nbformat.validate(notebook)
    for form in (notebook, json.loads(nbformat.writes(notebook))):
        facts = collect(form)
        assert facts.run == {"device": "cpu", "threads": 2}
        assert facts.tables == {"main": [{"value": 1}]}
        assert facts.claims == {"claims": [{"id": "C1"}]}
        assert [(f.alt, f.cell) for f in facts.figures] == [("first", 2), ("second", 2)]
        assert facts.thumbnail.alt == "second"


def test_empty_notebook():
    facts = collect(new_notebook())
    assert facts.claims is None and facts.tables == {} and facts.thumbnail is None
