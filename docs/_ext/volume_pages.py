"""Pages written from data: gallery, ledger of claims, questions, citations, landing page.

Every function takes the bibliography and the stored notebooks and returns MyST Markdown. Numbers
and verdicts come from the notebooks' outputs; nothing is typed by hand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from chapters import Chapter

from eccvkit.outputs import effect_text
from eccvkit.volume import Paper

#: Verdicts from best to worst: colour of the badge, and the meaning given on the ledger.
VERDICTS = {
    "reproduced": ("success", "the mean goes the paper's way and the 95% interval excludes zero"),
    "leaning": ("info", "the mean goes the paper's way, but the interval includes zero"),
    "not reproduced": ("warning", "the mean is zero or goes the other way"),
    "contradicted": ("danger", "the interval excludes zero on the other side"),
    "not judged": ("muted", "fewer than three seeds"),
}


def escape(text: object) -> str:
    """Text that Markdown leaves alone; ``$...$`` stays a formula."""
    pieces = re.split(r"(\$[^$]+\$)", " ".join(str(text).split()))
    return "".join(
        piece if piece.startswith("$") and len(piece) > 1 else _escape_plain(piece)
        for piece in pieces
    )


def _escape_plain(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~^$&])", r"\\\1", text)


def badge(verdict: str) -> str:
    """Coloured badge of a verdict; the word says the same as the colour."""
    colour, _ = VERDICTS[verdict]
    return f"{{bdg-{colour}}}`{verdict}`"


def topic_class(topic: str) -> str:
    """CSS class of a topic: ``3D vision`` becomes ``topic-3d-vision``."""
    return "topic-" + re.sub(r"[^a-z0-9]+", "-", topic.lower())


# --- gallery --------------------------------------------------------------------------------


def gallery(papers: Sequence[Paper], chapters: Sequence[Chapter]) -> str:
    """Cards of all papers: large for stored notebooks, compact for planned ones."""
    ready = [c for c in chapters if c.paper]
    stored = {c.paper.slug for c in ready}
    planned = [p for p in papers if p.slug not in stored]
    parts = [_topic_filter(papers)]
    if ready:
        cards = "\n\n".join(_ready_card(c) for c in ready)
        parts.append(f"## Ready to run\n\n::::{{grid}} 1 2 2 3\n:gutter: 3\n\n{cards}\n::::")
    if planned:
        cards = "\n\n".join(_planned_card(p) for p in planned)
        parts.append(f"## Planned\n\n::::{{grid}} 1 2 3 3\n:gutter: 2\n\n{cards}\n::::")
    return "\n\n".join(parts) + "\n"


def _topic_filter(papers: Sequence[Paper]) -> str:
    counts = Counter(topic for p in papers for topic in p.topics)
    choices = [(f".{topic_class(topic)}", topic, n) for topic, n in counts.most_common()]
    return filter_form(".sd-col[class*='topic-']", "papers", "Show only papers on a topic", choices)


def filter_form(items: str, kind: str, label: str, choices: Iterable[tuple[str, str, int]]) -> str:
    """A search field and buttons that ``filter.js`` brings to life; without scripts it is hidden.

    Parameters
    ----------
    items : str
        CSS selector of what is shown or not.
    kind, label : str
        What the items are called; what the buttons are for.
    choices : iterable of (str, str, int)
        Per button: CSS selector of the items that it leaves (themselves, or something in them),
        its text, and their number.
    """
    buttons = "\n".join(
        f'<button type="button" aria-pressed="false" value="{selector}">'
        f"{text} <span>{count}</span></button>"
        for selector, text, count in choices
    )
    return (
        "```{raw} html\n"
        f'<form class="filter" role="search" data-items="{items}" data-kind="{kind}" hidden>\n'
        '<label>Search <input type="search" autocomplete="off"></label>\n'
        '<span role="status"></span>\n'
        f'<div role="group" aria-label="{label}">\n{buttons}\n</div>\n</form>\n```'
    )


def _card(paper: Paper, options: Iterable[str], body: str, badge_role: str) -> str:
    classes = " ".join(topic_class(t) for t in paper.topics)
    badges = " ".join(f"{{{badge_role}}}`{t}`" for t in paper.topics)
    lines = [
        f":::{{grid-item-card}} {paper.number}. {escape(paper.title)}",
        f":class-item: {classes}",
        *options,
        "",
        body,
        "",
        badges,
        ":::",
    ]
    return "\n".join(lines)


def _ready_card(chapter: Chapter) -> str:
    paper = chapter.paper
    options = [
        f":link: /chapters/{chapter.stem}",
        ":link-type: doc",
        f":link-alt: Open chapter {paper.number}, {paper.title}",
        ":class-card: ready",
    ]
    if chapter.facts.thumbnail:
        options += [
            f":img-top: /{thumbnail_path(chapter)}",
            f":img-alt: {' '.join(chapter.facts.thumbnail.alt.split())}",
        ]
    body = f"{escape(paper.idea)}\n\n{verdict_badges(_claims(chapter))}"
    return _card(paper, options, body.rstrip(), "bdg-primary-line")


def _planned_card(paper: Paper) -> str:
    return _card(paper, [":class-card: planned"], "", "bdg-secondary-line")


def thumbnail_path(chapter: Chapter) -> str:
    """Where the thumbnail is written, relative to ``docs/``."""
    return f"_generated/thumbnails/{chapter.stem}.png"


def verdict_badges(claims: Sequence[dict[str, Any]]) -> str:
    """Count of claims per verdict, as badges; empty without claims."""
    counts = Counter(claim["verdict"] for claim in claims)
    return " ".join(badge_count(v, counts[v]) for v in VERDICTS if counts[v])


def badge_count(verdict: str, count: int) -> str:
    """Badge such as "3 reproduced"."""
    return f"{{bdg-{VERDICTS[verdict][0]}}}`{count} {verdict}`"


# --- ledger ---------------------------------------------------------------------------------


def ledger(chapters: Sequence[Chapter]) -> str:
    """Every claim of every stored notebook with the paper's numbers, ours, and the verdict."""
    tested = [c for c in chapters if c.facts.claims]
    if not tested:
        return "No stored notebook tests a claim yet.\n"
    counts = Counter(claim["verdict"] for c in tested for claim in _claims(c))
    rows = [[badge(v), meaning, str(counts[v])] for v, (_, meaning) in VERDICTS.items()]
    summary = _list_table(["Verdict", "Meaning", "Claims"], rows, "verdicts", "20 70 10")
    choices = [(f".sd-bg-{VERDICTS[v][0]}", v, counts[v]) for v in VERDICTS if counts[v]]
    form = filter_form(
        "table.claims tbody tr", "claims", "Show only claims with a verdict", choices
    )
    return "\n\n".join([summary, form, *(_ledger_section(c) for c in tested)]) + "\n"


def _ledger_section(chapter: Chapter) -> str:
    record = chapter.facts.claims
    seeds = ", ".join(str(s) for s in record["seeds"])
    rows = [
        [
            escape(c["id"]),
            escape(c["text"]),
            _with_source(c),
            escape(c["ours"]),
            effect(c),
            badge(c["verdict"]),
        ]
        for c in record["claims"]
    ]
    head = ["Claim", "Statement", "Paper", "Ours", "Effect", "Verdict"]
    return (
        f"## {escape(chapter.title)}\n\n"
        f"{{doc}}`Open the chapter </chapters/{chapter.stem}>`. "
        f"Preset {escape(record['preset'])}, seeds {escape(seeds)}.\n\n"
        + _list_table(head, rows, "claims", "6 27 20 16 18 13")
    )


def _with_source(claim: dict[str, Any]) -> str:
    source = escape(claim.get("source") or "")
    paper = escape(claim.get("paper") or "–")
    return f"{paper} ({source})" if source else paper


def effect(claim: dict[str, Any]) -> str:
    """Mean difference and 95% interval as text: ``+0.059 [+0.030, +0.080] AUROC, n = 5``."""
    numbers = effect_text({**claim, "unit": ""}).replace("-", "−")  # a real minus
    if not numbers:
        return "–"
    unit = f" {claim['unit']}" if claim.get("unit") else ""
    n = f", n = {claim['n']}" if claim.get("n") else ""
    return escape(f"{numbers}{unit}{n}")


def _claims(chapter: Chapter) -> list[dict[str, Any]]:
    return (chapter.facts.claims or {}).get("claims", [])


def _list_table(head: Sequence[str], rows: Sequence[Sequence[str]], css: str, widths: str) -> str:
    lines = ["```{list-table}", ":header-rows: 1", f":class: {css}", f":widths: {widths}", ""]
    for row in (head, *rows):
        lines += [f"{'* -' if i == 0 else '  -'} {cell}" for i, cell in enumerate(row)]
    return "\n".join([*lines, "```"])


# --- questions ------------------------------------------------------------------------------


def questions(papers: Sequence[Paper], chapters: Sequence[Chapter]) -> str:
    """What to discuss about each paper that has questions, stored or not."""
    stored = {c.paper.slug: c.stem for c in chapters if c.paper}
    asked = [paper for paper in papers if paper.questions]
    if not asked:
        return ""
    return (
        "\n\n".join(["## Questions", *(_questions_of(p, stored.get(p.slug)) for p in asked)]) + "\n"
    )


def _questions_of(paper: Paper, stem: str | None) -> str:
    items = "\n".join(f"1. {escape(question)}" for question in paper.questions)
    if stem is None:
        where = "Its chapter is not stored yet."
    else:
        where = f"{{doc}}`Open the chapter </chapters/{stem}>`, or `eccvkit slides {paper.slug}`."
    return f"### {paper.number}. {escape(paper.title)}\n\n{where}\n\n{items}"


# --- citations and landing page -------------------------------------------------------------


def bibliography(papers: Sequence[Paper]) -> str:
    """One BibTeX file with all papers."""
    return "\n\n".join(p.bibtex for p in papers) + "\n"


def citation(papers: Sequence[Paper]) -> str:
    """A folded BibTeX entry per paper."""
    return "\n\n".join(
        f":::{{dropdown}} {p.number}. {escape(p.title)}\n"
        f"{escape(', '.join(p.authors))}. "
        f"[doi:{p.doi}](https://doi.org/{p.doi})\n\n"
        f"```bibtex\n{p.bibtex}\n```\n:::"
        for p in papers
    )


def landing(papers: Sequence[Paper], chapters: Sequence[Chapter]) -> str:
    """State of the volume in one sentence, and the picture of the first chapter that has one."""
    ready = [c for c in chapters if c.paper]
    claims = [claim for c in ready for claim in _claims(c)]
    sentence = f"**{len(ready)} of {len(papers)}** papers are ready to run"
    if claims:
        good = sum(claim["verdict"] == "reproduced" for claim in claims)
        sentence += f"; **{good} of {len(claims)}** tested claims are reproduced"
    parts = [f"{sentence}."]
    if pictured := next((c for c in ready if c.facts.thumbnail), None):
        alt = " ".join(pictured.facts.thumbnail.alt.split())
        parts.append(
            f"```{{figure}} /{thumbnail_path(pictured)}\n:alt: {alt}\n:class: hero\n\n"
            f"A figure from {{doc}}`chapter {pictured.paper.number} </chapters/{pictured.stem}>`: "
            f"{escape(pictured.paper.idea)}\n```"
        )
    return "\n\n".join(parts) + "\n"
