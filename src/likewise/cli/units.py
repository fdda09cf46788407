"""Sizes and times as users write them: 2GB of memory, 10min."""

from __future__ import annotations

import re
from collections.abc import Mapping

from likewise.errors import InputError

__all__ = ["format_bytes", "parse_bytes", "parse_seconds"]

BYTES = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
SECONDS = {"MS": 1e-3, "S": 1, "SEC": 1, "MIN": 60, "M": 60, "H": 3600}


def parse_bytes(option: str, text: str | None) -> int | None:
    """Parse ``2GB``, ``512MiB`` or a plain number of bytes; None stays None.

    Args:
        option: the option's name, for the error.
        text: its value.

    Raises:
        InputError: the text is not a size.

    Example:
        >>> parse_bytes("--max-memory", "1.5GB")
        1500000000
    """
    size = _parse(option, text, BYTES, "B", "2GB or 512MB")
    return None if size is None else max(1, round(size))


def parse_seconds(option: str, text: str | None, default_unit: str = "S") -> float | None:
    """Parse ``90s``, ``10min``, ``1h``, ``0.5ms`` or a plain number; None stays None.

    Args:
        option: the option's name, for the error.
        text: its value.
        default_unit: the unit of a plain number; empty to refuse one.

    Returns:
        Seconds.

    Raises:
        InputError: the text is not a time.

    Example:
        >>> parse_seconds("--max-build", "10min")
        600.0
    """
    return _parse(option, text, SECONDS, default_unit, "90s or 10min")


def format_bytes(count: int) -> str:
    """Format a number of bytes with three significant digits.

    Example:
        >>> format_bytes(123_456_789)
        '123 MB'
    """
    for unit in ("TB", "GB", "MB", "KB"):
        if count >= BYTES[unit]:
            return f"{count / BYTES[unit]:.3g} {unit}"
    return f"{count} B"


def _parse(
    option: str, text: str | None, units: Mapping[str, float], default_unit: str, example: str
) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*", text)
    unit = match[2].upper() or default_unit if match else ""
    if match is None or unit not in units or not float(match[1]) > 0:
        raise InputError(f"{option}: {text!r}; write {example}")
    return float(match[1]) * units[unit]
