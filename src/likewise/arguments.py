"""Checks of an argument, with one wording everywhere: its name, its value, what is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

from likewise.errors import InputError

__all__ = ["check_count", "check_number", "full_name", "one_of"]


def check_count(name: str, value: object, *, least: int = 1, most: int | None = None) -> int:
    """Return ``value`` as an int, if it is a whole number from ``least`` to ``most``.

    Raises:
        InputError: it is not.

    Example:
        >>> check_count("k", 0)
        Traceback (most recent call last):
        likewise.errors.InputError: k: 0; must be a whole number of at least 1
    """
    whole = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if whole is None or whole < least or (most is not None and whole > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{name}: {value!r}; must be a whole number {allowed}")
    return whole


def check_number(
    name: str,
    value: object,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return ``value`` as a float, if it is finite and within the bounds.

    Args:
        name: of the argument, for the message.
        value: what was given.
        least, most: the smallest and the largest value allowed.
        above, below: bounds that are not allowed themselves.

    Raises:
        InputError: it is not.

    Example:
        >>> check_number("margin", -0.1, least=0, most=2)
        Traceback (most recent call last):
        likewise.errors.InputError: margin: -0.1; must be a number from 0 to 2
    """
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if math.isfinite(number) and least <= number <= most and above < number < below:
        return number
    raise InputError(f"{name}: {value!r}; must be a {_allowed(least, most, above, below)}")


def one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    """Return ``value`` if it is among ``allowed``.

    Raises:
        InputError: it is not; names the argument, the value, the closest allowed one and all.
    """
    choices = sorted(allowed)
    if isinstance(value, str) and value in choices:
        return value
    near = get_close_matches(str(value), choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"{name}: unknown value {value!r}; {hint}choose from: {', '.join(choices)}")


def _allowed(least: float, most: float, above: float, below: float) -> str:
    if least > -math.inf and most < math.inf:
        return f"number from {least:.6g} to {most:.6g}"
    bounds = [
        f"{word} {bound:.6g}"
        for word, bound in (
            ("above", above),
            ("of at least", least),
            ("of at most", most),
            ("below", below),
        )
        if math.isfinite(bound)
    ]
    return f"number {' and '.join(bounds)}" if bounds else "finite number"


def full_name(kind: Any) -> str:
    """The module and name of a class or function: the same after its module was loaded again."""
    return f"{kind.__module__}.{kind.__qualname__}"
