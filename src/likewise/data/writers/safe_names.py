"""Map any name to one that file systems can hold and the folder reader does not skip."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import PurePosixPath

from likewise.data.image_kind import EXTENSIONS, suffix_of
from likewise.data.paths import is_hidden

__all__ = ["photo_path", "safe_part"]

MAX_BYTES = 255  # of one name, on every common file system
POSIX = re.compile(r"[\0/]")
WINDOWS = re.compile(r'[\0-\x1f<>:"/\\|?*]|[. ]$')
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_part(name: str, *, windows: bool = os.name == "nt") -> str:
    """A name for a file or folder: unchanged if possible, else a safe form.

    The safe form replaces forbidden characters by ``_``, truncates long names, and inserts ``~``
    and eight digits of the name's SHA-256 before the suffix, so that names stay distinct. Hidden
    names (``is_hidden``), which the folder reader skips, are replaced too.

    Args:
        name: any text.
        windows: whether it must be valid on Windows.

    Example:
        >>> safe_part("Zoë.jpg"), safe_part("/m/0abc")
        ('Zoë.jpg', '_m_0abc~ad206ca0')
    """
    forbidden = WINDOWS if windows else POSIX
    plain = forbidden.sub("_", name)
    hidden = is_hidden(plain) or not plain
    device = windows and DEVICES.fullmatch(plain)
    if plain == name and not hidden and not device and len(plain.encode()) <= MAX_BYTES:
        return name
    suffix = PurePosixPath(plain).suffix
    suffix = suffix if suffix.lower() in EXTENSIONS else ""
    mark = "~" + hashlib.sha256(name.encode()).hexdigest()[:8] + suffix
    stem = ("_" if hidden or device else "") + plain.removesuffix(suffix)
    room = MAX_BYTES - len(mark.encode())
    return stem.encode()[:room].decode(errors="ignore") + mark


def photo_path(name: str, identity: str, data: bytes) -> PurePosixPath:
    """The relative path of a photo: ``IDENTITY/NAME``, with an image suffix.

    Example:
        >>> str(photo_path("anna/2004/1.png", "anna", b""))
        'anna/2004/1.png'
        >>> str(photo_path("img/1", "7", b"GIF89a"))
        '7/img/1.gif'
    """
    rest = name.removeprefix(identity + "/")
    parts = [part for part in rest.split("/") if part not in ("", ".")] or ["photo"]
    if PurePosixPath("_" + parts[-1]).suffix.lower() not in EXTENSIONS:
        parts[-1] += suffix_of("", data)
    return PurePosixPath(safe_part(identity), *map(safe_part, parts))
