"""One run spec in, one record out: what a worker does for a run."""

from __future__ import annotations

import base64
import io
import platform
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat

import eccvkit
from eccvkit.outputs import Figure, collect
from eccvkit.runner import process
from eccvkit.runner.engine import OnCell, Session, run_notebook
from eccvkit.runner.record import (
    NOTEBOOK,
    PAGE,
    RECORD,
    THUMBNAIL,
    Record,
    RunError,
    write_record,
    write_text,
)
from eccvkit.runner.spec import RunSpec
from eccvkit.runner.store import Store

#: Libraries whose versions a record keeps.
LIBRARIES = ("torch", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "papermill")

#: Width of a thumbnail in pixels: sharp on a dense screen at half of it.
THUMBNAIL_WIDTH = 640

#: Name of the kernel's working folder inside the run's folder; kept if the notebook wrote to it.
SCRATCH = "files"


class Fault(Exception):
    """A run came to nothing for a reason that may not return; it leaves no record.

    Attributes
    ----------
    error : RunError
    """

    def __init__(self, error: RunError):
        super().__init__(str(error))
        self.error = error


def may_pass(error: RunError) -> bool:
    """Whether another attempt may succeed: not if a cell raised, unless memory ran out."""
    passing = ("KernelDied", "Timeout", "OutOfMemory", "WorkerLost", "SchedulerLost", "StoreFailed")
    return (
        error.type in passing
        or error.type.endswith("MemoryError")
        or "DefaultCPUAllocator" in error.message
    )


def execute(
    spec: RunSpec,
    store: Store,
    *,
    sweep: str = "",
    threads: int = 1,
    timeout: float | None = None,
    memory: float | None = None,
    environment: Mapping[str, str] | None = None,
    faults: Sequence[str] = (),
    final: bool = True,
    verify: Callable[[], RunError | None] | None = None,
    on_cell: OnCell | None = None,
    register: Callable[[Session], None] | None = None,
) -> Record:
    """Run one spec and store what it leaves at ``<stem>/<name>``.

    Parameters
    ----------
    spec : RunSpec
    store : Store
        The caller holds the run.
    sweep : str
        Mark of the call that ordered the run.
    threads : int
        Thread share of the kernel.
    timeout : float or None
        Seconds of wall time, kernel start included.
    memory : float or None
        Megabytes of resident memory, kernel and children together.
    environment : mapping, optional
        More variables for the kernel.
    faults : sequence of str
        Why earlier attempts came to nothing; the record keeps them.
    final : bool
        No other attempt will follow: a fault is a result.
    verify : callable or None
        Called after the run; an error that it returns makes the run a failed one.
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
    Fault
        The run may succeed another time, and this attempt is not final; nothing is left behind.
    Interrupted
        The session was stopped; nothing is left behind.
    OSError
        The store cannot be written (a full disk, for example); nothing is left behind.
    """
    started = datetime.now(UTC)
    threading.Thread(target=_warm_up).start()
    with store.folder(spec.label) as folder:
        scratch = folder / SCRATCH
        scratch.mkdir()
        session = Session(
            scratch,
            threads=threads,
            timeout=timeout,
            memory=memory,
            on_cell=on_cell,
            environment=environment,
        )
        if register:
            register(session)
        outcome = run_notebook(spec.notebook, spec.overrides, session)
        if outcome.error and not final and may_pass(outcome.error):
            raise Fault(outcome.error)
        error = outcome.error or (verify() if verify else None)
        if not any(scratch.iterdir()):
            scratch.rmdir()
        # nbconvert takes a second to import: not before the first kernel works.
        from eccvkit.runner.page import render_page

        facts = collect(outcome.notebook)
        record = new_record(spec, error, started, sweep=sweep, faults=faults)
        record.device = str(facts.run.get("device") or record.device)
        # A notebook with tiny tensors may take fewer than its share.
        record.threads = int(facts.run.get("threads") or threads)
        record.seconds = round(outcome.seconds, 3)
        record.peak_memory_mb = round(outcome.peak_memory_mb, 1)
        record.tables, record.claims = facts.tables, facts.claims
        _write_thumbnail(facts.thumbnail, folder, record)
        write_text(folder / NOTEBOOK, nbformat.writes(outcome.notebook) + "\n")
        write_text(folder / PAGE, render_page(outcome.notebook, record))
        record.files = _files(folder)
        write_record(record, folder)
    return record


def _warm_up() -> None:
    """Import what the run will need at its end, while its kernel works."""
    import eccvkit.runner.page  # noqa: F401


def store_failure(
    spec: RunSpec, store: Store, error: RunError, *, sweep: str, faults: Sequence[str] = ()
) -> Record:
    """Store the record of a run that never came to an end; it has no notebook and no page.

    The caller holds the run, and there is no good record of it.

    Raises
    ------
    OSError
        The store cannot be written.
    """
    record = new_record(spec, error, datetime.now(UTC), sweep=sweep, faults=faults)
    record.files = [RECORD]
    with store.folder(spec.label) as folder:
        write_record(record, folder)
    return record


@cache
def versions() -> dict[str, str]:
    """Versions of Python, this package and the libraries the numbers depend on (no import)."""
    found = {"python": platform.python_version(), "eccvkit": eccvkit.__version__}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def new_record(
    spec: RunSpec,
    error: RunError | None,
    started: datetime,
    *,
    sweep: str = "",
    faults: Sequence[str] = (),
) -> Record:
    """Build the record of a run with all that is known without its notebook."""
    preset, seed = spec.parameters.get("preset", ""), spec.parameters.get("seed")
    return Record(
        slug=spec.slug,
        stem=spec.stem,
        title=spec.title,
        run=spec.name,
        status="failed" if error else "ok",
        error=error,
        parameters=spec.parameters,
        preset=str(preset),
        seed=seed if isinstance(seed, int) else None,
        device=str(spec.parameters.get("device", "")),
        versions=versions(),
        platform=f"{platform.system()} {platform.machine()}",
        cpu_count=process.cores(),
        threads=0,
        started=started.isoformat(timespec="seconds"),
        seconds=0.0,
        peak_memory_mb=0.0,
        key=spec.key,
        source=spec.source,
        code=spec.code,
        sweep=sweep,
        host=socket.gethostname(),
        faults=list(faults),
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
