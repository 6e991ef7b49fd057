"""What a run leaves behind: ``record.json``, and a folder that is whole or absent.

``DIR/<stem>/<run>/`` holds ``notebook.ipynb``, ``index.html``, a thumbnail and ``record.json``.
While a run lasts, its files lie in ``DIR/<stem>/.<run>.partial-<host>-<pid>/``; the record is
written there last, and the folder gets its name in one move. A process that dies in between leaves
nothing that looks complete.
"""

from __future__ import annotations

import glob
import json
import math
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import psutil

from eccvkit.errors import DataError, EccvkitError

#: Version of the layout of ``record.json``.
FORMAT = 1
RECORD = "record.json"
NOTEBOOK = "notebook.ipynb"
PAGE = "index.html"
THUMBNAIL = "thumbnail.png"
#: Ends the name of a folder that is being replaced.
RETIRED = "-replaced"


class ForeignFormat(DataError):
    """A record that another version of this package wrote."""


@dataclass(frozen=True)
class RunError:
    """Why a run failed.

    Attributes
    ----------
    type : str
        Class of the exception, or ``KernelDied``, ``Timeout``, ``OutOfMemory``, ``WorkerLost``,
        ``SchedulerLost``, ``StoreFailed``, ``CodeChanged``.
    message : str
        One line.
    cell : int or None
        Index of the cell in the executed notebook.
    """

    type: str
    message: str
    cell: int | None = None

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


@dataclass
class Record:
    """One run: what was asked, what came out, where and how long.

    Attributes
    ----------
    slug, stem, title, run : str
        Chapter and name of the run.
    status : {"ok", "failed"}
    error : RunError or None
        None exactly when the status is "ok".
    parameters : dict
        All parameters, defaults included.
    preset, seed, device
        Taken from the parameters (device: the one the notebook reports, if it does).
    versions : dict of str to str
        Python and the libraries the numbers depend on.
    platform : str
    cpu_count, threads : int
        Cores of the machine that could be used, and the run's share of them.
    started : str
        ISO 8601, UTC.
    seconds : float
        Wall time, kernel start included.
    peak_memory_mb : float
        Largest resident memory of the kernel and its children.
    tables : dict
        Rows by table name, from :mod:`eccvkit.outputs`.
    claims : dict or None
        From :mod:`eccvkit.outputs`.
    thumbnail, thumbnail_alt : str
        File name beside the record ("" without a figure) and its alternative text.
    files : list of str
        Everything the run left, relative to its folder.
    key, source, code : str
        Hashes of what the run depends on, see :mod:`eccvkit.runner.fingerprint`.
    sweep : str
        Mark of the call that ordered the run.
    host : str
        Name of the machine.
    faults : list of str
        Why earlier attempts at this run came to nothing, one line each.
    """

    slug: str
    stem: str
    title: str
    run: str
    status: str
    error: RunError | None
    parameters: dict[str, Any]
    preset: str
    seed: int | None
    device: str
    versions: dict[str, str]
    platform: str
    cpu_count: int
    threads: int
    started: str
    seconds: float
    peak_memory_mb: float
    tables: dict[str, list[dict]] = field(default_factory=dict)
    claims: dict[str, Any] | None = None
    thumbnail: str = ""
    thumbnail_alt: str = ""
    files: list[str] = field(default_factory=list)
    key: str = ""
    source: str = ""
    code: str = ""
    sweep: str = ""
    host: str = ""
    faults: list[str] = field(default_factory=list)
    format: int = FORMAT

    @property
    def label(self) -> str:
        """Chapter and run: ``30_rpl/smoke-seed0``."""
        return f"{self.stem}/{self.run}"

    @property
    def claim_rows(self) -> list[dict[str, Any]]:
        """The claims with their verdicts; empty when the notebook judged none."""
        return (self.claims or {}).get("claims", [])

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary for ``record.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Any, source: str = "record") -> Record:
        """Read a dictionary back, checking that it is a record of this format.

        Parameters
        ----------
        data : object
            Parsed JSON.
        source : str
            File name for the error message.

        Raises
        ------
        ForeignFormat
            Of another format version.
        DataError
            Not a record, or with fields missing or of the wrong type.
        """
        if not isinstance(data, dict) or "format" not in data:
            raise DataError(f"{source} is not a record of eccvkit: move it out of the folder")
        if data["format"] != FORMAT:
            raise ForeignFormat(
                f"{source} has format version {data['format']!r}, this eccvkit reads {FORMAT}: "
                "run the notebook again or use the version that wrote it"
            )
        known = {f.name for f in fields(cls)}
        values = {k: v for k, v in data.items() if k in known}
        try:
            values["error"] = RunError(**values["error"]) if values["error"] else None
            record = cls(**values)
            _check_types(record)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{source} is damaged ({str(error).splitlines()[0]}): run the notebook again"
            ) from error
        return record


_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("slug", "stem", "title", "run", "preset", "device", "platform"), str),
    **dict.fromkeys(("started", "thumbnail", "thumbnail_alt"), str),
    **dict.fromkeys(("key", "source", "code", "sweep", "host"), str),
    **dict.fromkeys(("parameters", "versions", "tables"), dict),
    **dict.fromkeys(("cpu_count", "threads"), int),
    **dict.fromkeys(("seconds", "peak_memory_mb"), (int, float)),
    "seed": (int, type(None)),
    "claims": (dict, type(None)),
    "files": list,
    "faults": list,
}


def _check_types(record: Record) -> None:
    for name, kind in _TYPES.items():
        if not isinstance(getattr(record, name), kind):
            raise TypeError(f"{name} is {getattr(record, name)!r}")
    if record.status not in ("ok", "failed") or (record.status == "ok") != (record.error is None):
        raise ValueError(f"status {record.status!r} does not fit error {record.error!r}")
    for claim in record.claim_rows:
        if not isinstance(claim, dict) or not {"id", "text", "verdict"} <= claim.keys():
            raise ValueError("a claim without id, text or verdict")


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old content or the new one, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_record(record: Record, folder: Path) -> None:
    """Write ``record.json`` into a run's folder."""
    text = json.dumps(_finite(record.to_json()), indent=1, ensure_ascii=False)
    write_text(folder / RECORD, text + "\n")


def _finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not have, by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def read_record(path: Path) -> Record:
    """Read one ``record.json``.

    Raises
    ------
    DataError
        Unreadable, not JSON, or not a record; the message names the file.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}): run the notebook again") from error
    return Record.from_json(data, str(path))


def read_records(folder: Path) -> tuple[list[Record], list[DataError]]:
    """Read every finished run below ``folder``, in the order of their names.

    Returns
    -------
    records : list of Record
    problems : list of DataError
        One for each record that cannot be read; the others are unaffected.
    """
    records, problems = [], []
    for path in sorted(folder.glob(f"*/*/{RECORD}")):
        if path.parent.name.startswith("."):
            continue  # a partial folder
        try:
            records.append(read_record(path))
        except DataError as error:
            problems.append(error)
    return records, problems


def check_writable(folder: Path) -> None:
    """Create an output folder if need be and make sure that files can be written into it.

    Raises
    ------
    EccvkitError
        They cannot.
    """
    probe = folder / f".eccvkit-probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise EccvkitError(
            f"cannot write into the output folder {folder} ({error.strerror}): "
            "choose another with --out"
        ) from error


def check_replaceable(folder: Path) -> None:
    """Refuse to replace a folder that holds files but no record of ours.

    Raises
    ------
    EccvkitError
        Such a folder is in the way.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        read_record(folder / RECORD)
    except DataError as error:
        raise EccvkitError(
            f"{folder} is in the way and holds no readable record: "
            "move it, choose another --out, or replace it with --force"
        ) from error


@contextmanager
def run_folder(final: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``final`` if the block succeeds, else vanishes."""
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.partial-{socket.gethostname()}-{os.getpid()}")
    partial.mkdir()
    try:
        yield partial
        _move(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_stale(final: Path, *, alone: bool = False) -> None:
    """Remove what dead processes left of this run; a result they had set aside comes back.

    Parameters
    ----------
    final : Path
        Folder of the finished run.
    alone : bool
        Nobody else works on this run: folders of other machines are stale, too.
    """
    for path in sorted(final.parent.glob(f".{glob.escape(final.name)}.partial-*")):
        host, _, pid = path.name.removesuffix(RETIRED).rpartition(".partial-")[2].rpartition("-")
        dead = host == socket.gethostname() and pid.isdigit() and not _runs_elsewhere(int(pid))
        if alone or dead:
            if path.name.endswith(RETIRED) and not final.exists():
                path.rename(final)
            else:
                shutil.rmtree(path, ignore_errors=True)


def _runs_elsewhere(pid: int) -> bool:
    return pid != os.getpid() and psutil.pid_exists(pid)


def _move(partial: Path, final: Path) -> None:
    """Give ``partial`` its final name; a folder of that name gives way only now."""
    retired = partial.with_name(partial.name + RETIRED)
    if final.exists():
        final.rename(retired)
    partial.rename(final)
    shutil.rmtree(retired, ignore_errors=True)
