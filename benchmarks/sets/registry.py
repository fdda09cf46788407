"""The sets by name."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.sets.characters import omniglot_60, omniglot_900
from benchmarks.sets.emoji import emoji, emoji_few
from benchmarks.sets.faces import lfw_aligned, lfw_few, lfw_raw, orl
from benchmarks.sets.fonts import fonts
from benchmarks.sets.patches import patches
from benchmarks.sets.split import Split
from likewise.errors import InputError

SETS: dict[str, Callable[[], Split]] = {
    "orl": orl,
    "lfw-aligned": lfw_aligned,
    "lfw-few": lfw_few,
    "lfw-raw": lfw_raw,
    "omniglot-60": omniglot_60,
    "omniglot-900": omniglot_900,
    "emoji": emoji,
    "emoji-few": emoji_few,
    "patches": patches,
    "fonts": fonts,
}


def list_sets() -> list[str]:
    """The names of the sets."""
    return list(SETS)


def load_set(name: str) -> Split:
    """The two parts of a set; a set that is made is made in the cache at the first call.

    Raises:
        InputError: there is no set of this name.
        MissingData: this machine lacks its source; says what to install.
    """
    if name not in SETS:
        raise InputError(f"{name}: no such set; there are {', '.join(SETS)}")
    return SETS[name]()
