"""Write the table of papers into README.md, from ``eccvkit/volume.toml`` (``make readme``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eccvkit.errors import EccvkitError
from eccvkit.volume import Paper, papers

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- papers:begin -->", "<!-- papers:end -->"


def table(volume: Sequence[Paper]) -> str:
    """Return the Markdown table; a paper with a notebook links to it and tells its minutes."""
    rows = ["| No. | Paper | Topics | Minutes at `lab` |", "|--:|---|---|--:|"]
    for paper in volume:
        ready = paper.status == "ready"
        title = f"**[{paper.title}](notebooks/{paper.stem}.ipynb)**" if ready else paper.title
        minutes = f"{paper.minutes['lab']:g}" if ready else "planned"
        rows.append(f"| {paper.number} | {title} | {', '.join(paper.topics)} | {minutes} |")
    return "\n".join(rows)


def updated(text: str, volume: Sequence[Paper]) -> str:
    """Return ``text`` with a new table between the two markers.

    Raises
    ------
    EccvkitError
        The markers are missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise EccvkitError(f"no table of papers: put {BEGIN} and {END} where it belongs")
    return f"{before}{BEGIN}\n{table(volume)}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8"), papers()), encoding="utf-8")
