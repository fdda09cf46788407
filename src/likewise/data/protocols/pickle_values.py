"""What an image in a pickle is, as far as it is looked at: where its bytes stand in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Pixels", "Stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes or text that stand in the file.

    Args:
        offset: where.
        size: how many bytes.
        coding: ``bytes`` as they are, ``text`` for UTF-8, ``latin1`` for bytes that were written
            as UTF-8 text, each a character.
        short: the content itself, where it is short.
    """

    offset: int
    size: int
    coding: Literal["bytes", "text", "latin1"]
    short: bytes = b""


@dataclass(slots=True)
class Pixels:
    """A uint8 NumPy array: its shape and its bytes, once the pickle has told them."""

    shape: tuple[Any, ...] = ()
    data: Stored | None = None
