"""Amounts as people write them: 2GB of memory, 10min of time."""

from __future__ import annotations

import re
from collections.abc import Mapping

from likewise.errors import InputError

__all__ = ["bytes_of", "bytes_text", "seconds_of"]

BYTES = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
SECONDS = {"MS": 1e-3, "S": 1, "SEC": 1, "MIN": 60, "M": 60, "H": 3600}


def bytes_of(option: str, text: str | None) -> int | None:
    """Bytes of ``2GB``, ``512MiB`` or a plain number.

    Args:
        option: named by the error.
        text: what was written; None stays None.

    Raises:
        InputError: it is no amount of memory.

    Example:
        >>> bytes_of("--max-memory", "1.5GB")
        1500000000
    """
    amount = _amount(option, text, BYTES, "B", "2GB or 512MB")
    return None if amount is None else max(1, round(amount))


def seconds_of(option: str, text: str | None, plain: str = "S") -> float | None:
    """Seconds of ``90s``, ``10min``, ``1h``, ``0.5ms`` or a plain number.

    Args:
        option: named by the error.
        text: what was written; None stays None.
        plain: the unit of a plain number.

    Raises:
        InputError: it is no time.

    Example:
        >>> seconds_of("--max-build", "10min")
        600.0
    """
    return _amount(option, text, SECONDS, plain, "90s or 10min")


def bytes_text(count: int) -> str:
    """Bytes in three digits.

    Example:
        >>> bytes_text(123_456_789)
        '123 MB'
    """
    for unit in ("TB", "GB", "MB", "KB"):
        if count >= BYTES[unit]:
            return f"{count / BYTES[unit]:.3g} {unit}"
    return f"{count} B"


def _amount(
    option: str,
    text: str | None,
    units: Mapping[str, float],
    plain: str,
    example: str,
) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*", text)
    unit = found[2].upper() or plain if found else ""
    if found is None or unit not in units or not float(found[1]) > 0:
        raise InputError(f"{option}: {text!r}; write {example}")
    return float(found[1]) * units[unit]
