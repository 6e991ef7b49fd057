"""The site: what its generators write, and what Sphinx makes of it."""

import base64
import importlib
import io
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbformat import v4
from PIL import Image

from eccvkit.errors import DataError
from eccvkit.outputs import CLAIMS
from eccvkit.volume import find, notebooks_dir, papers

DOCS = Path(__file__).resolve().parent.parent / "docs"
sys.path.insert(0, str(DOCS / "_ext"))
api_pages, chapters, generate, mathml, nearest, volume_pages = map(
    importlib.import_module,
    ("api_pages", "chapters", "generate", "mathml", "nearest", "volume_pages"),
)

# One worker of pytest-xdist runs this file, so that each site is built once.
pytestmark = pytest.mark.xdist_group("site")

#: Limits on the whole site and on each chapter page.
BUILD_SECONDS, PAGE_BYTES = 180, 2e6

RECORD = {
    "preset": "lab",
    "seeds": [0, 1, 2, 3, 4],
    "claims": [
        {
            "id": "C1",
            "text": "Gaps close with the margin $R^k$ | not_otherwise",
            "paper": "98.9 against 97.8 (MNIST)",
            "source": "Table 1",
            "ours": "0.952 against 0.893",
            "effect": 0.0589,
            "low": 0.03,
            "high": 0.08,
            "n": 5,
            "unit": "AUROC",
            "verdict": "reproduced",
        },
        {
            "id": "C2",
            "text": "Exact",
            "paper": "",
            "source": "",
            "ours": "1",
            "effect": None,
            "low": None,
            "high": None,
            "n": 1,
            "unit": "",
            "verdict": "not judged",
        },
    ],
}


def png(grey: int) -> str:
    """A grey picture, different for each value, as base64 text."""
    stream = io.BytesIO()
    Image.new("L", (8, 8), grey).save(stream, "png")
    return base64.b64encode(stream.getvalue()).decode()


def figure(grey: int, alt: str, **metadata):
    return v4.new_output(
        "display_data",
        data={"image/png": png(grey), "text/plain": "<Figure>"},
        metadata={"image/png": {"alt": alt, **metadata}},
    )


def shown(**data):
    return v4.new_output("display_data", data={k.replace("__", "/"): v for k, v in data.items()})


def notebook():
    widget = shown(**{chapters.WIDGET_VIEW: {"model_id": "m"}, "text__plain": "interactive(...)"})
    claims = shown(**{CLAIMS: RECORD, "text__html": "<p>verdicts</p>", "text__plain": "verdicts"})
    solution = {"nbgrader": {"solution": True, "grade": False, "grade_id": "s"}}
    nb = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# 8. A title\n\nSee [below](#claims) and equation {eq}`one`."),
            v4.new_markdown_cell("Inline $x \\in \\mathbb{R}$ and\n\n$$a = b$$ (one)\n"),
            v4.new_markdown_cell("$$\\begin{aligned}a &= b\\\\c &= d\\end{aligned}\\tag{7}$$"),
            v4.new_code_cell("plot()", outputs=[figure(10, "first"), figure(20, "second")]),
            v4.new_code_cell("plot()", outputs=[figure(30, "the thumbnail", thumbnail=True)]),
            v4.new_code_cell("slide()", outputs=[widget]),
            v4.new_code_cell("answer = 42", metadata=solution),
            v4.new_markdown_cell("## Claims"),
            v4.new_code_cell("judge()", outputs=[claims]),
        ]
    )
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python", "language": "python"}
    return nb


def write(folder: Path, name: str, nb=None) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    nbformat.write(nb or notebook(), path)
    return path


@pytest.fixture
def chapter(tmp_path):
    write(tmp_path, "08_topogan.ipynb")
    return chapters.read_chapters(tmp_path)[0]


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


# --- built sites ----------------------------------------------------------------------------


class Page(HTMLParser):
    """Links, ids, pictures, and what a browser would fetch."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.ids, self.images, self.fetched = [], set(), [], []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.update(filter(None, (attrs.get("id"), tag == "a" and attrs.get("name"))))
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "img":
            self.images.append(attrs)
        if tag in ("script", "img", "iframe", "source", "video") and attrs.get("src"):
            self.fetched.append(attrs["src"])
        if tag == "link" and set((attrs.get("rel") or "").split()) & {
            *("stylesheet", "preload", "modulepreload", "icon", "preconnect", "dns-prefetch"),
        }:
            self.fetched.append(attrs["href"])


class Site:
    def __init__(self, root: Path, seconds: float):
        self.root, self.seconds = root, seconds
        # Below _static the theme leaves a template of its own.
        paths = [path for path in root.rglob("*.html") if "_static" not in path.parts]
        self.pages = {path: Page(path) for path in paths}

    def page(self, name: str) -> Page:
        return self.pages[self.root / name]

    def ids(self, target: Path) -> set[str]:
        return self.pages[target].ids

    def broken_links(self) -> list[str]:
        broken = []
        for path, page in self.pages.items():
            for link in page.links + page.fetched:
                url = urlsplit(link)
                if url.scheme or url.netloc:
                    continue
                target = path if not url.path else (path.parent / unquote(url.path)).resolve()
                if not target.is_file():
                    broken.append(f"{path.name}: {link}")
                elif url.fragment and unquote(url.fragment) not in self.ids(target):
                    broken.append(f"{path.name}: {link} (no such place)")
        return broken

    def bytes_of(self, name: str) -> int:
        """Size of a page with its pictures; what all pages share is fetched once."""
        path = self.root / name
        pictures = {image["src"] for image in self.pages[path].images}
        files = [path.parent / src for src in pictures if "/_images/" in src]
        return path.stat().st_size + sum(file.stat().st_size for file in files)

    def pictures_without_alt(self) -> list[str]:
        return [
            f"{path.name}: {image.get('src', '')[:80]}"
            for path, page in self.pages.items()
            for image in page.images
            if not (image.get("alt") or "").strip() or image["alt"] == image.get("src")
        ]

    def fetched_from_elsewhere(self) -> list[str]:
        remote = [
            f"{path.name}: {url}"
            for path, page in self.pages.items()
            for url in page.fetched
            if urlsplit(url).netloc
        ]
        for css in self.root.rglob("*.css"):
            text = css.read_text(encoding="utf-8")
            remote += re.findall(r"(?:@import\s+|url\()['\"]?(?:https?:)?//[^'\")]+", text)
        return remote


def build(tmp_path: Path, notebooks: Path, *, api: bool) -> Site:
    """Build a copy of ``docs/`` with every warning an error."""
    source = tmp_path / "docs"
    ignored = shutil.ignore_patterns("_build", "_generated", "chapters", "eccvkit*.rst")
    shutil.copytree(DOCS, source, ignore=ignored)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    settings = ["-D", f"eccvkit_notebooks={notebooks}", "-D", f"eccvkit_api={int(api)}"]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *settings, str(source), str(tmp_path / "html")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    return Site(tmp_path / "html", time.perf_counter() - start)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Site:
    """All pages but the API, with two made-up chapters."""
    root = tmp_path_factory.mktemp("site")
    write(root / "notebooks", "08_topogan.ipynb")
    start = v4.new_notebook(cells=[v4.new_markdown_cell("# Start here")])
    write(root / "notebooks", "00_start_here.ipynb", start)
    return build(root, root / "notebooks", api=False)


@pytest.fixture(scope="module")
def whole_site(tmp_path_factory) -> Site:
    """The site of this checkout as ``make docs`` builds it."""
    return build(tmp_path_factory.mktemp("whole"), notebooks_dir(), api=True)


@pytest.fixture(params=["site", "whole_site"])
def any_site(request) -> Site:
    return request.getfixturevalue(request.param)


def test_no_broken_links(any_site):
    assert any_site.broken_links() == []


def test_every_picture_has_a_text_alternative(any_site):
    assert any_site.pictures_without_alt() == []


def test_site_works_offline(any_site):
    assert any_site.fetched_from_elsewhere() == []
    # MyST leaves a class "mathjax_ignore" behind; a script or its settings must not be there.
    players = re.compile(r"MathJax|mathjax[^\"' ]*\.js|require\.js|embed-amd")
    assert [p.name for p, page in any_site.pages.items() if players.search(page.text)] == []


def test_whole_site_builds_quickly(whole_site):
    limit = BUILD_SECONDS * float(os.environ.get("ECCVKIT_TIME_FACTOR", "1"))
    assert whole_site.seconds < limit, "too slow on an idle machine; see ECCVKIT_TIME_FACTOR"


def test_chapter_pages_are_small(whole_site):
    names = [f"chapters/{path.stem}.html" for path in notebooks_dir().glob("*.ipynb")]
    sizes = {name: whole_site.bytes_of(name) for name in names}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > PAGE_BYTES} == {}
    # The pictures were counted.
    assert sizes["chapters/30_rpl.html"] > 5e5


def test_chapter_page_of_the_site(site):
    page = site.page("chapters/08_topogan.html")
    alts = [image["alt"] for image in page.images]
    assert [alt for alt in alts if alt in ("first", "second", "the thumbnail")] == [
        "first",
        "second",
        "the thumbnail",
    ]
    assert "Show a solution" in page.text
    assert "interactive(...)" not in page.text
    assert "<math" in page.text
    # The label's number, and the author's tag.
    assert '<span class="eqno">(1)' in page.text
    assert "(7)" in page.text
    assert any(link.endswith("08_topogan.ipynb") for link in page.links)


def test_ledger_page_of_the_site(site):
    text = site.page("ledger.html").text
    assert "98.9 against 97.8 (MNIST) (Table 1)" in text
    assert "+0.0589 [+0.03, +0.08] AUROC, n = 5" in text
    assert "| not_otherwise" in text


def test_questions_page_of_the_site(site):
    page = site.page("reading_group.html")
    assert find("topogan").questions[1] in page.text
    assert "chapters/08_topogan.html" in page.links


def test_gallery_and_landing_lead_to_the_chapter(site):
    assert "chapters/08_topogan.html" in site.page("gallery.html").links
    assert "chapters/00_start_here.html" in site.page("gallery.html").links
    assert "chapters/08_topogan.html" in site.page("index.html").links


def test_site_builds_without_notebooks(tmp_path):
    (tmp_path / "notebooks").mkdir()
    empty = build(tmp_path, tmp_path / "notebooks", api=False)
    assert "No stored notebook" in empty.page("ledger.html").text
    assert empty.broken_links() == []


def test_figure_without_alt_stops_the_build(tmp_path):
    nb = v4.new_notebook(cells=[v4.new_code_cell("x", outputs=[figure(1, "")])])
    write(tmp_path / "notebooks", "08_topogan.ipynb", nb)
    with pytest.raises(AssertionError, match=r"08_topogan\.ipynb, cell 0: figure without alt"):
        build(tmp_path, tmp_path / "notebooks", api=False)


def test_whole_site_documents_the_package(whole_site):
    page = whole_site.page("api/eccvkit.volume.html")
    assert {"eccvkit.volume.Paper", "eccvkit.volume.find"} <= page.ids


# --- in a browser ---------------------------------------------------------------------------

READERS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
}
#: Pictures that are drawn wider or higher than they are (padding, which dark mode adds, apart).
DISTORTED = """images => images
    .filter(i => i.clientWidth && getComputedStyle(i).objectFit === "fill")
    .map(i => {
        const frame = parseFloat(getComputedStyle(i).paddingLeft) * 2;
        const shown = (i.clientWidth - frame) / (i.clientHeight - frame);
        return [i.alt, shown, i.naturalWidth / i.naturalHeight];
    })
    .filter(([alt, shown, stored]) => Math.abs(shown / stored - 1) > 0.05)"""


@pytest.mark.parametrize("reader", READERS)
def test_pages_in_a_browser(whole_site, open_page, artefacts, reader):
    page = open_page(**READERS[reader])
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    for name in ("index", "gallery", "ledger", "guides/students", "chapters/30_rpl"):
        page.goto((whole_site.root / f"{name}.html").as_uri())
        page.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=artefacts / f"site-{reader}-{name.replace('/', '-')}.png")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= READERS[reader]["viewport"]["width"], f"{name} is wider than the screen"
        assert page.locator("img").evaluate_all(DISTORTED) == []
        theme = page.evaluate("document.documentElement.dataset.theme")
        assert theme == ("dark" if reader == "dark" else "light")
    assert faults == []


def test_ledger_is_filtered_by_verdict_from_the_keyboard(site, open_page):
    page = open_page()
    page.goto((site.root / "ledger.html").as_uri())
    rows = page.locator("table.claims tbody tr:visible")
    told = page.locator("form.filter [role=status]")
    assert (rows.count(), told.inner_text()) == (2, "2 of 2 claims")
    page.locator("form.filter input").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator(":focus").get_attribute("aria-pressed") == "true"
    assert page.locator(":focus").inner_text() == "reproduced 1"
    assert (rows.count(), told.inner_text()) == (1, "1 of 2 claims")
    assert "Gaps close" in rows.inner_text()
    page.keyboard.press("Enter")
    assert rows.count() == 2
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("exact")
    assert rows.inner_text().startswith("C2")
    page.keyboard.type(" nonsense")
    assert (rows.count(), told.inner_text()) == (0, "0 of 2 claims")
    assert not page.get_by_role("heading", name=re.compile("^8")).is_visible()


def test_gallery_is_searched_and_filtered_by_topic(site, open_page):
    page = open_page()
    page.goto((site.root / "gallery.html").as_uri())
    cards = page.locator(".sd-col:visible:has(.sd-card)")
    assert cards.count() == 45
    button = page.get_by_role("button", name=re.compile("^open set"))
    button.click()
    assert cards.count() == sum("open set" in p.topics for p in papers())
    assert not page.get_by_role("heading", name="Ready to run").is_visible()
    page.locator("form.filter input").fill("reciprocal")
    assert cards.count() == 1
    button.click()
    page.locator("form.filter input").fill("topogan")
    assert page.get_by_role("heading", name="Ready to run").is_visible()
    assert cards.count() == 1


def test_without_scripts_there_is_everything_but_the_filter(site, open_page):
    page = open_page(java_script_enabled=False)
    page.goto((site.root / "ledger.html").as_uri())
    assert page.locator("table.claims tbody tr:visible").count() == 2
    assert not page.locator("form.filter").is_visible()


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
