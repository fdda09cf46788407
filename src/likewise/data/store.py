"""Access to photo bytes: a photo is a file of its own, or a record inside a larger file."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.errors import InputError

__all__ = [
    "MAX_PHOTO_BYTES",
    "ByteFile",
    "DecodedStore",
    "PhotoStore",
    "StoredPhoto",
    "photo_bytes",
    "read_photo_file",
]

MAX_PHOTO_BYTES = 256 * 2**20
"""The largest encoded photo that is read; a length above it means that the file is damaged."""


class PhotoStore(Protocol):
    """Random access to the photos inside one or several large files, without unpacking them.

    The ``place`` of a photo is an int64 whose meaning only the store knows (an offset, a row); it
    is kept in the manifest's column ``place``. A store is pickled to the worker processes that
    decode, so it opens its files at the first read.
    """

    def read(self, place: int) -> bytes:
        """The encoded photo at ``place``, as it was stored.

        Raises:
            InputError: the file is damaged; names the file and the place.
        """


class DecodedStore(ABC):
    """A store that gives pixels rather than files: photos made in memory, or parts of photos.

    Its photos are decoded by ``image``; ``read`` writes them as PNG, for a copy of the set.
    """

    @abstractmethod
    def image(self, place: int) -> Image.Image | NDArray[np.uint8]:
        """The photo at ``place``: a PIL image, or uint8 [H,W], [H,W,1] or [H,W,3] in RGB.

        Raises:
            LikewiseError: there is none, or it cannot be used.
        """

    def read(self, place: int) -> bytes:
        """The photo at ``place`` as a PNG, without loss."""
        photo = self.image(place)
        if isinstance(photo, np.ndarray):
            photo = Image.fromarray(photo[:, :, 0] if photo.shape[2:] == (1,) else photo)
        out = BytesIO()
        photo.save(out, "PNG", compress_level=1)
        return out.getvalue()


@dataclass(frozen=True)
class StoredPhoto:
    """A photo inside a store; its bytes are read on request.

    Args:
        name: the name of the photo in every output.
        store: reads it.
        place: its place in the store.
    """

    name: str
    store: PhotoStore
    place: int

    def read(self) -> bytes:
        """The encoded photo.

        Raises:
            InputError: the store is damaged at its place.
        """
        return self.store.read(self.place)

    def __str__(self) -> str:
        return self.name


def read_photo_file(path: Path) -> bytes:
    """The content of a photo's own file.

    Raises:
        InputError: the file is missing, not regular, unreadable, or too large for a photo.
    """
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        if path.stat().st_size > MAX_PHOTO_BYTES:
            raise InputError(f"{path}: more than {MAX_PHOTO_BYTES:,} bytes; too large for a photo")
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
    """Random access to a file, by many threads and processes at once.

    It reads by ``pread``, which needs no shared position and no lock. A memory map would kill the
    process if the file were truncated meanwhile; here that is an error that names the byte.

    Args:
        path: the file; opened at the first read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1

    def read(self, offset: int, size: int) -> bytes:
        """``size`` bytes from ``offset`` on.

        Raises:
            InputError: the file is missing, cannot be read, or ends before these bytes.
        """
        if self._handle < 0:
            self._open()
        if offset < 0 or size < 0 or offset + size > self.size:
            raise InputError(
                f"{self.path}: {size} bytes at {offset} lie outside its {self.size} bytes; "
                "the file is cut short, or its index belongs to another file"
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
        """The size of the file in bytes when it was opened."""
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
