"""Which drawings of emoji tell them apart: copies and look-alikes are left out."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

LEAST = 5  # drawings of a class
SAME, ALIKE, SOURCES_ALIKE = 12.0, 14.0, 3  # root mean square differences, of 255
CELL = 4  # pixels a side of a cell of the thumbnails that are compared

Pixels = NDArray[np.uint8]
Drawings = dict[str, dict[str, Pixels]]
"""The drawings of each emoji by source, uint8 [72, 72, 3]."""


def choose(drawings: Drawings, named: dict[str, str]) -> Drawings:
    """The classes of the set by their names.

    Args:
        drawings: of all emoji, by code.
        named: the names of those that may be in the set, by code.
    """
    kept = {}
    for code in sorted(drawings.keys() & named.keys()):
        of_source: dict[str, Pixels] = {}
        for source, pixels in drawings[code].items():
            if all(difference(pixels, other) >= SAME for other in of_source.values()):
                of_source[source] = pixels
        if len(of_source) >= LEAST:
            kept[code] = of_source
    alike = alike_pairs(kept)
    chosen: Drawings = {}
    for code, of_source in kept.items():
        if not any((other, code) in alike for other in chosen):
            chosen[code] = of_source
    return {named[code]: of_source for code, of_source in chosen.items()}


def difference(a: Pixels, b: Pixels) -> float:
    """The root mean square difference of two drawings."""
    return float(np.sqrt(np.mean((a.astype(np.float32) - b) ** 2)))


def alike_pairs(drawings: Drawings) -> set[tuple[str, str]]:
    """The pairs of emoji, the earlier first, that look alike to several sources."""
    votes: Counter[tuple[str, str]] = Counter()
    for source in sorted({source for of_source in drawings.values() for source in of_source}):
        codes = [code for code in drawings if source in drawings[code]]
        pixels = np.stack([drawings[code][source] for code in codes]).astype(np.float32)
        cells = pixels.shape[1] // CELL
        small = pixels.reshape(-1, cells, CELL, cells, CELL, 3).mean((2, 4))
        nearest = np.minimum(distances(small, small), distances(small, small[:, :, ::-1]))
        for one, other in np.argwhere(np.triu(nearest < ALIKE, 1)):
            votes[codes[one], codes[other]] += 1
    return {pair for pair, count in votes.items() if count >= SOURCES_ALIKE}


def distances(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """The root mean square difference of each image on the left from each on the right."""
    a, b = (side.reshape(len(side), -1) for side in (left, right))
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    found: NDArray[np.float32] = np.sqrt(np.maximum(squares, 0) / a.shape[1])
    return found
