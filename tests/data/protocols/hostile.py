"""Damage of every kind, done to a good file: a reader either reads it or says one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from likewise.errors import InputError

LIES = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**62,
    2**64 - 1,
)


def survives(read: Callable[[Path], object], path: Path, content: bytes) -> bool:
    """Write and read it; True if it was read, False if it was refused. Anything else raises."""
    path.write_bytes(content)
    try:
        read(path)
    except InputError as error:
        assert "\n" not in str(error)
        assert str(path.name) in str(error) or str(path.parent) in str(error)
        return False
    return True


def cut_short_everywhere(read: Callable[[Path], object], path: Path, content: bytes) -> int:
    """How many of its beginnings are read without a complaint."""
    return sum(survives(read, path, content[:size]) for size in range(len(content)))


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """A few bits turned, numbers overwritten by lies, parts cut out, doubled or cut off."""
    found = bytearray(content)
    for _ in range(int(random.integers(1, 4))):
        place = int(random.integers(len(found))) if found else 0
        match int(random.integers(6)):
            case 0 if found:
                found[place] ^= 1 << int(random.integers(8))
            case 1 if found:
                found[place] = int(random.integers(256))
            case 2:
                size = int(random.choice([1, 2, 4, 8]))
                lie = int(LIES[int(random.integers(len(LIES)))]) % (1 << 8 * size)
                found[place : place + size] = lie.to_bytes(size, "little")
            case 3:
                del found[place : place + int(random.integers(1, 20))]
            case 4:
                found[place:place] = found[place : place + int(random.integers(1, 20))]
            case _:
                del found[place:]
    return bytes(found)


def fuzz(read: Callable[[Path], object], path: Path, content: bytes, cases: int) -> None:
    """Read that many damaged copies; each seed is its case, so that a failure can be repeated."""
    for seed in range(cases):
        survives(read, path, damaged(content, np.random.default_rng(seed)))


SEEDS = st.integers(0, 2**63)
