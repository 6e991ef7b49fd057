"""A disk that is full, for systems that do not let us mount a small one."""

from __future__ import annotations

import errno

import fsspec
from fsspec.implementations.memory import MemoryFileSystem


class FullFileSystem(MemoryFileSystem):
    """Files in memory, ``room`` bytes in all: ``full://``."""

    protocol = "full"
    store: dict = {}  # noqa: RUF012 (fsspec shares it between instances on purpose)
    pseudo_dirs = [""]  # noqa: RUF012
    room = 0

    @classmethod
    def install(cls, room: int) -> None:
        """Make it known to fsspec, empty."""
        fsspec.register_implementation("full", cls, clobber=True)
        cls.store.clear()
        cls.room = room

    def pipe_file(self, path, value, **kwargs):
        taken = sum(len(f.getbuffer()) for f in self.store.values())
        if taken + len(value) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().pipe_file(path, value, **kwargs)
