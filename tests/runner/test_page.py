from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from eccvkit.runner.mathml import to_mathml
from eccvkit.runner.page import is_for_people

from .conftest import Runs

GOOD = "chapter/smoke-seed0-lam0.25"
FAILED = "broken/smoke-seed0-lam0.25"


@pytest.fixture(scope="module")
def page(runs: Runs) -> BeautifulSoup:
    return BeautifulSoup((runs.folder(GOOD) / "index.html").read_text(), "html.parser")


def test_nothing_comes_from_the_network(runs: Runs):
    for label in (GOOD, FAILED):
        html = (runs.folder(label) / "index.html").read_text()
        soup = BeautifulSoup(html, "html.parser")
        assert soup.select("script, link, iframe") == []
        assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", html)
        sources = [tag["src"] for tag in soup.select("[src]")]
        assert all(source.startswith("data:") for source in sources)


def test_figures_keep_their_alternative_text(page):
    assert [img["alt"] for img in page.select("img")] == ['A "grey" <plane>']


def test_widgets_and_machine_output_are_left_out(page):
    shown = [o.get_text(strip=True) for o in page.select(".jp-OutputArea-output")]
    # Left are the HTML side of one table, and the figure.
    assert shown == ["threads", ""]


def test_a_stored_widget_is_left_out():
    def shown(**data):
        return v4.new_output("display_data", {k.replace("__", "/"): v for k, v in data.items()})

    left = "VBox(children=(Button(description='Turn it'),))"
    assert not is_for_people(shown(text__plain=left))
    assert is_for_people(shown(text__plain=left, text__html="<p>told</p>"))
    assert is_for_people(shown(text__plain="Box office"))
    assert is_for_people(v4.new_output("stream", text=left))


def test_formulas_are_mathml(page):
    formulas = page.select("math")
    assert len(formulas) == 3
    assert "$" not in page.select_one(".jp-MarkdownCell").get_text().replace("$x$", "")
    assert "code $x$" in page.get_text()
    assert page.select_one(".eq-number").get_text() == "(3)"
    assert formulas[1].find("munder").get_text() == "min\u03b8"
    assert len(formulas[2].find_all("mtr")) == 2


def test_header(page):
    header = page.select_one(".run-header").get_text(" ", strip=True)
    for part in ("A small chapter", "ok", "preset smoke", "seed 0", "lam 0.25", "MB"):
        assert part in header
    assert page.title.get_text() == "A small chapter, smoke-seed0-lam0.25"


def test_a_failed_run_leads_to_its_cell(runs: Runs):
    soup = BeautifulSoup((runs.folder(FAILED) / "index.html").read_text(), "html.parser")
    error = soup.select_one(".run-error")
    assert "ValueError: the first line" in error.get_text()
    cell = soup.find(id=error.a["href"].removeprefix("#"))
    assert "the first line" in cell.get_text()


@pytest.mark.parametrize(
    ("latex", "element", "text"),
    [
        (r"\arg\max_k x_k", "munder", "arg\u2009maxk"),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "mtr", "a=b"),
        (r"\begin{equation} a \end{equation}", "mi", "a"),
        (r"x \sim p", "mo", "\u223c"),
        (r"a < b", "mo", "<"),
        (r"\bigl\| a\bigr\|_F^2", "mo", "\u2016"),
        (r"\big\lVert a\big\rVert", "mo", "\u2016"),
        (r"\Bigl\{ a\Bigr\}", "mo", "{"),
        (r"a \label{eq:1} \nonumber", "mi", "a"),
        (r"\mathbb R", "mi", "\u211d"),
    ],
)
def test_formulas(latex, element, text):
    html = to_mathml(latex, block=True)
    soup = BeautifulSoup(html, "html.parser")
    assert soup.find(element).get_text() == text
    assert "\\" not in soup.get_text()


def test_an_unreadable_formula_is_shown_as_it_is():
    html = to_mathml(r"\left( x <b")
    assert BeautifulSoup(html, "html.parser").code.get_text() == r"\left( x <b"


def test_characters_are_escaped():
    assert "<script" not in to_mathml(r"\text{<script>}")
