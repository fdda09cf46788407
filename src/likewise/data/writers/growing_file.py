"""A file that can be continued after a crash, and gets its final name when complete."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from likewise.errors import InputError, LikewiseError, cannot_write

__all__ = ["GrowingFile", "flush_to_disk"]


def flush_to_disk(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to disk.

    Raises:
        LikewiseError: the disk failed, or is full.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise _cannot_write(path, error) from None


class GrowingFile:
    """An append-only file under a hidden name until it is complete.

    Unlike ``storage.new_file``, it can continue after a crash from any size that was flushed.

    Args:
        path: its final name.
        size: the bytes to keep of an earlier file, under either name; 0 starts a new file.

    Raises:
        InputError: the earlier file has fewer bytes.
        LikewiseError: it cannot be written.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        self.partial = self.partial_of(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if size and path.exists():  # completed after the state that is restored
                path.replace(self.partial)
            self.partial.touch()
            self._stream: BinaryIO = self.partial.open("r+b")
            if os.fstat(self._stream.fileno()).st_size < size:
                self._stream.close()
                raise InputError(f"{path}: fewer than {size} bytes are left of it; start again")
            self._stream.truncate(size)
            self._stream.seek(size)
        except OSError as error:
            raise _cannot_write(path, error) from None
        self.size = size

    @staticmethod
    def partial_of(path: Path) -> Path:
        """The hidden name of a file until it is complete."""
        return path.with_name(f".{path.name.removeprefix('.')[:200]}.part")

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            LikewiseError: the disk is full.
        """
        try:
            self._stream.write(data)
        except OSError as error:
            raise _cannot_write(self.path, error) from None
        self.size += len(data)

    def overwrite(self, data: bytes, offset: int) -> None:
        """Overwrite bytes at ``offset``.

        Raises:
            LikewiseError: the disk is full.
        """
        try:
            self._stream.seek(offset)
            self._stream.write(data)
            self._stream.seek(self.size)
        except OSError as error:
            raise _cannot_write(self.path, error) from None

    def push(self) -> None:
        """Hand all bytes to the operating system: they survive a kill, not a power cut.

        Raises:
            LikewiseError: the disk is full.
        """
        try:
            self._stream.flush()
        except OSError as error:
            raise _cannot_write(self.path, error) from None

    def flush(self) -> int:
        """Flush all bytes to disk; returns the size.

        Raises:
            LikewiseError: the disk is full.
        """
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise _cannot_write(self.path, error) from None
        return self.size

    def complete(self) -> None:
        """Flush the file and give it its final name.

        Raises:
            LikewiseError: the disk is full.
        """
        self.flush()
        try:
            self._stream.close()
            self.partial.replace(self.path)
        except OSError as error:
            raise _cannot_write(self.path, error) from None
        flush_to_disk(self.path.parent)


def _cannot_write(path: Path, error: OSError) -> LikewiseError:
    return LikewiseError(cannot_write(path, error, "choose another place"))
