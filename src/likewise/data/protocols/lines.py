"""Numbers in the lines of a list."""

from __future__ import annotations

import re

__all__ = ["small_number"]

_NUMBER = re.compile(r"[0-9]{1,9}")


def small_number(text: str) -> int | None:
    """A number of up to nine digits, or None; Python's ``int`` takes much more than that."""
    bare = text.strip()  # which takes more for blanks than int does
    return int(bare) if _NUMBER.fullmatch(bare) else None
