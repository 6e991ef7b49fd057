"""The command line: ``eccvkit list | info | run | report | doctor | store | tide``.

Only typer is imported here; every command imports what it needs, so that help answers at once.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from eccvkit.runner.record import Record

# Plain help: the decorated one imports a Markdown parser and takes twice as long.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run the papers of ECCV 2020, Part III, as notebooks, and keep what they show.",
)

Names = Annotated[
    list[str], typer.Argument(metavar="PAPER", help="Slug, number, notebook file, or 'all'.")
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")]
Timeout = Annotated[
    float | None,
    typer.Option(min=1, metavar="SECONDS", help="Stop a run after this time. [default: never]"),
]


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
        code = _complain(f"{error.format_message()} See eccvkit --help.")
    if code == 130:
        print("eccvkit: interrupted; finished runs are kept", file=sys.stderr)
    sys.exit(code)


def _complain(message: str) -> int:
    line = " ".join(message.split())
    print(f"eccvkit: error: {line}", file=sys.stderr)
    return 2


def _console() -> Console:
    from rich.console import Console

    # A pipe or a log has no width: do not fold tables into 80 columns there.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


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
    _console().print(table)


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
        "related": ", ".join(paper.related),
        "official code": f"github.com/{paper.code}" if paper.code else "",
        "minutes": minutes,
        "status": paper.status,
    }.items():
        if value:
            card.add_row(f"[dim]{name}[/]", value)
    console = _console()
    console.print(card)

    path = notebooks_dir() / f"{paper.stem}.ipynb"
    if path.is_file():
        table = Table("Parameter", "Default", "Meaning", box=None, pad_edge=False, show_edge=False)
        for parameter in inspect(path.resolve()).parameters.values():
            table.add_row(parameter.name, parameter.source, parameter.help)
        console.print()
        console.print(table)


@app.command()
def run(
    names: Names,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            metavar="KEY=VALUE",
            help="A parameter; repeatable. lr=1e-3,1e-4 and width=0..8..2 span a grid.",
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="smoke, lab or gpu. [default: the notebook's own]")
    ] = "",
    seed: Annotated[str, typer.Option(help="A seed, or several: 0..4 or 0,2,7.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Notebooks at once.")] = 1,
    out: Out = Path("runs"),
    timeout: Timeout = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace folders that hold no readable record.")
    ] = False,
) -> None:
    """Execute notebooks and report on them.

    Every combination of the parameters is one run. Each leaves its executed notebook, a record
    and a page in DIR/PAPER/RUN; DIR/index.html shows all of them.
    """
    from eccvkit.runner.grid import parse_grid
    from eccvkit.runner.notebook import inspect, locate_all
    from eccvkit.runner.record import check_replaceable, check_writable
    from eccvkit.runner.spec import plan

    shorthands = {"preset": preset, "seed": seed, "device": device}
    given = [f"{key}={value}" for key, value in shorthands.items() if value]
    grid = parse_grid([*given, *(param or [])])
    specs = plan([inspect(path) for path in locate_all(names)], grid)
    out = out.absolute()
    check_writable(out)
    replaced = set()
    for spec in specs:
        folder = out / spec.stem / spec.name
        if not force:
            check_replaceable(folder)
        if folder.exists():
            replaced.add(spec.label)

    from eccvkit.runner.pool import run_all
    from eccvkit.runner.progress import follow
    from eccvkit.runner.report import build_report

    console = _console()
    with follow(console, specs, replaced) as listener:
        result = run_all(specs, out, jobs=jobs, timeout=timeout, listener=listener)
    _print_verdicts(console, result.records)
    if result.records:
        page, _, problems = build_report(out)
        _print_problems(problems)
        console.print(f"report: {page}", soft_wrap=True)
    if not result.ok:
        raise typer.Exit(1)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The --out folder of runs.")],
) -> None:
    """Report again on a folder of runs."""
    from eccvkit.runner.report import build_report

    page, records, problems = build_report(folder.absolute())
    console = _console()
    _print_verdicts(console, records)
    _print_problems(problems)
    console.print(f"report: {page}", soft_wrap=True)
    if problems:
        raise typer.Exit(2)


@app.command()
def doctor(out: Out = Path("runs")) -> None:
    """Check what this machine has and lacks."""
    from rich.table import Table

    from eccvkit.runner.doctor import examine

    table = Table.grid(padding=(0, 2))
    for finding in examine(out):
        remedy = f"[yellow]{finding.remedy}[/]" if finding.remedy else ""
        table.add_row(f"[dim]{finding.name}[/]", finding.value, remedy)
    _console().print(table)


@app.command()
def store(names: Names, timeout: Timeout = None) -> None:
    """Execute notebooks in place, for publication.

    Each runs at its own defaults. Only if it succeeds and its outputs show no error, warning or
    path does the cleaned result replace the file.
    """
    from eccvkit.runner.clean import store as store_notebook
    from eccvkit.runner.notebook import inspect, locate_all

    notebooks = [inspect(path) for path in locate_all(names)]
    console = _console()
    for notebook in notebooks:
        with console.status("") as status:

            def show(done: int, total: int, status=status, stem=notebook.stem) -> None:
                status.update(f"{stem}: cell {done} of {total}")

            seconds = store_notebook(notebook.path, timeout=timeout, on_cell=show)
        console.print(f"stored {notebook.stem} ({seconds:.0f} s)")


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

    analyse(annotations, results, _console(), mask=mask, html=html)


def _print_verdicts(console: Console, records: list[Record]) -> None:
    """Print every claim of the runs: what is claimed, our figures, the interval, the verdict."""
    from rich.markup import escape
    from rich.table import Table

    from eccvkit.outputs import effect_text

    colors = {"reproduced": "green", "leaning": "cyan", "contradicted": "red"}
    table = Table("Run", "Claim", "Ours", "Effect [95%]", "Verdict", box=None, pad_edge=False)
    for index in (0, 4):
        table.columns[index].no_wrap = True
    for record in records:
        for claim in record.claim_rows:
            color = colors.get(claim["verdict"], "yellow")
            table.add_row(
                record.label,
                escape(f"{claim['id']} {claim['text']}"),
                escape(str(claim.get("ours") or "")),
                escape(effect_text(claim)),
                f"[{color}]{escape(claim['verdict'])}[/]",
            )
    if table.row_count:
        console.print(table)


def _print_problems(problems: list) -> None:
    for problem in problems:
        print(f"eccvkit: error: {problem}", file=sys.stderr)
