"""Read text files in UTF-8, UTF-16 or UTF-32, with any line ends."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from likewise.errors import InputError

__all__ = [
    "MAX_TEXT_BYTES",
    "decoded",
    "lines_of",
    "marked_encoding",
    "no_text",
    "read_lines",
    "read_text",
    "small_number",
]

MAX_TEXT_BYTES = 128 * 2**20  # two million pairs; LFW's list has 155 thousand bytes

# UTF-32 comes first: its little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_NUMBER = re.compile(r"[0-9]{1,9}")


def marked_encoding(start: bytes) -> str | None:
    """The encoding given by a byte order mark at the start; None without a mark."""
    return next((encoding for mark, encoding in MARKS if start.startswith(mark)), None)


def decoded(content: bytes, where: str | Path) -> str:
    """Decode bytes as text, without a byte order mark.

    Raises:
        InputError: they are neither UTF-8 nor in the encoding of their byte order mark.

    Example:
        >>> decoded("Zoë".encode("utf-16"), "people.txt")
        'Zoë'
    """
    try:
        return content.decode(marked_encoding(content) or "utf-8")
    except UnicodeDecodeError:
        raise no_text(where) from None


def no_text(where: str | Path) -> InputError:
    """The error for bytes that are not text."""
    return InputError(f"{where}: not a text file in UTF-8 or UTF-16; save it as UTF-8")


def read_text(path: Path, limit: int | None = None) -> str:
    """The text of a file: UTF-8, or UTF-16 or UTF-32 with a byte order mark.

    Args:
        path: the file.
        limit: the largest allowed size in bytes; ``MAX_TEXT_BYTES`` if None.

    Raises:
        InputError: it cannot be read, is not text, or is larger than ``limit``.
    """
    most = MAX_TEXT_BYTES if limit is None else limit
    try:
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > most:
        raise InputError(f"{path}: more than {most:,} bytes: too long for a list")
    return decoded(content, path)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, split by ``lines_of``.

    Raises:
        InputError: see ``read_text``.
    """
    return lines_of(read_text(path))


def lines_of(text: str) -> list[str]:
    """Split a text into lines, without their ends.

    Only ``\\n``, ``\\r\\n`` and ``\\r`` end a line: a form feed or U+2028 may be part of a name.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def small_number(text: str) -> int | None:
    """A whole number of up to nine digits, or None; Python's ``int`` accepts far more forms."""
    bare = text.strip()  # strips more kinds of white space than int does
    return int(bare) if _NUMBER.fullmatch(bare) else None
