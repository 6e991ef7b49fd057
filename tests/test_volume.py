"""The bibliography is complete, consistent, clean, and cheap to import."""

import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from itertools import pairwise

import pytest

from eccvkit.errors import UnknownName
from eccvkit.volume import PRESETS, find, notebooks_dir, papers

PAPERS = papers()
RAW = tomllib.loads(files("eccvkit").joinpath("volume.toml").read_text(encoding="utf-8"))
each_paper = pytest.mark.parametrize("paper", PAPERS, ids=lambda p: p.slug)


def test_45_papers_in_the_order_of_the_book():
    assert [p.number for p in PAPERS] == list(range(1, 46))


def test_slugs_are_unique_module_names():
    slugs = [p.slug for p in PAPERS]
    assert len(set(slugs)) == 45
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", s) for s in slugs)


def test_no_unknown_keys():
    # A misspelt optional key ("page", "minute") would otherwise be dropped in silence.
    known = set(PAPERS[0].__dataclass_fields__)
    assert {key for raw in RAW["paper"] for key in raw} <= known


@each_paper
def test_text_fields_are_clean(paper):
    names = (paper.title, *paper.authors)
    for text in (*names, paper.idea, *paper.prerequisites):
        assert text == text.strip()
        assert text
        # Markup, LaTeX and footnote marks of the sources must not leak in.
        assert not re.search(r"[<>$\\{}*_^⊠]|\s{2,}", text), text
    for name in paper.authors:
        assert not re.search(r"[\d,()@]", name), name
        assert len(name.split()) >= 2, f"{name}: full name expected"
    assert not paper.title.endswith(".")
    assert len(set(paper.authors)) == len(paper.authors)


@each_paper
def test_idea_is_one_sentence(paper):
    assert paper.idea.endswith(".")
    assert ". " not in paper.idea
    assert 60 <= len(paper.idea) <= 200


@each_paper
def test_topics_come_from_the_list(paper):
    assert 1 <= len(paper.topics) <= 3
    assert set(paper.topics) <= set(RAW["topics"])


def test_topic_list_has_no_duplicates_and_no_unused_entry():
    topics = RAW["topics"]
    assert len(set(topics)) == len(topics)
    assert set(topics) == {t for p in PAPERS for t in p.topics}


@each_paper
def test_links_to_other_chapters(paper):
    assert 2 <= len(paper.related) <= 4
    assert paper.slug not in paper.related
    assert len(set(paper.related)) == len(paper.related)
    assert set(paper.related) <= {p.slug for p in PAPERS}


@each_paper
def test_small_lists_status_and_code(paper):
    assert 2 <= len(paper.prerequisites) <= 4
    assert paper.status in ("ready", "planned")
    assert re.fullmatch(r"(?:[\w.-]+/[\w.-]+)?", paper.code)


def test_minutes_are_given_for_ready_chapters_only():
    for paper in PAPERS:
        # gpu is stated only once it was measured on one
        needed = {"smoke", "lab"} if paper.status == "ready" else set()
        assert needed <= set(paper.minutes) <= (set(PRESETS) if needed else set())
        assert all(m > 0 for m in paper.minutes.values())


def test_rpl_is_ready():
    assert find("rpl").status == "ready"


def test_pages_increase_without_overlap():
    known = [p.pages for p in PAPERS if p.pages]
    assert all(first < last for first, last in known)
    assert all(a[1] < b[0] for a, b in pairwise(known))


def test_neighbours_with_known_pages_leave_no_gap():
    # The book is printed without blank pages between chapters.
    for a, b in pairwise(PAPERS):
        if a.pages and b.pages:
            assert b.pages[0] == a.pages[1] + 1, (a.slug, b.slug)


def test_bibtex_of_one_paper():
    assert find("rpl").bibtex == (
        "@inproceedings{eccv2020_rpl,\n"
        "  title     = {Learning Open Set Network with Discriminative Reciprocal Points},\n"
        "  author    = {Guangyao Chen and Limeng Qiao and Yemin Shi and Peixi Peng and Jia Li and "
        "Tiejun Huang and Shiliang Pu and Yonghong Tian},\n"
        "  booktitle = {Computer Vision -- ECCV 2020, Part III},\n"
        "  series    = {Lecture Notes in Computer Science},\n"
        "  volume    = {12348},\n"
        "  pages     = {507--522},\n"
        "  publisher = {Springer},\n"
        "  year      = {2020},\n"
        "  doi       = {10.1007/978-3-030-58580-8_30}\n"
        "}"
    )


def test_bibtex_without_known_pages_has_no_pages_field():
    unknown_pages = next(p for p in PAPERS if p.pages is None)
    assert "pages" not in unknown_pages.bibtex


@pytest.mark.parametrize("name", ["rpl", "30", "30_rpl", "30_rpl.ipynb", "notebooks/30_rpl.ipynb"])
def test_find_accepts(name):
    assert find(name).slug == "rpl"


def test_find_accepts_one_digit_with_and_without_zero():
    assert find("2").slug == find("02").slug == "limp"


def test_unknown_paper_is_told_the_closest_name():
    with pytest.raises(UnknownName, match="did you mean 'topogan'") as error:
        find("topgan")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["0", "46", "", "030"])
def test_numbers_outside_the_book_are_unknown(name):
    with pytest.raises(UnknownName):
        find(name)


def test_notebooks_dir_of_a_checkout():
    assert notebooks_dir().name == "notebooks"


def test_import_is_light():
    heavy = {"torch", "matplotlib", "numpy", "pandas", "scipy", "IPython"}
    code = (
        "import sys; from eccvkit.volume import papers; papers();"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
