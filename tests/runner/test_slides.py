"""Decks: what is shown, what becomes notes, and what is refused."""

import base64
import re
import struct
import zlib
from dataclasses import replace

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from eccvkit.errors import DataError
from eccvkit.outputs import CLAIMS
from eccvkit.runner.slides import (
    CLAIMS_PER_SLIDE,
    FEWEST,
    MOST,
    arrange,
    build_deck,
    check_deck,
    count_slides,
)
from eccvkit.volume import find


def _png():
    """The smallest picture there is: one white pixel."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\xff")) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + data).decode()


def _text(source, kind, **ours):
    return v4.new_markdown_cell(
        source, metadata={"slideshow": {"slide_type": kind}, "eccvkit": ours}
    )


def _code(source, kind, outputs=(), **ours):
    return v4.new_code_cell(
        source,
        outputs=list(outputs),
        execution_count=1,
        metadata={"slideshow": {"slide_type": kind}, "eccvkit": ours},
    )


def _deck(cells, slides=FEWEST):
    fill = [_text(f"## Filler {i}", "slide") for i in range(slides - 1)]
    return v4.new_notebook(cells=[_text("# Title", "slide"), *cells, *fill])


def _html(notebook, tmp_path):
    path = tmp_path / "talk.ipynb"
    nbformat.write(notebook, path)
    return BeautifulSoup(build_deck(path), "html.parser")


def test_one_section_per_slide(tmp_path):
    page = _html(_deck([_text("below", "subslide"), _text("step", "fragment")]), tmp_path)
    leaves = [s for s in page.select(".slides section") if not s.select("section")]
    assert len(leaves) == FEWEST + 1
    assert [f.get_text(strip=True) for f in page.select(".fragment")] == ["step"]


def test_cells_without_a_type_stay_out(tmp_path):
    page = _html(_deck([v4.new_markdown_cell("only for readers")]), tmp_path)
    assert "only for readers" not in page.get_text()


def test_short_text_on_the_wall_full_text_in_the_notes(tmp_path):
    page = _html(
        _deck([_text("## Method\n\nAll of it.", "slide", slide="## Method\n\nShort.")]), tmp_path
    )
    notes = page.select_one("aside.notes").extract().get_text()
    assert "All of it." in notes
    assert "Short." in page.get_text() and "All of it." not in page.get_text()


def test_code_is_folded_unless_it_matters(tmp_path):
    output = [v4.new_output("stream", text="42")]
    cells = [_code("hidden_call()", "-", output), _code("shown_call()", "-", output, code=True)]
    text = _html(_deck(cells), tmp_path).select_one(".slides").get_text()
    assert "hidden_call" not in text and "shown_call" in text
    assert text.count("42") == 2


def test_figures_keep_their_alternative_text(tmp_path):
    data = v4.new_output(
        "display_data", {"image/png": _png()}, metadata={"image/png": {"alt": 'A "white" dot'}}
    )
    image = _html(_deck([_code("draw()", "-", [data])]), tmp_path).select_one(".slides img")
    assert image["alt"] == 'A "white" dot'
    assert image["src"].startswith("data:image/png;base64,")


def test_formulas_are_drawn_without_a_network(tmp_path):
    page = _html(_deck([_text(r"$$x^2 \tag{3}$$", "-")]), tmp_path)
    assert page.select_one(".slides math")
    assert page.select_one(".eq-number").get_text() == "(3)"


def test_the_page_loads_nothing(tmp_path):
    page = _html(_deck([]), tmp_path)
    loaded = [tag.get("src") or tag.get("href") for tag in page.select("script, link, iframe")]
    assert set(loaded) == {None}
    assert not re.search(
        r"@import|url\((?!data:)", "".join(s.get_text() for s in page.select("style"))
    )


def test_arranging_leaves_the_notebook_alone():
    notebook = _deck([_text("long", "-", slide="short"), _code("1", "-")])
    before = nbformat.writes(notebook)
    arrange(notebook)
    assert nbformat.writes(notebook) == before


def test_slides_below_others_count():
    assert count_slides(_deck([_text("", "subslide"), _text("", "-")])) == FEWEST + 1


def test_a_text_above_a_picture():
    code = _code("draw()", "slide", slide="## What it shows")
    heading, picture = arrange(v4.new_notebook(cells=[code])).cells
    assert (heading.source, heading.metadata.slideshow.slide_type) == ("## What it shows", "slide")
    assert (picture.source, picture.metadata.slideshow.slide_type) == ("draw()", "-")
    assert picture.metadata.transient.remove_source


def _claim(number, **changes):
    claim = {"id": f"C{number}", "text": "a < b", "paper": "2 against 1", "ours": "4 against 3"}
    effect = {"effect": 1.0, "low": 0.5, "high": 1.5, "unit": "points", "verdict": "not reproduced"}
    return claim | effect | changes


def test_verdicts_are_set_anew_a_few_to_a_slide(tmp_path):
    claims = [_claim(i) for i in range(CLAIMS_PER_SLIDE + 1)]
    stored = v4.new_output("display_data", {CLAIMS: {"claims": claims}, "text/html": "<i>wide</i>"})
    page = _html(_deck([_code("judge()", "slide", [stored], slide="## Ours")]), tmp_path)
    assert "wide" not in page.get_text()
    slides = [table.find_parent("section") for table in page.select("table.claims")]
    assert [s.h2.get_text() for s in slides] == ["Ours (1 of 2)", "Ours (2 of 2)"]
    assert [len(slide.select("tbody tr")) for slide in slides] == [3, 4]
    cells = [cell.get_text() for cell in slides[0].select_one("tbody tr").select("td")]
    assert cells[:3] == ["C0 a < b", "2 against 1", "4 against 3"]
    assert cells[3:] == ["+1 [+0.5, +1.5] points", "not reproduced"]


def test_a_claim_without_numbers(tmp_path):
    claim = _claim(1, paper="", effect=None)
    stored = v4.new_output("display_data", {CLAIMS: {"claims": [claim]}})
    page = _html(_deck([_code("judge()", "slide", [stored])]), tmp_path)
    cells = [cell.get_text() for cell in page.select("table.claims td")]
    assert cells == ["C1 a < b", "–", "4 against 3", "–", "not reproduced"]


def test_questions_are_the_last_slide_and_count(tmp_path):
    path = tmp_path / "talk.ipynb"
    nbformat.write(_deck([], slides=FEWEST - 1), path)
    with pytest.raises(DataError, match=f"has {FEWEST - 1} slides"):
        build_deck(path)
    paper = replace(find("rpl"), questions=("Is x < y?", "Why $z$ and `w`?"))
    *_, last = BeautifulSoup(build_deck(path, paper), "html.parser").select(".slides section")
    assert [item.get_text() for item in last.select("li")] == list(paper.questions)


@pytest.mark.parametrize(
    ("notebook", "message"),
    [
        (v4.new_notebook(cells=[v4.new_markdown_cell("# Title")]), "no slide metadata"),
        (v4.new_notebook(cells=[_text("", "slde")]), "no slide metadata"),
        (_deck([_text("", "slde")]), "slide type 'slde'"),
        (v4.new_notebook(cells=[_text("", "-"), *_deck([]).cells]), "first cell shown"),
        (_deck([_code("draw()", "-")]), "has no outputs to show"),
        (_deck([], slides=FEWEST - 1), f"has {FEWEST - 1} slides"),
        (_deck([], slides=MOST + 1), f"has {MOST + 1} slides"),
    ],
)
def test_refused(notebook, message):
    with pytest.raises(DataError, match=message) as caught:
        check_deck(notebook, "talk.ipynb")
    assert "talk.ipynb" in str(caught.value)
