"""The start page: what it reads from stored notebooks, what it selects, what it shows."""

from __future__ import annotations

import base64
import io

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from eccvkit import start_page
from eccvkit.errors import DataError, UnknownName
from eccvkit.outputs import CLAIMS, WIDGET_VIEW, Figure
from eccvkit.start_page import Entry, browse, entries, select, shrink, summary, table
from eccvkit.volume import find, papers

RPL, LIMP, SIZER = (find(slug) for slug in ("rpl", "limp", "sizer"))
SHELF = [
    Entry(SIZER, {}),
    Entry(LIMP, {"reproduced": 2, "leaning": 1}),
    Entry(RPL, {"reproduced": 3, "contradicted": 1}, b"\x89PNG", 'Two "clouds" of points & a line'),
]


def png(width, height):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "orange").save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def stored(folder, stem, verdicts=(), alt="a picture of a thing"):
    figure = {"image/png": png(900, 300)}
    claims = {CLAIMS: {"preset": "lab", "seeds": [0], "claims": [{"verdict": v} for v in verdicts]}}
    outputs = [
        new_output("display_data", figure, metadata={"image/png": {"alt": alt}}),
        new_output("display_data", claims),
    ]
    nbformat.write(
        new_notebook(cells=[new_code_cell("x", outputs=outputs)]), folder / f"{stem}.ipynb"
    )


class Screen(list):
    """What was displayed, as bundles; and, like a display handle, what it was updated to."""

    def __call__(self, thing, raw=False, **_):
        self.append(thing if raw else {"text/html": getattr(thing, "data", "")})
        return self

    def update(self, bundle, raw):
        self.append(bundle)

    def pages(self):
        return [BeautifulSoup(bundle["text/html"], "html.parser") for bundle in self]


@pytest.fixture
def screen(monkeypatch):
    screen = Screen()
    monkeypatch.setattr("IPython.display.display", screen)
    return screen


def slugs(shelf):
    return [entry.paper.slug for entry in shelf]


def test_entries_are_all_papers_with_what_their_notebooks_found(tmp_path):
    stored(tmp_path, "30_rpl", ["leaning", "reproduced", "leaning"])
    stored(tmp_path, "01_sizer", ["reproduced"])  # planned: not on the shelf yet
    shelf = entries(tmp_path)
    assert slugs(shelf) == [p.slug for p in papers()]
    rpl = shelf[29]
    assert list(rpl.verdicts.items()) == [("reproduced", 1), ("leaning", 2)]
    assert rpl.alt == "a picture of a thing"
    assert Image.open(io.BytesIO(rpl.thumbnail)).size == (320, 107)
    assert [e for e in shelf if e.verdicts or e.thumbnail] == [rpl]


def test_a_damaged_notebook_is_named(tmp_path):
    (tmp_path / "30_rpl.ipynb").write_text("{")
    with pytest.raises(DataError, match=r"30_rpl\.ipynb"):
        entries(tmp_path)


def test_a_small_figure_is_not_enlarged():
    assert Image.open(io.BytesIO(shrink(Figure(png(20, 10), "", 0)))).size == (20, 10)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, ["sizer", "limp", "rpl"]),
        ({"topic": "3D vision"}, ["sizer", "limp"]),
        ({"status": "planned"}, ["sizer"]),
        ({"verdict": "reproduced"}, ["limp", "rpl"]),
        ({"verdict": "contradicted"}, ["rpl"]),
        ({"verdict": "not judged"}, []),
        ({"topic": "3D vision", "status": "ready"}, ["limp"]),
        ({"words": "RECIPROCAL open"}, ["rpl"]),
        ({"words": "reciprocal closed"}, []),
        ({"words": "Rodolà"}, ["limp"]),
        ({"words": "30"}, ["rpl"]),
    ],
)
def test_select(conditions, expected):
    assert slugs(select(SHELF, **conditions)) == expected


@pytest.mark.parametrize("name", ["topic", "status", "verdict"])
def test_an_unknown_condition_is_refused(name):
    with pytest.raises(UnknownName, match=f"unknown {name} 'nonsense'"):
        select(SHELF, **{name: "nonsense"})


def test_summary_counts_papers_and_verdicts():
    assert summary(SHELF) == (
        "3 of 45 papers, 2 of them ready to run; "
        "their claims: 5 reproduced, 1 leaning, 1 contradicted."
    )
    assert summary([]) == "0 of 45 papers, 0 of them ready to run."


def test_table_links_what_is_ready_and_describes_pictures():
    page = BeautifulSoup(table(SHELF), "html.parser")
    rows = page.select("tbody tr")
    assert [a["href"] for a in page.select("a")] == ["02_limp.ipynb", "30_rpl.ipynb"]
    assert [image["alt"] for image in page.select("img")] == ['Two "clouds" of points & a line']
    assert [row.select("td")[3].get_text(" ") for row in rows] == [
        "planned",
        "2 reproduced 1 leaning",
        "3 reproduced 1 contradicted",
    ]
    assert {len(row.select("td")) for row in rows} == {len(page.select("th[scope=col]"))}


def test_controls_filter_the_table(tmp_path, screen):
    from ipywidgets.widgets.widget import _instances

    stored(tmp_path, "30_rpl", ["leaning"])
    browse(topic="open set", folder=tmp_path)
    box = _instances[screen[0][WIDGET_VIEW]["model_id"]]
    assert screen[0]["text/plain"].endswith("topic, status, verdict, words.")
    topic, status, verdict, words = box.children
    assert (topic.value, status.value, verdict.value) == ("open set", "all", "all")
    assert screen[-1]["text/plain"].startswith("2 of 45 papers")
    verdict.value = "leaning"
    assert screen[-1]["text/plain"].startswith("1 of 45 papers, 1 of them ready")
    words.value = "nonsense"
    assert screen[-1]["text/plain"].startswith("0 of 45 papers")
    words.value, topic.value, verdict.value = "", "all", "all"
    assert screen[-1]["text/plain"].startswith("45 of 45 papers")


def test_recorded_times_of_ready_papers(screen):
    start_page.recorded_times()
    (page,) = screen.pages()
    ready = [p for p in papers() if p.status == "ready"]
    rows = [[cell.text for cell in row.select("td")] for row in page.select("tbody tr")]
    assert [row[0] for row in rows] == [p.stem for p in ready]
    assert [row[2] for row in rows] == [f"{p.minutes['lab']:g} min" for p in ready]


def test_this_machine_says_what_doctor_says(monkeypatch, tmp_path, screen, capsys):
    from eccvkit.runner import probe

    monkeypatch.setattr(probe, "speed", lambda: 2.0)
    start_page.this_machine(tmp_path)
    findings, times = screen.pages()
    assert {"cores", "free memory", "device"} <= {row.td.text for row in findings.select("tr")[1:]}
    assert f"30_rpl {30 * RPL.minutes['smoke']:.1f} s" in times.tbody.get_text(" ")
    assert "Speed: 2 times" in capsys.readouterr().out
