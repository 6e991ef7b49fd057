"""``eccvkit slides``: a deck and a handout from each stored chapter."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def slides(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="PAPER", help="Slug, number or notebook file."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every chapter with a stored notebook.")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the files.")
    ] = Path("slides"),
) -> None:
    """Make a talk and a one-page handout from a stored notebook.

    The deck is one HTML file for a browser (arrow keys; S opens the speaker's notes), the handout
    HTML and, through Chromium, PDF. Nothing is executed.
    """
    from eccvkit.errors import EccvkitError
    from eccvkit.runner.handout import build_handout, find_chromium, print_one_page
    from eccvkit.runner.notebook import locate_all
    from eccvkit.runner.record import check_writable, write_text
    from eccvkit.runner.slides import build_deck
    from eccvkit.volume import find

    if bool(names) == every:
        raise EccvkitError("name one or more papers, or give --all: eccvkit slides rpl")
    paths = locate_all(["all"] if every else names)
    chapters = [(find(path.stem), path) for path in paths]
    # All of them before the first is written: a chapter that makes no talk leaves no half set.
    pages = [(p.stem, build_deck(path, p), build_handout(path, p)) for p, path in chapters]
    check_writable(out)
    handouts = []
    for stem, deck, handout in pages:
        write_text(out / f"{stem}.slides.html", deck)
        print(out / f"{stem}.slides.html")
        write_text(out / f"{stem}.handout.html", handout)
        print(out / f"{stem}.handout.html")
        handouts.append(out / f"{stem}.handout.html")
        # One of an earlier run would not show this page.
        (out / f"{stem}.handout.pdf").unlink(missing_ok=True)
    try:
        find_chromium()
    except EccvkitError as missing:
        print(f"eccvkit: no PDF: {missing}", file=sys.stderr)
        return
    for page in handouts:
        print_one_page(page, page.with_suffix(".pdf"))
        print(page.with_suffix(".pdf"))
