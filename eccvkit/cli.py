"""The command line: ``eccvkit COMMAND``, see ``eccvkit --help``.

Only typer is imported here; every command imports what it needs, so that help answers at once.
The commands that run notebooks are in :mod:`eccvkit.runner.commands`.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from eccvkit.runner import commands, labs_command, slides_command
from eccvkit.runner.commands import Names, Timeout, console

# Plain help: the decorated one imports a Markdown parser and takes twice as long.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run the papers of ECCV 2020, Part III, as notebooks, and keep what they show.",
)


def main() -> None:
    """Entry point of the console script: one line per error, and the exit status.

    0 is success, 1 a failed run, 2 a request that cannot be met, 130 an interrupt.
    """
    from eccvkit.errors import EccvkitError

    # A plain `kill` ends a run like Ctrl-C does: no kernel is left behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        code = app(standalone_mode=False)
    except EccvkitError as error:
        code = _complain(str(error))
    except KeyboardInterrupt:  # recent versions of typer return 130 instead
        code = 130
    except Exception as error:
        # Usage errors of typer: the same one line as everybody else's.
        if not hasattr(error, "format_message"):
            raise
        # Click's errors know the command that they are about.
        command = getattr(getattr(error, "ctx", None), "info_name", None)
        where = f"eccvkit {command}" if command in _commands() else "eccvkit"
        code = _complain(f"{error.format_message()} See {where} --help.")
    if code == 130:
        print("eccvkit: interrupted; finished runs are kept", file=sys.stderr)
    sys.exit(code)


def _commands() -> set[str]:
    return {c.name or c.callback.__name__ for c in app.registered_commands}


def _complain(message: str) -> int:
    line = " ".join(message.split())
    print(f"eccvkit: error: {line}", file=sys.stderr)
    return 2


@app.command("list")
def list_papers(
    topic: Annotated[str, typer.Option(help="Only papers of this topic.")] = "",
    ready: Annotated[bool, typer.Option("--ready", help="Only papers with a notebook.")] = False,
) -> None:
    """List the papers of the volume."""
    from rich.table import Table

    from eccvkit.errors import unknown
    from eccvkit.volume import papers

    topics = sorted({t for p in papers() for t in p.topics})
    if topic and topic.lower() not in [t.lower() for t in topics]:
        raise unknown("topic", topic, topics)
    table = Table("No.", "Slug", "Title", "Topics", "Status", box=None, pad_edge=False)
    table.columns[0].justify = "right"
    table.columns[1].no_wrap = True
    for paper in papers():
        fits = not topic or topic.lower() in [t.lower() for t in paper.topics]
        if fits and (paper.status == "ready" or not ready):
            color = "green" if paper.status == "ready" else "dim"
            table.add_row(
                str(paper.number),
                f"[bold]{paper.slug}[/]",
                paper.title,
                ", ".join(paper.topics),
                f"[{color}]{paper.status}[/]",
            )
    console().print(table)


@app.command()
def info(
    slug: Annotated[str, typer.Argument(metavar="PAPER", help="Slug or number of a paper.")],
) -> None:
    """Show a paper and its notebook's parameters."""
    from rich.table import Table

    from eccvkit.runner.notebook import inspect
    from eccvkit.volume import find, notebooks_dir

    paper = find(slug)
    pages = f"pages {paper.pages[0]}-{paper.pages[1]}" if paper.pages else ""
    minutes = ", ".join(f"{preset} {time:g}" for preset, time in paper.minutes.items())
    card = Table.grid(padding=(0, 2))
    for name, value in {
        "paper": f"[bold]{paper.number}. {paper.title}[/]",
        "authors": ", ".join(paper.authors),
        "where": ", ".join(filter(None, ["LNCS 12348", pages, f"doi:{paper.doi}"])),
        "idea": paper.idea,
        "topics": ", ".join(paper.topics),
        "prerequisites": ", ".join(paper.prerequisites),
        "related": ", ".join(
            slug if find(slug).status == "ready" else f"{slug} (planned)" for slug in paper.related
        ),
        "official code": f"github.com/{paper.code}" if paper.code else "",
        "minutes": minutes,
        "status": paper.status,
    }.items():
        if value:
            card.add_row(f"[dim]{name}[/]", value)
    screen = console()
    screen.print(card)

    path = notebooks_dir() / f"{paper.stem}.ipynb"
    if path.is_file():
        table = Table("Parameter", "Default", "Meaning", box=None, pad_edge=False, show_edge=False)
        for parameter in inspect(path.resolve()).parameters.values():
            table.add_row(parameter.name, parameter.source, parameter.help)
        screen.print()
        screen.print(table)


for _command in (
    commands.run,
    commands.sweep,
    commands.report,
    commands.results,
    commands.doctor,
):
    app.command()(_command)
app.add_typer(labs_command.app, name="labs")
app.command()(slides_command.slides)


@app.command()
def store(names: Names, timeout: Timeout = None) -> None:
    """Execute notebooks in place, for publication.

    Each runs at its own defaults. Only if it succeeds and its outputs show no error, warning or
    path does the cleaned result replace the file.
    """
    from eccvkit.runner.clean import store as store_notebook
    from eccvkit.runner.notebook import inspect, locate_all

    notebooks = [inspect(path) for path in locate_all(names)]
    screen = console()
    for notebook in notebooks:
        with screen.status("") as status:

            def show(done: int, total: int, status=status, stem=notebook.stem) -> None:
                status.update(f"{stem}: cell {done} of {total}")

            seconds = store_notebook(notebook.path, timeout=timeout, on_cell=show)
        screen.print(f"stored {notebook.stem} ({seconds:.0f} s)")


@app.command()
def tide(
    annotations: Annotated[Path, typer.Argument(metavar="GT.json", help="COCO annotations.")],
    results: Annotated[Path, typer.Argument(metavar="DETECTIONS.json", help="COCO results.")],
    mask: Annotated[bool, typer.Option("--mask", help="Compare masks instead of boxes.")] = False,
    html: Annotated[
        bool, typer.Option("--html", help="Also write DETECTIONS.tide.html into this folder.")
    ] = False,
) -> None:
    """Say what a detector does wrong, with the tool of paper 33."""
    # The only command that is a paper's own; its module needs neither torch nor a kernel.
    from eccvkit.papers.tide.command import tide as analyse

    analyse(annotations, results, console(), mask=mask, html=html)
