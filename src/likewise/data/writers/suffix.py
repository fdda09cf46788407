"""The ending that a photo's file is given: its own, or that of what its first bytes are."""

from __future__ import annotations

from pathlib import PurePosixPath

from likewise.data.image_kind import EXTENSIONS, START_BYTES, kind_of

__all__ = ["suffix_of"]


def suffix_of(name: str, data: bytes) -> str:
    """The ending of ``name`` if it is a photo's; else by the bytes, ``.jpg`` if they say nothing.

    Example:
        >>> suffix_of("anna/1.JPG", b""), suffix_of("000123", b"GIF89a")
        ('.jpg', '.gif')
    """
    own = PurePosixPath(name).suffix.lower()
    if own in EXTENSIONS:
        return own
    return kind_of(data[:START_BYTES]) or ".jpg"
