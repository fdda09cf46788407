"""Where photos are: each a file of its own, or a record inside a larger file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from likewise.errors import InputError

__all__ = [
    "MAX_PHOTO_BYTES",
    "ByteFile",
    "PhotoStore",
    "StoredPhoto",
    "photo_bytes",
    "read_photo_file",
]

MAX_PHOTO_BYTES = 256 * 2**20
"""The most bytes that one encoded photo may take: a length above it is damage, not a photo."""


class PhotoStore(Protocol):
    """One or several files that hold many photos, read at random without being unpacked.

    A store is told the ``place`` of a photo, one int64 whose meaning is the store's own (an
    offset, a row), kept in the manifest's column ``place``. It may be pickled to the worker
    processes that decode, so it opens its files when they are first read.
    """

    def read(self, place: int) -> bytes:
        """The encoded photo at ``place``, as it was stored.

        Raises:
            InputError: the file is damaged there; names the file and the place.
        """


@dataclass(frozen=True)
class StoredPhoto:
    """A photo inside a store: its name, and how to get its bytes when they are wanted.

    Args:
        name: what the photo is called in every output.
        store: the files that hold it.
        place: where in them.
    """

    name: str
    store: PhotoStore
    place: int

    def read(self) -> bytes:
        """The encoded photo.

        Raises:
            InputError: the store is damaged there.
        """
        return self.store.read(self.place)

    def __str__(self) -> str:
        return self.name


def read_photo_file(path: Path) -> bytes:
    """The photo as it is on the disk.

    Raises:
        InputError: it is missing, no plain file, cannot be read, or is too large for a photo.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        if path.stat().st_size > MAX_PHOTO_BYTES:
            raise InputError(f"{path}: more than {MAX_PHOTO_BYTES:,} bytes are no photo")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def photo_bytes(photo: Path | StoredPhoto) -> bytes:
    """The encoded photo, whether it is a file of its own or in a store.

    Raises:
        InputError: see ``read_photo_file`` and ``StoredPhoto.read``.
    """
    return photo.read() if isinstance(photo, StoredPhoto) else read_photo_file(photo)


class ByteFile:
    """A file read at random places, by many threads and processes at once.

    Reads are ``pread``: no shared position, so nothing to lock; and where a memory map would kill
    the process when the file is cut short under it, this gives an error that names the byte. The
    pages come from the same cache.

    Args:
        path: the file.

    Raises:
        InputError: on reading: it is missing, or ends before the bytes asked for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes from ``offset`` on.

        Raises:
            InputError: the file cannot be read, or is shorter than that.
        """
        if self._handle < 0:
            self._open()
        if offset < 0 or size < 0 or offset + size > self.size:
            raise InputError(
                f"{self.path}: {size} bytes at {offset} lie outside its {self.size} bytes; "
                "the file is cut short, or its index is of another one"
            )
        try:
            found = os.pread(self._handle, size, offset)
            while len(found) < size:  # the system may give less at a time (2 GiB on Linux)
                more = os.pread(self._handle, size - len(found), offset + len(found))
                if not more:
                    raise InputError(f"{self.path}: cut short at byte {offset + len(found)}")
                found += more
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from None
        return found

    @property
    def size(self) -> int:
        """The file's bytes, when it was opened."""
        if self._handle < 0:
            self._open()
        return self._size

    def _open(self) -> None:
        try:
            handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file") from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from None
        self._size = os.fstat(handle).st_size
        self._handle = handle

    def __del__(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "_handle": -1}
