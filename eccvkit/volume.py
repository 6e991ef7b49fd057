"""The bibliography of the volume: who wrote which paper, and what a chapter of ours offers.

Reads ``volume.toml`` next to this file. No heavy imports: the command line and the site use it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from eccvkit.errors import EccvkitError, unknown

#: The three sizes every notebook can run at, smallest first (DESIGN: presets and budgets).
PRESETS = ("smoke", "lab", "gpu")


@dataclass(frozen=True)
class Paper:
    """One paper of the volume as the cards, the gallery and the command line show it.

    Attributes
    ----------
    number : int
        Chapter number in LNCS 12348, 1 to 45.
    slug : str
        Short name; the module is ``eccvkit.papers.<slug>``.
    title : str
    authors : tuple of str
    pages : tuple of (int, int) or None
        First and last page; None where our sources do not print them.
    topics : tuple of str
    idea : str
        One sentence in our own words.
    prerequisites : tuple of str
        What a student should know before opening the chapter.
    related : tuple of str
        Slugs of related chapters.
    code : str
        ``owner/name`` of the official code, or "" where none is known.
    status : str
        "ready" (a notebook exists) or "planned".
    minutes : dict of str to float
        Measured minutes per preset on two CPU cores (gpu: on one GPU); absent where not measured.
    questions : tuple of str
        What a reading group may discuss; empty for planned chapters.
    """

    number: int
    slug: str
    title: str
    authors: tuple[str, ...]
    pages: tuple[int, int] | None
    topics: tuple[str, ...]
    idea: str
    prerequisites: tuple[str, ...]
    related: tuple[str, ...]
    code: str
    status: str
    minutes: dict[str, float]
    questions: tuple[str, ...]

    @property
    def stem(self) -> str:
        """File stem of the notebook, for example ``30_rpl``."""
        return f"{self.number:02d}_{self.slug}"

    @property
    def doi(self) -> str:
        """DOI of the chapter (Springer numbers the chapters of LNCS 12348 in order)."""
        return f"10.1007/978-3-030-58580-8_{self.number}"

    @property
    def bibtex(self) -> str:
        """A BibTeX entry for the paper."""
        pages = f"  pages     = {{{self.pages[0]}--{self.pages[1]}}},\n" if self.pages else ""
        return (
            f"@inproceedings{{eccv2020_{self.slug},\n"
            f"  title     = {{{self.title}}},\n"
            f"  author    = {{{' and '.join(self.authors)}}},\n"
            "  booktitle = {Computer Vision -- ECCV 2020, Part III},\n"
            "  series    = {Lecture Notes in Computer Science},\n"
            "  volume    = {12348},\n"
            f"{pages}"
            "  publisher = {Springer},\n"
            "  year      = {2020},\n"
            f"  doi       = {{{self.doi}}}\n"
            "}"
        )


@cache
def papers() -> tuple[Paper, ...]:
    """All 45 papers in the order of the volume."""
    raw = tomllib.loads(files("eccvkit").joinpath("volume.toml").read_text(encoding="utf-8"))
    return tuple(
        Paper(
            number=p["number"],
            slug=p["slug"],
            title=p["title"],
            authors=tuple(p["authors"]),
            pages=tuple(p["pages"]) if p.get("pages") else None,
            topics=tuple(p["topics"]),
            idea=p["idea"],
            prerequisites=tuple(p["prerequisites"]),
            related=tuple(p["related"]),
            code=p.get("code", ""),
            status=p["status"],
            minutes=dict(p.get("minutes", {})),
            questions=tuple(p.get("questions", ())),
        )
        for p in raw["paper"]
    )


def find(name: str) -> Paper:
    """Look a paper up by slug (``rpl``), number (``30``), or both (``30_rpl``, ``30_rpl.ipynb``).

    Raises
    ------
    UnknownName
        No such paper; the message names the closest slug and all valid ones.
    """
    key = Path(name).name.removesuffix(".ipynb").strip().lower()
    for paper in papers():
        if key in (paper.slug, paper.stem, str(paper.number), f"{paper.number:02d}"):
            return paper
    raise unknown("paper", name, [p.slug for p in papers()])


def notebooks_dir() -> Path:
    """Folder of the stored notebooks: beside the package in a checkout, else ``./notebooks``.

    Raises
    ------
    EccvkitError
        Neither exists.
    """
    for folder in (Path(__file__).resolve().parent.parent / "notebooks", Path("notebooks")):
        if folder.is_dir():
            return folder
    raise EccvkitError(
        "no notebooks folder found: run from a checkout of the repository (it holds notebooks/)"
    )
