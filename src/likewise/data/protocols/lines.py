"""The lines of a list, read whole: lists are small, and one that is not is no list."""

from __future__ import annotations

import re
from pathlib import Path

from likewise.errors import InputError

__all__ = ["MAX_LIST_BYTES", "read_lines", "small_number"]

MAX_LIST_BYTES = 128 * 2**20  # two million pairs; LFW's list has 155 thousand bytes

_NUMBER = re.compile(r"[0-9]{1,9}")


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file, without their ends.

    Raises:
        InputError: it cannot be read, is no text, or has more than ``MAX_LIST_BYTES``.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_LIST_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > MAX_LIST_BYTES:
        raise InputError(f"{path}: more than {MAX_LIST_BYTES:,} bytes: too long for a list")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text file") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def small_number(text: str) -> int | None:
    """A number of up to nine digits, or None; Python's ``int`` takes much more than that."""
    bare = text.strip()  # which takes more for blanks than int does
    return int(bare) if _NUMBER.fullmatch(bare) else None
