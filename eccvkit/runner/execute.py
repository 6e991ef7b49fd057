"""One run spec in, one record out: the unit that the pool, and any other engine, hands around."""

from __future__ import annotations

import base64
import io
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat

import eccvkit
from eccvkit.outputs import Facts, Figure, collect
from eccvkit.runner import process
from eccvkit.runner.engine import OnCell, Outcome, Session, run_notebook
from eccvkit.runner.record import (
    NOTEBOOK,
    PAGE,
    RECORD,
    THUMBNAIL,
    Record,
    run_folder,
    write_record,
    write_text,
)
from eccvkit.runner.spec import RunSpec

#: Libraries whose versions a record keeps.
LIBRARIES = ("torch", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "papermill")

#: Width of a thumbnail in pixels: sharp on a dense screen at half of it.
THUMBNAIL_WIDTH = 640

#: Name of the kernel's working folder inside the run's folder; kept if the notebook wrote to it.
SCRATCH = "files"


def execute(
    spec: RunSpec,
    out: Path,
    *,
    threads: int = 1,
    timeout: float | None = None,
    on_cell: OnCell | None = None,
    register: Callable[[Session], None] | None = None,
) -> Record:
    """Run one spec and store what it leaves in ``out/<stem>/<name>/``.

    Parameters
    ----------
    spec : RunSpec
    out : Path
        Folder of all runs.
    threads : int
        Thread share of the kernel.
    timeout : float or None
        Seconds of wall time, kernel start included.
    on_cell : callable or None
        Called with (cells finished, cells in all) from this thread.
    register : callable or None
        Called with the session before the kernel starts, so that another thread can stop it.

    Returns
    -------
    Record
        Of a failed run too: a failing cell, a dead kernel and a timeout are results.

    Raises
    ------
    Interrupted
        The session was stopped; nothing is left behind.
    OSError
        The folder cannot be written (a full disk, for example); nothing is left behind.
    """
    started = datetime.now(UTC)
    with run_folder(out / spec.stem / spec.name) as folder:
        scratch = folder / SCRATCH
        scratch.mkdir()
        session = Session(scratch, threads=threads, timeout=timeout, on_cell=on_cell)
        if register:
            register(session)
        outcome = run_notebook(spec.notebook, spec.overrides, session)
        if not any(scratch.iterdir()):
            scratch.rmdir()
        # nbconvert takes a second to import: not before the first kernel works (see the pool).
        from eccvkit.runner.page import render_page

        facts = collect(outcome.notebook)
        record = _record(spec, outcome, facts, started, threads)
        _write_thumbnail(facts.thumbnail, folder, record)
        write_text(folder / NOTEBOOK, nbformat.writes(outcome.notebook) + "\n")
        write_text(folder / PAGE, render_page(outcome.notebook, record))
        record.files = _files(folder)
        write_record(record, folder)
    return record


def versions() -> dict[str, str]:
    """Versions of Python, this package and the libraries the numbers depend on (no import)."""
    found = {"python": platform.python_version(), "eccvkit": eccvkit.__version__}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _record(
    spec: RunSpec, outcome: Outcome, facts: Facts, started: datetime, threads: int
) -> Record:
    preset, seed = spec.parameters.get("preset", ""), spec.parameters.get("seed")
    return Record(
        slug=spec.slug,
        stem=spec.stem,
        title=spec.title,
        run=spec.name,
        status="failed" if outcome.error else "ok",
        error=outcome.error,
        parameters=spec.parameters,
        preset=str(preset),
        seed=seed if isinstance(seed, int) else None,
        device=str(facts.run.get("device") or spec.parameters.get("device", "")),
        versions=versions(),
        platform=f"{platform.system()} {platform.machine()}",
        cpu_count=process.cores(),
        # A notebook with tiny tensors may take fewer than its share.
        threads=int(facts.run.get("threads") or threads),
        started=started.isoformat(timespec="seconds"),
        seconds=round(outcome.seconds, 3),
        peak_memory_mb=round(outcome.peak_memory_mb, 1),
        tables=facts.tables,
        claims=facts.claims,
    )


def _write_thumbnail(figure: Figure | None, folder: Path, record: Record) -> None:
    """Store the notebook's thumbnail beside the record, no wider than it is shown."""
    if figure is None:
        return
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(base64.b64decode(figure.png)))
        image.load()
    except (OSError, ValueError):
        return  # the notebook called something a PNG that is none: no picture is not a failure
    if image.width > THUMBNAIL_WIDTH:
        height = round(image.height * THUMBNAIL_WIDTH / image.width)
        image = image.resize((THUMBNAIL_WIDTH, height), Image.Resampling.LANCZOS)
    image.save(folder / THUMBNAIL, optimize=True)
    record.thumbnail, record.thumbnail_alt = THUMBNAIL, figure.alt


def _files(folder: Path) -> list[str]:
    """Everything in the folder, the record to come included."""
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    return sorted(found | {RECORD})
