"""A forward-only cursor in a file, which refuses to move past the end."""

from __future__ import annotations

from pathlib import Path

from likewise.data.store import ByteFile
from likewise.errors import InputError

__all__ = ["LINE_LIMIT", "FileCursor"]

LINE_LIMIT = 256  # bytes; lines here are only names


class FileCursor:
    """A position in a file that moves forward only, reading through a small buffer.

    Args:
        path: the file.
        window: bytes read at a time.

    Raises:
        InputError: in any method: the file is missing, or ends too early.
    """

    def __init__(self, path: Path, window: int = 65_536) -> None:
        self.file = ByteFile(path)
        self.place = 0
        self._window = window
        self._held = b""
        self._from = 0

    def fail(self, reason: str) -> InputError:
        """An error to raise, with the file and the position."""
        return InputError(f"{self.file.path}: byte {self.place}: {reason}")

    def skip(self, size: int) -> int:
        """Move past the next ``size`` bytes without reading them; returns their offset."""
        start, left = self.place, self.file.size - self.place
        if not 0 <= size <= left:
            raise self.fail(f"claims {size} bytes, but {left} are left: it is cut short")
        self.place += size
        return start

    def take(self, size: int) -> bytes:
        """Read the next ``size`` bytes, which should be few."""
        start = self.skip(size)
        if not self._from <= start <= start + size <= self._from + len(self._held):
            self._from = start
            more = min(max(self._window, size), self.file.size - start)
            self._held = self.file.read(start, more)
        return self._held[start - self._from :][:size]

    def line(self) -> str:
        """Read up to the end of the line, at most ``LINE_LIMIT`` bytes."""
        found = bytearray()
        while (byte := self.take(1)) != b"\n":
            found += byte
            if len(found) > LINE_LIMIT:
                raise self.fail(f"a line of more than {LINE_LIMIT} bytes: refused")
        return found.decode("utf-8", "replace")
