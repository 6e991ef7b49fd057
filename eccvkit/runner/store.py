"""Where runs are kept: a folder, or with :mod:`eccvkit.runner.remote` a URL that fsspec knows.

A store holds finished runs, each whole or absent, at ``<stem>/<run>``, the sources of the notebooks
that are being run in ``.sources``, and the report. While a run lasts it is *held*: a lock file
beside its folder keeps a second sweep from doing the same work, and tells the next one who was at
it should the holder die.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eccvkit.errors import DataError
from eccvkit.runner.record import (
    RECORD,
    ForeignFormat,
    Record,
    check_writable,
    read_record,
    read_records,
    remove_stale,
    run_folder,
    write_text,
)

try:
    import fcntl
except ImportError:  # Windows: no lock between processes; names are unique all the same
    fcntl = None  # type: ignore[assignment]

SOURCES = ".sources"


@dataclass(frozen=True)
class Hold:
    """The right to work on a run.

    Attributes
    ----------
    lost : tuple of str
        Attempts of the same sweep that ended with the death of their process, one line each.
    """

    lost: tuple[str, ...] = ()


class Store(Protocol):
    """What the runner asks of a place for runs; an address is ``<stem>/<run>``."""

    root: str

    def check(self) -> None:
        """Create the place if need be and make sure that it can be written to."""

    def read(self, address: str) -> Record | None:
        """Read a finished run; None where there is none, or only a damaged one.

        Raises
        ------
        ForeignFormat
            Another version of the package wrote it.
        """

    def records(self) -> tuple[list[Record], list[DataError]]:
        """Read all finished runs; the second list names those that cannot be read."""

    def hold(self, address: str, sweep: str) -> AbstractContextManager[Hold | None]:
        """Hold a run while the block lasts; None when somebody else does."""

    def folder(self, address: str) -> AbstractContextManager[Path]:
        """Give a local folder whose files become the run if the block succeeds."""

    def put(self, name: str, text: str) -> str:
        """Write a text file and return where it is."""


def open_store(out: str | Path) -> Store:
    """Return the store at a path or URL.

    Raises
    ------
    EccvkitError
        A URL whose protocol needs a package that is missing.
    """
    text = str(out)
    if "://" in text and not text.startswith("file://"):
        from eccvkit.runner.remote import UrlStore

        return UrlStore(text)
    return FolderStore(Path(text.removeprefix("file://")).absolute())


class FolderStore:
    """A folder, on this machine or shared by several (see :class:`Store`)."""

    def __init__(self, path: Path):
        self.path = path
        self.root = str(path)

    def check(self) -> None:
        """Create the folder if need be and make sure that it can be written to."""
        check_writable(self.path)

    def read(self, address: str) -> Record | None:
        """Read a finished run; None where there is none, or only a damaged one."""
        try:
            return read_record(self.path / address / RECORD)
        except ForeignFormat:
            raise
        except DataError:
            return None

    def records(self) -> tuple[list[Record], list[DataError]]:
        """Read all finished runs; the second list names those that cannot be read."""
        return read_records(self.path)

    @contextmanager
    def hold(self, address: str, sweep: str) -> Iterator[Hold | None]:
        """Hold a run while the block lasts; None when somebody else does."""
        final = self.path / address
        if not self.path.is_dir():
            raise FileNotFoundError(
                errno.ENOENT, "this machine does not see the output folder", self.root
            )
        final.parent.mkdir(exist_ok=True)
        path = final.with_name(f".{final.name}.lock")
        descriptor, alone = _lock(path)
        if descriptor is None:
            yield None
            return
        try:
            before = os.read(descriptor, 2**16)
            if before:  # its holder died
                remove_stale(final, alone=alone)
            lost = lost_attempts(before, sweep)
            size = os.pwrite(descriptor, note(sweep, lost), 0)
            os.truncate(descriptor, size)
            yield Hold(lost)
        finally:
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)

    @contextmanager
    def folder(self, address: str) -> Iterator[Path]:
        """Give a folder that becomes the run if the block succeeds."""
        with run_folder(self.path / address) as partial:
            yield partial

    def put(self, name: str, text: str) -> str:
        """Write a text file and return where it is."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        write_text(path, text)
        return str(path)


def _lock(path: Path) -> tuple[int | None, bool]:
    """Open and lock a file; no descriptor when another process has it.

    The second value says whether the lock keeps others away. It dies with its holder.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _still_at(path, descriptor):
                return descriptor, fcntl is not None
        except BlockingIOError:
            os.close(descriptor)
            return None, True
        except OSError as error:
            # Some shared folders know no locks: unique names are what remains.
            if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                return descriptor, False
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last holder removed it between our opening and our locking


def _still_at(path: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def note(sweep: str, lost: tuple[str, ...]) -> bytes:
    """What the holder of a run writes down for the case of its death."""
    by = f"{socket.gethostname()}, pid {os.getpid()}"
    return json.dumps({"sweep": sweep, "by": by, "lost": lost}).encode()


def lost_attempts(note: bytes, sweep: str) -> tuple[str, ...]:
    """Attempts that died, from what the last holder wrote; those of another sweep do not count."""
    with suppress(ValueError, KeyError, TypeError):
        told = json.loads(note)
        if told["sweep"] == sweep:
            return (*told["lost"], f"WorkerLost: the worker died during the run ({told['by']})")
    return ()
