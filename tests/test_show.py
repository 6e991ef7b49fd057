"""What cells show, executed in a real kernel and read back with ``collect``."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from eccvkit.outputs import collect
from eccvkit.show import _without_docstrings

SETUP = """
import pandas as pd
from eccvkit.claims import Claim, Difference
from eccvkit.show import ablation_table, paper_card, play, show_source, verdict_table
from eccvkit.study import Study
rows = [{"variant": v, "seed": s, "metric": "auroc", "value": x + 0.01 * s}
        for v, x in (("ours", 0.9), ("base", 0.8)) for s in range(3)]
study = Study(pd.DataFrame(rows))
claim = Claim("C1", "Ours < is better.", Difference("auroc", "ours", "base"), "83 against 77",
              "Table 1", unit="AUROC")
"""
CELLS = [
    SETUP,
    'paper_card("rpl", ["see & believe"], [claim])',
    "from eccvkit.metrics.stats import mean_interval\nshow_source(mean_interval)",
    'ablation_table("main", study, {"auroc": "AUROC"}, '
    'paper={"ours": {"auroc": 83.1}}, paper_source="Table 1", guessing={"auroc": 50})',
    'verdict_table("smoke", [([claim], study)]);',
    """
import ipywidgets, matplotlib.pyplot as plt
def draw(x):
    figure, ax = plt.subplots()
    ax.plot([0, x])
    return figure, f"x is {x}"
slider = ipywidgets.IntSlider(1, 0, 5)
play(draw, "A line from zero to x.", x=slider)
""",
    "slider.value = 4",
    """
from eccvkit.viz import show
show(draw(4)[0], "A line from zero to four.")
""",
]


@pytest.fixture(scope="module")
def executed():
    notebook = new_notebook(cells=[new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, timeout=120, kernel_name="python3", store_widget_state=True).execute()
    nbformat.validate(notebook)
    return notebook


def html_of(cell):
    return "".join("".join(o.get("data", {}).get("text/html", "")) for o in cell.outputs)


def test_paper_card(executed):
    card = html_of(executed.cells[1])
    assert "Discriminative Reciprocal Points" in card and "pp. 507-522" in card
    assert "see &amp; believe" in card and "C1: Ours &lt; is better." in card


def test_source_is_shown_live_without_docstring(executed):
    text = executed.cells[2].outputs[0].data["text/markdown"]
    assert text.startswith("```python\ndef mean_interval(") and '"""' not in text
    assert "stats.t.ppf" in text


def test_table_beside_the_paper(executed):
    html = html_of(executed.cells[3])
    # Mean of .90 .91 .92 is 91.0 percent; half width t * 0.01 / sqrt(3) = 2.48 points.
    assert "91.0 ± 2.5" in html and "83.1" in html and "the paper: Table 1" in html
    assert html.index("guessing") < html.index("50.0")
    rows = collect(executed).tables["main"]
    assert len(rows) == 6 and rows[0] == {
        "variant": "ours",
        "seed": 0,
        "metric": "auroc",
        "value": 0.9,
    }


def test_verdicts_are_stored_beside_the_table(executed):
    claims = collect(executed).claims
    assert claims["preset"] == "smoke" and claims["seeds"] == [0, 1, 2]
    (record,) = claims["claims"]
    assert record["verdict"] == "reproduced" and record["effect"] == pytest.approx(0.1)
    assert "Ours &lt; is better." in html_of(executed.cells[4])


def test_play_redraws_its_one_picture_in_place(executed):
    controls, picture = executed.cells[5].outputs
    assert "VBox" in controls.data["text/plain"]
    assert picture.metadata["image/png"]["alt"] == "A line from zero to x."
    assert executed.cells[6].outputs == []  # moving the slider changed the picture above
    moved = (picture.data["image/png"], executed.cells[7].outputs[0].data["image/png"])
    assert moved[0] == moved[1]
    state = executed.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert any(m["state"].get("value") == "x is 4" for m in state.values())


def test_docstrings_are_cut_but_comments_stay():
    source = (
        'def f(x):\n    """Doc."""\n    # why\n    return x\n\n\n'
        'class A:\n    """Doc\n    more."""\n\n'
        '    def g(self):\n        """Doc."""\n        return 1\n'
    )
    assert _without_docstrings(source) == (
        "def f(x):\n    # why\n    return x\n\n\nclass A:\n    def g(self):\n        return 1"
    )
