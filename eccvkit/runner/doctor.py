"""What this machine offers a run, and what it lacks. Torch is asked in a process of its own."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

import eccvkit
from eccvkit.errors import EccvkitError
from eccvkit.runner import process
from eccvkit.runner.devices import accelerators
from eccvkit.runner.probe import expected, speed
from eccvkit.runner.report import duration
from eccvkit.volume import notebooks_dir, papers

#: What a run may take at these presets (DESIGN, presets and budgets), in GB.
MEMORY = {"smoke": 2, "lab": 4}


@dataclass(frozen=True)
class Finding:
    """One line of the check.

    Attributes
    ----------
    name, value : str
    remedy : str
        What to do about it; "" when all is well.
    """

    name: str
    value: str
    remedy: str = ""


def examine(out: Path) -> Iterator[Finding]:
    """Look at the machine, and say how long every notebook will take on it.

    Findings come one at a time: asking torch and the probe take seconds.

    Parameters
    ----------
    out : Path
        Where runs would be stored; its disk is the one that counts.
    """
    yield from machine(out)
    yield from _times()


def machine(out: Path) -> Iterator[Finding]:
    """Everything of :func:`examine` but the times."""
    yield Finding("eccvkit", eccvkit.__version__)
    yield Finding("python", f"{platform.python_version()} on {platform.system()}")
    yield from _torch()
    yield Finding("cores", f"{process.cores()} usable of {os.cpu_count()}")
    threads = os.environ.get("OMP_NUM_THREADS")
    yield Finding("threads", f"{threads} (OMP_NUM_THREADS)" if threads else "as many as cores")
    yield _memory()
    yield _disk(out)
    for extra, missing in missing_extras().items():
        remedy = f"pip install 'eccvkit[{extra}]'" if missing else ""
        lacks = "lacks " + ", ".join(missing) if missing else "installed"
        yield Finding(f"extra {extra}", lacks, remedy)
    yield _notebooks()


def _torch() -> Iterator[Finding]:
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        yield Finding("torch", "missing", "pip install eccvkit (it requires torch)")
        return
    yield Finding("torch", version)
    try:
        seen = accelerators()
    except EccvkitError as error:
        yield Finding("device", str(error), "install torch again")
    else:
        without = "mps" if seen.mps else "cpu"
        yield Finding(
            "device", ", ".join(seen.cuda) or f"{without}; preset gpu wants a CUDA device"
        )


def _times() -> Iterator[Finding]:
    """How long each notebook will take here, by a probe of two seconds."""
    try:
        here = speed()
    except EccvkitError as error:
        yield Finding("speed", str(error), "install torch again")
        return
    yield Finding("speed", f"{here:.2g} times the machine of the recorded times")
    for paper in papers():
        times = [
            f"{time.preset} {duration(60 * time.minutes)}"
            + ("" if time.calibrated else " where it was recorded")
            for time in expected([paper], here)
        ]
        if times:
            yield Finding(f"time of {paper.slug}", ", ".join(times))


def _memory() -> Finding:
    free = psutil.virtual_memory().available / 2**30
    fits = " and ".join(preset for preset, needed in MEMORY.items() if free >= needed)
    remedy = "" if fits else "close other programs, or use --jobs 1"
    return Finding("free memory", f"{free:.1f} GB, enough for {fits or 'no notebook'}", remedy)


def _disk(out: Path) -> Finding:
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    return Finding("free disk", f"{free:.1f} GB", "" if free >= 1 else "choose another --out")


def missing_extras() -> dict[str, list[str]]:
    """Return the packages that each extra of ``eccvkit`` still lacks."""
    found: dict[str, list[str]] = {}
    for requirement in metadata.requires("eccvkit") or []:
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", requirement)
        if extra:
            name = re.match(r"[\w.-]+", requirement)[0]
            found.setdefault(extra[1], [])
            try:
                metadata.version(name)
            except metadata.PackageNotFoundError:
                found[extra[1]].append(name)
    return found


def _notebooks() -> Finding:
    try:
        folder = notebooks_dir()
    except EccvkitError as error:
        return Finding("notebooks", "none", str(error))
    stems = [p.stem for p in papers() if (folder / f"{p.stem}.ipynb").is_file()]
    lacking = [p.stem for p in papers() if p.status == "ready" and p.stem not in stems]
    remedy = f"restore {', '.join(lacking)} from version control" if lacking else ""
    return Finding("notebooks", f"{len(stems)} of {len(papers())} papers", remedy)
