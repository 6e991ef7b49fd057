"""Runs kept behind a URL: ``s3://bucket/runs``, ``gs://...``, ``sftp://...``, ``memory://...``.

fsspec lists, writes and moves; notebooks travel through papermill's own input and output, which
knows ``s3``, ``gs``, ``abs``, ``adl`` and ``hdfs`` itself and gets all other protocols from here.
Such places know no locks. A run is built in a local folder and uploaded, its record last and under
its name in one step, so that a run without a record is no run.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec
from papermill.iorw import papermill_io

from eccvkit.errors import DataError, EccvkitError
from eccvkit.runner.record import NOTEBOOK, RECORD, ForeignFormat, Record
from eccvkit.runner.store import Hold, lost_attempts, note

#: Protocols that papermill reads and writes itself, each with the extra it needs.
PAPERMILL = {"s3": "s3", "gs": "gcs", "abs": "azure", "adl": "azure", "hdfs": "hdfs"}


class UrlStore:
    """A place behind a URL (see :class:`~eccvkit.runner.store.Store`)."""

    def __init__(self, url: str):
        self.root = url.rstrip("/")
        self.protocol = url.partition("://")[0]
        try:
            self.files, path = fsspec.core.url_to_fs(self.root)
        except (ImportError, ValueError) as error:
            raise EccvkitError(f"cannot use {url}: {str(error).splitlines()[0]}") from error
        self.path = path.rstrip("/")
        if self.protocol not in PAPERMILL:
            papermill_io.register(f"{self.protocol}://", _Texts())

    def check(self) -> None:
        """Make sure that the place can be written to."""
        probe = f"{self.path}/.eccvkit-probe"
        try:
            self.files.makedirs(self.path, exist_ok=True)
            self.files.pipe_file(probe, b"")
            self.files.rm_file(probe)
        except Exception as error:  # every protocol has exceptions of its own
            cause = str(error).splitlines() or [type(error).__name__]
            raise EccvkitError(
                f"cannot write to {self.root} ({cause[0]}): choose another --out"
            ) from error

    def read(self, address: str) -> Record | None:
        """Read a finished run; None where there is none, or only a damaged one."""
        try:
            return self._record(f"{self.path}/{address}/{RECORD}")
        except ForeignFormat:
            raise
        except (DataError, FileNotFoundError):
            return None

    def records(self) -> tuple[list[Record], list[DataError]]:
        """Read all finished runs; the second list names those that cannot be read."""
        self.files.invalidate_cache()
        records, problems = [], []
        for path in sorted(self.files.glob(f"{self.path}/*/*/{RECORD}")):
            try:
                records.append(self._record(path))
            except DataError as error:
                problems.append(error)
        return records, problems

    def _record(self, path: str) -> Record:
        try:
            data = json.loads(self.files.cat_file(path))
        except ValueError as error:
            raise DataError(f"{path} is not JSON ({error}): run the notebook again") from error
        return Record.from_json(data, f"{self.protocol}://{path}")

    @contextmanager
    def hold(self, address: str, sweep: str) -> Iterator[Hold | None]:
        """Note who works on a run; nobody is kept away."""
        stem, _, name = address.partition("/")
        path = f"{self.path}/{stem}/.{name}.lock"
        self.files.makedirs(f"{self.path}/{stem}", exist_ok=True)
        before = b""
        with suppress(FileNotFoundError):
            before = self.files.cat_file(path)
        lost = lost_attempts(before, sweep)
        self.files.pipe_file(path, note(sweep, lost))
        try:
            yield Hold(lost)
        finally:
            with suppress(OSError):
                self.files.rm_file(path)

    @contextmanager
    def folder(self, address: str) -> Iterator[Path]:
        """Give a local folder that is uploaded if the block succeeds."""
        with tempfile.TemporaryDirectory(prefix="eccvkit-upload-") as scratch:
            yield Path(scratch)
            target = f"{self.path}/{address}"
            try:
                self._upload(Path(scratch), target)
            except BaseException:
                if not self.files.exists(f"{target}/{RECORD}"):
                    with suppress(OSError):
                        self.files.rm(target, recursive=True)
                raise

    def _upload(self, folder: Path, target: str) -> None:
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        files.sort(key=lambda p: p.name == RECORD and p.parent == folder)  # the record last
        for path in files:
            name = path.relative_to(folder).as_posix()
            if name == NOTEBOOK:
                papermill_io.write(
                    path.read_text(encoding="utf-8"), f"{self.protocol}://{target}/{name}"
                )
            else:
                self._write(f"{target}/{name}", path.read_bytes())

    def put(self, name: str, text: str) -> str:
        """Write a text file and return where it is."""
        self._write(f"{self.path}/{name}", text.encode())
        return f"{self.root}/{name}"

    def _write(self, path: str, content: bytes) -> None:
        """Write a file that appears whole under its name."""
        parent, _, name = path.rpartition("/")
        self.files.makedirs(parent, exist_ok=True)
        draft = f"{parent}/.{name}.{uuid.uuid4().hex[:8]}.tmp"
        try:
            self.files.pipe_file(draft, content)
            self.files.mv(draft, path)
        except BaseException:
            with suppress(OSError):
                self.files.rm_file(draft)
            raise


class _Texts:
    """Input and output for papermill, over fsspec."""

    def read(self, path: str) -> str:
        with fsspec.open(path, "rt", encoding="utf-8") as stream:
            return stream.read()

    def write(self, text: str, path: str) -> None:
        files, inner = fsspec.core.url_to_fs(path)
        files.makedirs(inner.rpartition("/")[0], exist_ok=True)
        files.pipe_file(inner, text.encode())

    def listdir(self, path: str) -> list[Any]:
        files, inner = fsspec.core.url_to_fs(path)
        return files.ls(inner, detail=False)

    def pretty_path(self, path: str) -> str:
        return path
