"""The start page (``notebooks/00_start_here.ipynb``): the volume as a table, and this machine.

Everything comes from the bibliography and from what the stored notebooks tell machines
(:mod:`eccvkit.outputs`); nothing is typed by hand. Neither torch nor a paper is imported here, so
that the page opens at once.
"""

from __future__ import annotations

import base64
import html
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eccvkit.errors import EccvkitError, unknown
from eccvkit.outputs import Figure, collect
from eccvkit.runner import doctor, probe
from eccvkit.runner.notebook import read
from eccvkit.runner.report import VERDICTS, count_verdicts, duration, tally
from eccvkit.volume import PRESETS, Paper, notebooks_dir, papers

#: Stands for "no restriction" in the controls and parameters of the page.
ALL = "all"
STATUSES = ("ready", "planned")

#: Largest width and height of a thumbnail in pixels; shown half as large, so it stays sharp.
THUMBNAIL = (320, 200)


@dataclass(frozen=True)
class Entry:
    """A paper, and what its stored notebook found.

    Attributes
    ----------
    paper : Paper
    verdicts : mapping of str to int
        Number of claims per verdict, best verdict first; empty while the paper is planned.
    thumbnail : bytes
        A small PNG, b"" where there is none.
    alt : str
        Its alternative text.
    """

    paper: Paper
    verdicts: Mapping[str, int]
    thumbnail: bytes = b""
    alt: str = ""


def entries(folder: Path | None = None) -> list[Entry]:
    """All papers in the order of the volume.

    Parameters
    ----------
    folder : Path, optional
        Where the notebooks are; those of this checkout if not given.

    Raises
    ------
    DataError
        A notebook is damaged.
    """
    folder = folder or notebooks_dir()
    return [_entry(paper, folder / f"{paper.stem}.ipynb") for paper in papers()]


def _entry(paper: Paper, path: Path) -> Entry:
    if paper.status != "ready" or not path.is_file():
        return Entry(paper, {})
    facts = collect(read(path))
    verdicts = count_verdicts((facts.claims or {}).get("claims", ()))
    if facts.thumbnail is None:
        return Entry(paper, verdicts)
    return Entry(paper, verdicts, shrink(facts.thumbnail), " ".join(facts.thumbnail.alt.split()))


def shrink(figure: Figure) -> bytes:
    """A stored figure as a PNG that fits into :data:`THUMBNAIL`, in 64 colours."""
    from PIL import Image

    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(base64.b64decode(figure.png))).convert("RGB")
    picture.thumbnail(THUMBNAIL)
    picture.quantize(64, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def select(
    shelf: Iterable[Entry],
    *,
    topic: str = ALL,
    status: str = ALL,
    verdict: str = ALL,
    words: str = "",
) -> list[Entry]:
    """Entries that meet every condition.

    Parameters
    ----------
    shelf : iterable of Entry
    topic, status, verdict : str
        One of the topics in ``volume.toml``, of :data:`STATUSES`, of the verdicts (at least one
        claim came out so), or "all".
    words : str
        All of them must occur in number, title, authors, idea or slug; case does not matter.

    Raises
    ------
    UnknownName
        No such topic, status or verdict.
    """
    for kind, value, valid in (
        ("topic", topic, topics()),
        ("status", status, STATUSES),
        ("verdict", verdict, VERDICTS),
    ):
        if value not in (ALL, *valid):
            raise unknown(kind, value, [ALL, *valid])
    wanted = words.casefold().split()
    return [
        entry
        for entry in shelf
        if topic in (ALL, *entry.paper.topics)
        and status in (ALL, entry.paper.status)
        and verdict in (ALL, *entry.verdicts)
        and all(word in _searched(entry.paper) for word in wanted)
    ]


def topics() -> list[str]:
    """All topics of the volume, in alphabetical order."""
    return sorted({topic for paper in papers() for topic in paper.topics}, key=str.casefold)


def _searched(paper: Paper) -> str:
    fields = (str(paper.number), paper.slug, paper.title, *paper.authors, paper.idea)
    return " ".join(fields).casefold()


# --- the table of papers --------------------------------------------------------------------


def table(shelf: Sequence[Entry]) -> str:
    """HTML table of papers; each notebook that exists is linked by its file name."""
    line = f'<p role="status">{summary(shelf)}</p>'
    if not shelf:
        return line
    columns = ("", "Paper", "Topics", "Verdicts on its claims", "Minutes at lab")
    return line + _html_table(columns, map(_row, shelf))


def summary(shelf: Sequence[Entry]) -> str:
    """How many papers these are, how many are ready, and how their claims came out."""
    counts: Counter[str] = Counter()
    for entry in shelf:
        counts.update(entry.verdicts)
    ready = sum(entry.paper.status == "ready" for entry in shelf)
    text = f"{len(shelf)} of {len(papers())} papers, {ready} of them ready to run"
    claims = tally({verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]})
    return f"{text}; their claims: {claims}." if claims else f"{text}."


def _row(entry: Entry) -> list[str]:
    paper = entry.paper
    title = f"{paper.number}. {html.escape(paper.title)}"
    if paper.status == "ready":
        title = f'<a href="{paper.stem}.ipynb"><b>{title}</b></a>'
    verdicts = "<br>".join(f"{count} {verdict}" for verdict, count in entry.verdicts.items())
    return [
        _image(entry),
        f"{title}<br>{html.escape(paper.idea)}",
        html.escape(", ".join(paper.topics)),
        verdicts or paper.status,
        f"{paper.minutes['lab']:g}" if "lab" in paper.minutes else "",
    ]


def _image(entry: Entry) -> str:
    if not entry.thumbnail:
        return ""
    png = base64.b64encode(entry.thumbnail).decode()
    alt = html.escape(entry.alt, quote=True)
    size = f'width="{THUMBNAIL[0] // 2}" style="max-width:none"'
    return f'<img src="data:image/png;base64,{png}" alt="{alt}" {size}>'


def _html_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table whose cells are HTML already; a theme's colours apply."""
    look = 'style="text-align:left;vertical-align:top"'
    head = "".join(f'<th scope="col" {look}>{name}</th>' for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td {look}>{cell}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def browse(
    *, topic: str = ALL, status: str = ALL, verdict: str = ALL, folder: Path | None = None
) -> None:
    """Show the table of papers below controls that filter it.

    The table is an output of its own: it stays in the stored notebook, where the controls, which
    need a kernel, do nothing.

    Parameters
    ----------
    topic, status, verdict : str
        What the controls are set to first, see :func:`select`.
    folder : Path, optional
        See :func:`entries`.
    """
    import ipywidgets
    from IPython.display import display

    shelf = entries(folder)
    chosen = {"topic": topic, "status": status, "verdict": verdict}
    shown = select(shelf, **chosen)
    offered = {"topic": topics(), "status": STATUSES, "verdict": VERDICTS}
    controls: dict[str, Any] = {
        name: ipywidgets.Dropdown(options=[ALL, *offered[name]], value=value, description=name)
        for name, value in chosen.items()
    }
    controls["words"] = ipywidgets.Text(description="words", placeholder="title, author, idea")
    box = ipywidgets.HBox([*controls.values()], layout={"flex_flow": "row wrap"})
    dead = f"With a running kernel, controls stand here: {', '.join(controls)}."
    display(box._repr_mimebundle_() | {"text/plain": dead}, raw=True)
    handle = display(_bundle(shown), raw=True, display_id=True)

    def update(_change: Any) -> None:
        chosen = {name: control.value for name, control in controls.items()}
        handle.update(_bundle(select(shelf, **chosen)), raw=True)

    for control in controls.values():
        control.observe(update, names="value")


def _bundle(shelf: Sequence[Entry]) -> dict[str, str]:
    lines = [f"{e.paper.number:2d} {e.paper.title} ({e.paper.status})" for e in shelf]
    return {"text/html": table(shelf), "text/plain": "\n".join([summary(shelf), *lines])}


# --- this machine ---------------------------------------------------------------------------


def recorded_times() -> None:
    """Show the recorded minutes of every notebook that is ready, per preset."""
    ready = [p for p in papers() if p.status == "ready"]
    _show_times(ready, lambda paper, preset: f"{paper.minutes[preset]:g} min")


def this_machine(out: Path = Path("runs")) -> None:
    """Show what ``eccvkit doctor`` finds here, and how long every notebook will take.

    Parameters
    ----------
    out : Path
        Where runs would be stored.
    """
    from IPython.display import HTML, display

    findings = [map(html.escape, (f.name, f.value, f.remedy)) for f in doctor.machine(out)]
    display(HTML(_html_table(("This machine", "", "What to do"), findings)))
    try:
        here = probe.speed()
    except EccvkitError as error:
        print(error)
        return
    ready = [p for p in papers() if p.status == "ready"]
    times = {
        (e.paper.slug, e.preset): duration(60 * e.minutes) for e in probe.expected(ready, here)
    }
    print(f"Speed: {here:.2g} times the machine of the recorded minutes.")
    _show_times(ready, lambda paper, preset: times[paper.slug, preset])


def _show_times(ready: Sequence[Paper], text: Callable[[Paper, str], str]) -> None:
    from IPython.display import display

    rows = [
        (paper.stem, *(text(paper, p) if p in paper.minutes else "–" for p in PRESETS))
        for paper in ready
    ]
    linked = [(f'<a href="{stem}.ipynb">{stem}</a>', *times) for stem, *times in rows]
    plain = "\n".join("  ".join(f"{cell:22}" for cell in row).rstrip() for row in rows)
    page = _html_table(("Notebook", *PRESETS), linked)
    display({"text/html": page, "text/plain": plain}, raw=True)
