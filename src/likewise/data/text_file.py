"""Text files as people's programs write them: UTF-8 or UTF-16, with any line end, read whole."""

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

# UTF-32's mark for little-endian begins as that of UTF-16 does, so it comes first.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_NUMBER = re.compile(r"[0-9]{1,9}")


def marked_encoding(start: bytes) -> str | None:
    """The encoding that a text's byte order mark names; None without a mark."""
    return next((encoding for mark, encoding in MARKS if start.startswith(mark)), None)


def decoded(content: bytes, where: str | Path) -> str:
    """Bytes as text, without the mark at its start.

    Raises:
        InputError: they are neither UTF-8 nor what their mark says.

    Example:
        >>> decoded("Zoë".encode("utf-16"), "people.txt")
        'Zoë'
    """
    try:
        return content.decode(marked_encoding(content) or "utf-8")
    except UnicodeDecodeError:
        raise no_text(where) from None


def no_text(where: str | Path) -> InputError:
    """What to say of bytes that are no text."""
    return InputError(f"{where}: is no text file in UTF-8 or UTF-16; save it as UTF-8")


def read_text(path: Path, limit: int | None = None) -> str:
    """The text of a file: UTF-8, with or without a mark, or UTF-16 or UTF-32 with one.

    Args:
        path: the file.
        limit: the most bytes it may have; ``MAX_TEXT_BYTES`` if None.

    Raises:
        InputError: it cannot be read, is no text, or is longer than ``limit``.
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
    """The lines of a text file, as ``lines_of`` parts them.

    Raises:
        InputError: see ``read_text``.
    """
    return lines_of(read_text(path))


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their ends.

    A line ends at ``\\n``, ``\\r\\n`` or ``\\r``, and nowhere else: a form feed or U+2028 within a
    name is part of it.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def small_number(text: str) -> int | None:
    """A number of up to nine digits, or None; Python's ``int`` takes much more than that."""
    bare = text.strip()  # which takes more for blanks than int does
    return int(bare) if _NUMBER.fullmatch(bare) else None
