"""The errors that Likewise raises on purpose: one clear line each, with an exit code.

``InputError`` says that what was given cannot be right (exit code 2 at the command line);
``LikewiseError`` says that the work failed (exit code 1). Anything else is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InputError", "LikewiseError", "MissingExtra", "one_of"]


class LikewiseError(Exception):
    """The work could not be done; the message says why, and what to do."""

    exit_code = 1


class InputError(LikewiseError, ValueError):
    """An argument, a file or a key is wrong; the message names it and what is allowed."""

    exit_code = 2


class MissingExtra(LikewiseError, ImportError):
    """A feature needs a package that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs an extra package; install it with: pip install 'likewise[{extra}]'"
        )


def one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    """Return ``value`` if it is among ``allowed``; otherwise say which is the nearest.

    Raises:
        InputError: names the argument, the value, the nearest allowed one and all of them.
    """
    choices = sorted(allowed)
    if value in choices:
        return value
    near = get_close_matches(value, choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"{name}: unknown value {value!r}; {hint}choose from: {', '.join(choices)}")
