"""What Sphinx makes of the pages, as files and in a browser."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from nbformat import v4

from eccvkit.volume import find, notebooks_dir, papers

from .built import build
from .made_up import figure, write

# One worker of pytest-xdist runs this file, so that each site is built once.
pytestmark = pytest.mark.xdist_group("site")

#: Limits on the whole site and on each chapter page.
BUILD_SECONDS, PAGE_BYTES = 180, 2e6


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


#: Texts that are hard to read for their contrast.
FAINT = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("colour", ["#757575", "#808080"])
def test_faint_text_is_found(open_page, colour):
    page = open_page()
    page.set_content(f'<p style="color: {colour}">faint</p><p hidden style="color: #eee">no</p>')
    assert page.evaluate(FAINT) == ([] if colour == "#757575" else ["faint: 3.95"])


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
        assert page.evaluate(FAINT) == [], name
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
