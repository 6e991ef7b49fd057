"""What the generators of the site write."""

from __future__ import annotations

import re
from dataclasses import replace

import nbformat
import pytest
from nbformat import v4

from eccvkit.errors import DataError
from eccvkit.volume import find, papers

from .made_up import (
    RECORD,
    api_pages,
    chapters,
    figure,
    generate,
    mathml,
    nearest,
    png,
    shown,
    volume_pages,
    write,
)

# --- chapters -------------------------------------------------------------------------------


def test_chapters_are_read_in_order_with_their_papers(tmp_path):
    for name in ("30_rpl.ipynb", "00_start_here.ipynb", "08_topogan.ipynb"):
        write(tmp_path, name)
    found = chapters.read_chapters(tmp_path)
    assert [c.stem for c in found] == ["00_start_here", "08_topogan", "30_rpl"]
    assert [c.paper and c.paper.slug for c in found] == [None, "topogan", "rpl"]
    assert found[1].title.startswith("8. TopoGAN")
    assert found[0].title == "8. A title"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"cells": 3}'])
def test_a_broken_notebook_is_named(tmp_path, content):
    (tmp_path / "08_topogan.ipynb").write_text(content)
    with pytest.raises(DataError, match=r"08_topogan\.ipynb") as error:
        chapters.read_chapters(tmp_path)
    assert "\n" not in str(error.value)


def test_each_figure_keeps_its_own_alt_text(chapter, tmp_path):
    page = chapters.page(chapter, tmp_path)
    found = [
        (cell.metadata["mystnb"]["image"]["alt"], output["data"]["image/png"])
        for cell in page.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert found == [("first", png(10)), ("second", png(20)), ("the thumbnail", png(30))]


def test_parts_of_a_split_cell_obey_its_output_tags(tmp_path):
    cell = v4.new_code_cell("x", outputs=[figure(1, "a"), figure(2, "b")])
    cell.metadata["tags"] = ["hide-input", "hide-output"]
    path = write(tmp_path, "08_topogan.ipynb", v4.new_notebook(cells=[cell]))
    page = chapters.page(chapters.read_chapters(path.parent)[0], tmp_path)
    assert page.cells[-1].metadata["tags"] == ["hide-output", "remove-input"]


def test_page_drops_widgets_and_machine_records(chapter, tmp_path):
    page = chapters.page(chapter, tmp_path)
    mimes = [m for c in page.cells for o in c.get("outputs", []) for m in o.get("data", {})]
    assert not [m for m in mimes if m.startswith("application/")]
    assert "widgets" not in page.metadata
    slider = next(c for c in page.cells if c.source == "slide()")
    assert slider.outputs == []


def test_widget_with_a_static_picture_keeps_the_picture(tmp_path):
    output = figure(5, "static")
    output["data"][chapters.WIDGET_VIEW] = {"model_id": "m"}
    nb = v4.new_notebook(cells=[v4.new_code_cell("x", outputs=[output])])
    write(tmp_path, "08_topogan.ipynb", nb)
    page = chapters.page(chapters.read_chapters(tmp_path)[0], tmp_path)
    assert set(page.cells[-1].outputs[0]["data"]) == {"image/png", "text/plain"}


def test_solution_is_folded_and_download_leads_to_the_original(chapter, tmp_path):
    page = chapters.page(chapter, tmp_path / "docs" / "chapters")
    solution = next(c for c in page.cells if c.source.startswith("answer"))
    assert solution.metadata["tags"] == ["hide-input"]
    assert page.cells[0].source.startswith("# 8. A title")
    assert "<../../08_topogan.ipynb>" in page.cells[1].source


def test_tables_of_notebooks_lead_to_their_pages(tmp_path):
    table = shown(text__html='<a href="08_topogan.ipynb">08</a> <a href="x/notes.ipynb">y</a>')
    nb = v4.new_notebook(cells=[v4.new_code_cell("x", outputs=[table])])
    write(tmp_path, "00_start_here.ipynb", nb)
    page = chapters.page(chapters.read_chapters(tmp_path)[0], tmp_path)
    html = page.cells[-1].outputs[0]["data"]["text/html"]
    assert html == '<a href="08_topogan.html">08</a> <a href="x/notes.ipynb">y</a>'


def test_page_without_heading_gets_the_title_of_the_paper(tmp_path):
    nb = v4.new_notebook(cells=[v4.new_code_cell("x")])
    write(tmp_path, "08_topogan.ipynb", nb)
    page = chapters.page(chapters.read_chapters(tmp_path)[0], tmp_path)
    assert page.cells[0].source.startswith("# 8. TopoGAN: A Topology-Aware")


def test_page_leaves_the_stored_notebook_alone(chapter, tmp_path):
    before = nbformat.writes(chapter.notebook)
    chapters.page(chapter, tmp_path)
    assert nbformat.writes(chapter.notebook) == before


def test_figures_without_alt_are_found(tmp_path):
    cells = [v4.new_markdown_cell("x"), v4.new_code_cell("y", outputs=[figure(1, " ")])]
    write(tmp_path, "08_topogan.ipynb", v4.new_notebook(cells=cells))
    assert chapters.figures_without_alt(chapters.read_chapters(tmp_path)[0]) == [1]


# --- generated pages ------------------------------------------------------------------------


def test_escape_keeps_formulas_and_nothing_else():
    assert volume_pages.escape("a_b | $R^k$ <b>\n[x]") == r"a\_b \| $R^k$ \<b\> \[x\]"
    assert volume_pages.escape("costs 5$") == r"costs 5\$"


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ({"effect": None}, "–"),
        ({"effect": 0.0589}, "+0.0589"),
        ({"effect": -2.0, "unit": "mm"}, "−2 mm"),
        (RECORD["claims"][0], r"+0.0589 \[+0.03, +0.08\] AUROC, n = 5"),
    ],
)
def test_effect_as_text(claim, text):
    assert volume_pages.effect(claim) == text


def test_verdicts_are_those_of_the_package():
    from eccvkit.claims import VERDICTS

    assert tuple(volume_pages.VERDICTS) == VERDICTS


def test_ledger_carries_every_field_of_a_claim(chapter):
    text = volume_pages.ledger([chapter])
    section = text[text.index("## 8. TopoGAN") :]
    for field in (
        "C1",
        r"Gaps close with the margin $R^k$ \| not\_otherwise",
        "98.9 against 97.8 (MNIST) (Table 1)",
        "0.952 against 0.893",
        r"+0.0589 \[+0.03, +0.08\] AUROC, n = 5",
        "{bdg-success}`reproduced`",
        "Preset lab, seeds 0, 1, 2, 3, 4.",
        "</chapters/08_topogan>",
    ):
        assert field in section
    # Two claims: head row and two rows of six cells.
    assert section.count("\n* - ") == 3
    assert len(re.findall(r"^(?:\* |  )- ", section, re.MULTILINE)) == 18


def test_ledger_counts_verdicts(chapter):
    summary = volume_pages.ledger([chapter, chapter]).split("## ")[0]
    counts = re.findall(r"`([a-z ]+)`\n.*\n  - (\d+)", summary)
    assert dict(counts) == {
        "reproduced": "2",
        "leaning": "0",
        "not reproduced": "0",
        "contradicted": "0",
        "not judged": "2",
    }


def test_an_unknown_verdict_is_not_passed_over(chapter):
    chapter.facts.claims["claims"][0]["verdict"] = "proved"
    with pytest.raises(KeyError, match="proved"):
        volume_pages.ledger([chapter])


def test_questions_of_stored_and_of_planned_chapters(chapter):
    topogan = replace(find("topogan"), questions=("Why *births*?", "And then?"))
    sizer = replace(find("sizer"), questions=("Where is it?",))
    text = volume_pages.questions([sizer, find("forkgan"), topogan], [chapter])
    planned, stored = text.split("### ")[1:]
    assert "not stored yet" in planned and "1. Where is it?" in planned
    assert "</chapters/08_topogan>" in stored and "`eccvkit slides topogan`" in stored
    assert stored.endswith("1. Why \\*births\\*?\n1. And then?\n")
    assert volume_pages.questions([find("forkgan")], [chapter]) == ""


def test_ledger_without_claims_says_so():
    assert "No stored notebook" in volume_pages.ledger([])


def test_gallery_has_one_card_per_paper(chapter):
    text = volume_pages.gallery(papers(), [chapter])
    assert text.count("{grid-item-card}") == 45
    assert text.count(":class-card: ready") == 1
    assert text.count(":class-card: planned") == 44
    card = text[text.index("{grid-item-card} 8.") :].split(":::\n")[0]
    assert ":link: /chapters/08_topogan" in card
    assert ":img-alt: the thumbnail" in card
    assert "{bdg-success}`1 reproduced`" in card
    assert ":class-item: topic-generative-models topic-segmentation" in card


def test_gallery_and_landing_without_notebooks():
    text = volume_pages.gallery(papers(), [])
    assert "Ready to run" not in text
    assert text.count(":class-card: planned") == 45
    assert volume_pages.landing(papers(), []) == "**0 of 45** papers are ready to run.\n"


def test_landing_shows_a_picture_and_the_score(chapter):
    text = volume_pages.landing(papers(), [chapter])
    assert "**1 of 45** papers are ready to run; **1 of 2** tested claims are reproduced" in text
    assert ":alt: the thumbnail" in text


def test_citation_lists_all_papers():
    text = volume_pages.citation(papers())
    assert text.count("```bibtex\n@inproceedings{eccv2020_") == 45
    assert volume_pages.bibliography(papers()).count("@inproceedings{") == 45


def test_api_finds_public_modules_without_importing(tmp_path):
    package = tmp_path / "kit"
    (package / "nn").mkdir(parents=True)
    (package / "__init__.py").write_text('"""The kit."""')
    (package / "__main__.py").write_text('"""Hidden."""')
    (package / "nn" / "__init__.py").write_text("")
    (package / "nn" / "small.py").write_text('"""Small nets.\n\nMore."""\nraise RuntimeError')
    found = api_pages.modules(package)
    assert [(m.name, m.summary) for m in found] == [
        ("kit", "The kit."),
        ("kit.nn.small", "Small nets."),
    ]
    assert ".. automodule:: kit.nn.small" in api_pages.module_page(found[1])


def test_every_module_is_in_the_api_index_once():
    found = [
        api_pages.Module(n, "x") for n in ("eccvkit", "eccvkit.nn", "eccvkit.nnx", "eccvkit.a")
    ]
    text = api_pages.index(found)
    assert [text.count(f"</api/{m.name}>") for m in found] == [1, 1, 1, 1]
    assert text.index("</api/eccvkit.nn>") < text.index("</api/eccvkit.nnx>")


def test_sync_removes_what_is_gone_and_keeps_what_is_equal(tmp_path):
    stale, kept = tmp_path / "chapters" / "01_x.ipynb", tmp_path / "_generated" / "a.md"
    for path in (stale, kept):
        path.parent.mkdir()
        path.write_text("old")
    handwritten = tmp_path / "api" / "index.md"
    handwritten.parent.mkdir()
    handwritten.write_text("mine")
    before = kept.stat().st_mtime_ns
    generate._sync({kept: b"old", tmp_path / "_generated" / "b.md": b"new"}, tmp_path)
    assert not stale.exists()
    assert kept.stat().st_mtime_ns == before
    assert (tmp_path / "_generated" / "b.md").read_text() == "new"
    assert handwritten.read_text() == "mine"


# --- formulas -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latex", "parts"),
    [
        (r"x^2", ["<msup>", "<mi>x</mi>", "<mn>2</mn>"]),
        (r"\boldsymbol{\theta}", ["<mi>𝜽</mi>"]),
        (r"\mathbb E", ["<mi>𝔼</mi>"]),
        (r"\operatorname*{arg\,max}_k", ["arg\u2009max"]),
        (r"\operatorname{softmax}(x)", ["<mo>softmax</mo>"]),
        (r"\begin{aligned}a&=b\\c&=d\end{aligned}", ["<mtable", "<mtr>"]),
    ],
)
def test_formula(latex, parts):
    html = mathml.to_mathml(latex)
    assert html.startswith("<math")
    for part in parts:
        assert part in html


@pytest.mark.parametrize("latex", [r"\foo{x}", r"a & b", r"\left( x", r"\DeclareMathOperator{x}"])
def test_formula_that_would_come_out_wrong(latex):
    with pytest.raises(mathml.MathError):
        mathml.to_mathml(latex)


# --- short names ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module", "meant"),
    [
        ("Config", "eccvkit.papers.b.run", "eccvkit.papers.b.config.Config"),
        ("Pairs", "eccvkit.papers.b.run", "eccvkit.data.pairs.Pairs"),  # not that of paper a
        ("Config", "eccvkit.study", "Config"),  # a paper's own: undecided
        ("Study", "eccvkit.papers.b.run", "eccvkit.study.Study"),
    ],
)
def test_a_short_name_means_the_nearest(name, module, meant):
    known = [
        "eccvkit.papers.a.config.Config",
        "eccvkit.papers.b.config.Config",
        "eccvkit.papers.a.run.Pairs",
        "eccvkit.data.pairs.Pairs",
        "eccvkit.study.Study",
    ]
    assert nearest.nearest(name, module, known) == meant
