"""The bytes of a photo that is a file of its own."""

from __future__ import annotations

from pathlib import Path

from likewise.data.store import MAX_PHOTO_BYTES
from likewise.errors import InputError

__all__ = ["read_photo_file"]


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
