"""Many files of which only some are open at once, for stores of thousands of them."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from likewise.data.store import ByteFile

__all__ = ["OpenFiles"]

MAX_OPEN = 64  # a process has 1,024 handles, often fewer, and a store is not alone


class OpenFiles:
    """Files by their number, opened when they are asked for; threads may share it.

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
                if len(self._open) >= MAX_OPEN:  # the oldest; readers at work keep theirs open
                    del self._open[next(iter(self._open))]
                found = self._open[number] = ByteFile(self.paths[number])
            return found

    def __reduce__(self) -> tuple[type[OpenFiles], tuple[list[Path]]]:
        return OpenFiles, (self.paths,)
