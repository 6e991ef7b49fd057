"""Handouts: one page with idea, figures, verdicts and questions; PDF where Chromium is."""

import os
from dataclasses import replace

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from eccvkit.errors import EccvkitError
from eccvkit.outputs import CLAIMS
from eccvkit.runner import handout
from eccvkit.runner.handout import ChromiumMissing, build_handout, count_pages, print_one_page
from eccvkit.volume import find

try:
    handout.find_chromium()
    no_chromium = False
except ChromiumMissing:
    no_chromium = True

PAPER = replace(find("rpl"), questions=("Is x < y?",))


def _figure(alt, **ours):
    data = {"image/png": "AAAA"}
    output = v4.new_output("display_data", data, metadata={"image/png": {"alt": alt}})
    return v4.new_code_cell("draw()", outputs=[output], metadata={"eccvkit": ours})


def _claims(count):
    rows = [
        {
            "id": f"C{i}",
            "text": "One arm beats the other.",
            "effect": 1.5,
            "low": 0.5,
            "high": 2.5,
            "unit": "points",
            "verdict": "reproduced",
        }
        for i in range(count)
    ]
    return v4.new_code_cell(
        "judge()", outputs=[v4.new_output("display_data", {CLAIMS: {"claims": rows}})]
    )


def _built(tmp_path, cells):
    path = tmp_path / "30_rpl.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    return build_handout(path, PAPER)


def test_everything_is_on_it(tmp_path):
    formula = v4.new_markdown_cell("long prose", metadata={"eccvkit": {"handout": "$x^2$"}})
    page = BeautifulSoup(_built(tmp_path, [formula, _figure("A dot"), _claims(1)]), "html.parser")
    assert page.h1.get_text() == PAPER.title
    assert PAPER.idea in page.get_text() and "long prose" not in page.get_text()
    assert page.select_one("math") and page.select_one("img")["alt"] == "A dot"
    cells = [cell.get_text() for cell in page.select("td")]
    assert cells == ["C0 One arm beats the other.", "+1.5 [+0.5, +2.5] points", "reproduced"]
    assert page.select_one("ol li").get_text() == "Is x < y?"


def test_marked_figures_win_over_the_first(tmp_path):
    page = BeautifulSoup(
        _built(tmp_path, [_figure("first"), _figure("chosen", handout=True)]), "html.parser"
    )
    assert [image["alt"] for image in page.select("img")] == ["chosen"]


@pytest.mark.skipif(no_chromium, reason="Chromium is not installed")
def test_of_many_claims_the_chief_ones_are_shown(tmp_path):
    page = BeautifulSoup(_built(tmp_path, [_claims(45)]), "html.parser")
    assert len(page.select("tbody tr")) == handout.MAX_CLAIMS
    words = " ".join(page.get_text().split())
    assert f"{45 - handout.MAX_CLAIMS} more claims" in words and "of all, 45 reproduced." in words


def test_what_is_a_little_long_still_fits_one_page(tmp_path, monkeypatch):
    monkeypatch.setattr(handout, "chief_claims", list)
    html = tmp_path / "handout.html"
    html.write_text(_built(tmp_path, [_claims(45)]), "utf-8")
    handout.print_pdf(html, tmp_path / "as_is.pdf")
    print_one_page(html, tmp_path / "handout.pdf")
    assert count_pages(tmp_path / "as_is.pdf") == 2
    assert count_pages(tmp_path / "handout.pdf") == 1


def test_what_fits_no_page_is_refused(tmp_path, monkeypatch):
    def two_pages(page, pdf):
        pdf.write_bytes(b"<</Type /Page>> <</Type /Page>> <</Type /Pages>>")

    monkeypatch.setattr(handout, "print_pdf", two_pages)
    html = tmp_path / "handout.html"
    html.write_text("<p>long</p>", "utf-8")
    with pytest.raises(EccvkitError, match=r"handout\.html does not fit on one page"):
        print_one_page(html, tmp_path / "handout.pdf")
    assert not (tmp_path / "handout.pdf").exists()


def test_without_marks_and_pictures(tmp_path):
    page = BeautifulSoup(_built(tmp_path, [v4.new_markdown_cell("text")]), "html.parser")
    assert page.select("img") == []


def test_missing_chromium_names_the_remedy(monkeypatch):
    monkeypatch.delenv(handout.CHROMIUM_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ChromiumMissing, match="apt-get install chromium"):
        handout.find_chromium()


def test_given_chromium_must_exist(monkeypatch):
    monkeypatch.setenv(handout.CHROMIUM_VARIABLE, "no-such-browser")
    with pytest.raises(ChromiumMissing, match="no-such-browser"):
        handout.find_chromium()


def test_failure_of_chromium_is_told(monkeypatch, tmp_path):
    fake = tmp_path / "browser"
    fake.write_text("#!/bin/sh\necho display broken >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv(handout.CHROMIUM_VARIABLE, os.fspath(fake))
    with pytest.raises(EccvkitError, match="display broken"):
        handout.print_pdf(tmp_path / "a.html", tmp_path / "a.pdf")
