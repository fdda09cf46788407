"""References to image bytes inside a pickle file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Pixels", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes or text in the file, not read.

    Args:
        offset: their offset in the file.
        size: their number of bytes.
        coding: ``bytes``, ``text`` for UTF-8, or ``latin1`` for bytes that were written as UTF-8
            text, one character per byte.
        short: the content itself, if it is short.
    """

    offset: int
    size: int
    coding: Literal["bytes", "text", "latin1"]
    short: bytes = b""


@dataclass(slots=True)
class Pixels:
    """A uint8 NumPy array; its shape and bytes are set when the pickle gives them."""

    shape: tuple[Any, ...] = ()
    data: Stored | None = None
