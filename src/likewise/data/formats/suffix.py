"""The ending that a photo's file is given: its own, or that of what its first bytes are."""

from __future__ import annotations

from pathlib import PurePosixPath

from likewise.data.images import EXTENSIONS

__all__ = ["suffix_of"]

STARTS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"BM", ".bmp"),
    (b"GIF8", ".gif"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"P5", ".pgm"),
    (b"P6", ".ppm"),
)


def suffix_of(name: str, data: bytes) -> str:
    """The ending of ``name`` if it is a photo's; else by the bytes, ``.jpg`` if they say nothing.

    Example:
        >>> suffix_of("anna/1.JPG", b""), suffix_of("000123", b"GIF89a")
        ('.jpg', '.gif')
    """
    own = PurePosixPath(name).suffix.lower()
    if own in EXTENSIONS:
        return own
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in STARTS if data.startswith(start)), ".jpg")
