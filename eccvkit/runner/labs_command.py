"""``eccvkit labs``: chapters as assignments for nbgrader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Chapters as assignments for nbgrader."
)


@app.callback()
def labs() -> None:
    """Chapters as assignments for nbgrader."""


@app.command()
def build(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PAPER]...",
            help="Slug, number or notebook file. [default: every chapter with a notebook]",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the course.")
    ] = Path("course"),
) -> None:
    """Make a course folder: sources with solutions, releases without, and a guide.

    An existing course is extended; what students handed in and their grades stay.
    """
    from eccvkit.runner.labs import README, build_course

    for lab in build_course(names or [], out):
        release = out / "release" / lab.slug / f"{lab.stem}.ipynb"
        print(
            f"{lab.slug}: {len(lab.exercises)} exercises, {lab.automatic:g} points by nbgrader, "
            f"{lab.by_hand:g} by hand: {release}"
        )
    print(f"guide: {out / README}")
