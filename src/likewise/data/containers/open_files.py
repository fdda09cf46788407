"""A bounded pool of open files, for stores of thousands of files."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from likewise.data.store import ByteFile

__all__ = ["OpenFiles"]

MAX_OPEN = 64  # a process may have only 1,024 file handles, shared by several stores


class OpenFiles:
    """Files by index, opened on access; safe for threads.

    Args:
        paths: the files.
    """

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self._open: dict[int, ByteFile] = {}
        self._lock = Lock()

    def __getitem__(self, number: int) -> ByteFile:
        with self._lock:
            found = self._open.get(number)
            if found is None:
                if len(self._open) >= MAX_OPEN:  # drop the oldest; readers in progress keep it open
                    del self._open[next(iter(self._open))]
                found = self._open[number] = ByteFile(self.paths[number])
            return found

    def __reduce__(self) -> tuple[type[OpenFiles], tuple[list[Path]]]:
        return OpenFiles, (self.paths,)
