"""A file read from its start to its end, never past it, and only where something is wanted."""

from __future__ import annotations

from pathlib import Path

from likewise.data.store import ByteFile
from likewise.errors import InputError

__all__ = ["LINE_LIMIT", "FileCursor"]

LINE_LIMIT = 256  # bytes of a line; what stands in lines here is names


class FileCursor:
    """A place in a file that moves on; nothing beyond the file's end is ever asked for.

    Args:
        path: the file.
        window: bytes read at a time.

    Raises:
        InputError: on any move: the file is missing, or ends before what was asked for.
    """

    def __init__(self, path: Path, window: int = 65_536) -> None:
        self.file = ByteFile(path)
        self.place = 0
        self._window = window
        self._held = b""
        self._from = 0

    def fail(self, reason: str) -> InputError:
        """The error to raise: it names the file and the place."""
        return InputError(f"{self.file.path}: byte {self.place}: {reason}")

    def skip(self, size: int) -> int:
        """Where the next ``size`` bytes stand; the cursor goes past them."""
        start, left = self.place, self.file.size - self.place
        if not 0 <= size <= left:
            raise self.fail(f"promises {size} bytes, but {left} are left: it is cut short")
        self.place += size
        return start

    def take(self, size: int) -> bytes:
        """The next few bytes."""
        start = self.skip(size)
        if not self._from <= start <= start + size <= self._from + len(self._held):
            self._from = start
            more = min(max(self._window, size), self.file.size - start)
            self._held = self.file.read(start, more)
        return self._held[start - self._from :][:size]

    def line(self) -> str:
        """The text up to the end of a line, of at most ``LINE_LIMIT`` bytes."""
        found = bytearray()
        while (byte := self.take(1)) != b"\n":
            found += byte
            if len(found) > LINE_LIMIT:
                raise self.fail(f"a line of more than {LINE_LIMIT} bytes: refused")
        return found.decode("utf-8", "replace")
