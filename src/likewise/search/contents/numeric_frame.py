"""The frame in which an engine sees the vectors: shifted and scaled to where its numbers are fine.

Codes, numbers of half the length and products of float32 are fine around zero, and coarse far from
it. A shift changes no distance, and a scale no order, so the engine gets vectors that lie around
zero, of a length of about one; scores are always those of the vectors as they came.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from likewise.search.families.engine import Vectors

__all__ = ["Frame"]

SHIFTED = ("euclidean", "manhattan")  # what a shift does not change
SCALED = (*SHIFTED, "dot")  # what keeps its order when all are scaled
USUAL = (2.0**-6, 2.0**3)  # root mean squares of lengths that need no scale
LARGEST = 2.0**12  # so do coordinates below this; a number of half the length ends at 65,504
MOST = 40  # a scale is a power of two, so that it rounds nothing: from 2^-63, the gate's, to this


@dataclass(frozen=True, eq=False)
class Frame:
    """What is subtracted from vectors and queries, and what they are then multiplied by.

    Args:
        numbers: float32 [D+1], the centre and behind it the scale, as they are kept on disk.
    """

    numbers: Vectors

    @classmethod
    def around(cls, vectors: Vectors, metric: str) -> Self | None:
        """The frame for vectors [N,D]; None where they are well as they are, as most are."""
        if metric not in SCALED or not len(vectors):
            return None
        squares = float(np.einsum("nd,nd->n", vectors, vectors).mean(dtype=np.float64))
        centre = np.zeros(vectors.shape[1])
        if metric in SHIFTED:
            mean = vectors.mean(axis=0, dtype=np.float64)
            around = max(0.0, squares - float(mean @ mean))
            if float(mean @ mean) > around:  # the offset outweighs what tells the vectors apart
                centre = mean.astype(np.float32).astype(np.float64)
                squares = _mean_square(vectors, centre.astype(np.float32))
        length = math.sqrt(squares)
        usual = USUAL[0] <= length <= USUAL[1] and _largest(vectors, centre) < LARGEST
        exponent = 0 if usual or not length else min(MOST, -round(math.log2(length)))
        if not exponent and not centre.any():
            return None
        return cls(np.append(centre, 2.0**exponent).astype(np.float32))

    def seen(self, vectors: Vectors) -> Vectors:
        """Vectors or queries [N,D] in the frame."""
        found: Vectors = vectors - self.numbers[:-1]
        found *= self.numbers[-1]
        return found


def _mean_square(vectors: Vectors, centre: Vectors) -> float:
    """Of the distances to the centre; block by block, so that no copy of all is made."""
    total = 0.0
    for start in range(0, len(vectors), 8192):
        apart = vectors[start : start + 8192] - centre
        total += float(np.einsum("nd,nd->n", apart, apart).sum(dtype=np.float64))
    return total / len(vectors)


def _largest(vectors: Vectors, centre: np.ndarray) -> float:
    highest, lowest = vectors.max(axis=0) - centre, vectors.min(axis=0) - centre
    return float(max(highest.max(), -lowest.min()))
