"""Which files are images, judged by the suffix of the name or by the first bytes."""

from __future__ import annotations

from pathlib import PurePosixPath

__all__ = ["EXTENSIONS", "START_BYTES", "kind_of", "suffix_of"]

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".bmp", ".dib", ".webp"}
    | {".tif", ".tiff", ".gif", ".pgm", ".ppm", ".pbm", ".pnm"}
    | {".jp2", ".j2k", ".jpx", ".avif", ".heic", ".heif", ".hif"}
)
START_BYTES = 64
"""The number of leading bytes that ``kind_of`` needs."""

STARTS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"II+\0", ".tif"),
    (b"MM\0+", ".tif"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", ".jp2"),
    (b"\xff\x4f\xff\x51", ".j2k"),
)
NETPBM = {b"1": ".pbm", b"2": ".pgm", b"3": ".ppm", b"4": ".pbm", b"5": ".pgm", b"6": ".ppm"}
BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})  # the possible lengths
HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def kind_of(start: bytes) -> str | None:
    """The suffix of the image format that a file's first bytes belong to; None if of none.

    Args:
        start: the first ``START_BYTES`` of the file, or all of a shorter one.

    Example:
        >>> kind_of(b"GIF89a"), kind_of(b"BMW, Benz and others")
        ('.gif', None)
    """
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return ".webp"
    if start[:2] == b"BM":
        return ".bmp" if int.from_bytes(start[14:18], "little") in BMP_HEADERS else None
    if start[:1] == b"P" and start[2:3].isspace():
        return NETPBM.get(start[1:2])
    if start[4:8] == b"ftyp":
        brands = start[8:START_BYTES]
        if b"avif" in brands or b"avis" in brands:
            return ".avif"
        return ".heic" if any(brand in brands for brand in HEIF) else None
    return next((ending for first, ending in STARTS if start.startswith(first)), None)


def suffix_of(name: str, data: bytes) -> str:
    """The suffix of ``name`` if it is an image's; else that of the content, ``.jpg`` if unknown.

    Example:
        >>> suffix_of("anna/1.JPG", b""), suffix_of("000123", b"GIF89a")
        ('.jpg', '.gif')
    """
    own = PurePosixPath(name).suffix.lower()
    if own in EXTENSIONS:
        return own
    return kind_of(data[:START_BYTES]) or ".jpg"
