"""Weights selected by patterns of names, such as ``layer1.*``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from likewise.errors import InputError

__all__ = ["matching"]


def matching(key: str, patterns: Sequence[str], names: Iterable[str]) -> list[str]:
    """The names that match any of the patterns, in their order; ``*`` matches dots too.

    Args:
        key: of the recipe, for the message.
        patterns: with ``*``, ``?`` and ``[…]``.
        names: of weights.

    Raises:
        InputError: a pattern matches no name, which is most likely a typing mistake; names the
            closest ones.

    Example:
        >>> from likewise.training.recipe.name_patterns import matching
        >>> matching("model.freeze", ["conv1.*"], ["conv1.weight", "fc.weight", "fc.bias"])
        ['conv1.weight']
    """
    names = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(f"{key}: {pattern!r} matches no weight; {_near(pattern, names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _near(pattern: str, names: list[str]) -> str:
    parts = {".".join(name.split(".")[:n]) for name in names for n in (1, 2, 3)}
    wanted = pattern.rstrip("*").rstrip(".")
    near = get_close_matches(wanted, sorted(parts), n=3, cutoff=0.5)
    if near:
        return "the closest are " + ", ".join(
            name if name in names else f"{name}.*" for name in near
        )
    tops = dict.fromkeys(name.split(".")[0] + ".*" for name in names if "." in name)
    return f"the weights are {', '.join(tops or names)}"
