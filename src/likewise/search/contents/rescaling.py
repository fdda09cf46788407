"""Shift and scale of vectors for an engine, so that low-precision numbers represent them well.

Quantized codes, float16 and float32 products are precise around zero, and coarse far from it. A
shift changes no distance and a scale no order, so an engine gets vectors around zero with a length
of about one. Scores are always computed from the original vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from likewise.search.engines.engine import Vectors

__all__ = ["Rescaling"]

SHIFTED = ("euclidean", "manhattan")  # metrics that a shift does not change
SCALED = (*SHIFTED, "dot")  # metrics whose order a scale does not change
USUAL = (2.0**-6, 2.0**3)  # root mean square lengths that need no scaling
LARGEST = 2.0**12  # coordinates below this need none either; float16 ends at 65,504
MAX_EXPONENT = 40  # a scale is a power of two, so it rounds nothing; input checks bound it below


@dataclass(frozen=True, eq=False)
class Rescaling:
    """Subtracts a center from vectors and queries, then multiplies them by a factor.

    Args:
        numbers: float32 [D+1], the center followed by the factor, as saved.
    """

    numbers: Vectors

    @classmethod
    def for_vectors(cls, vectors: Vectors, metric: str) -> Self | None:
        """The rescaling of vectors [N,D]; None if they need none, as most do."""
        if metric not in SCALED or not len(vectors):
            return None
        squares = float(np.einsum("nd,nd->n", vectors, vectors).mean(dtype=np.float64))
        center = np.zeros(vectors.shape[1])
        if metric in SHIFTED:
            mean = vectors.mean(axis=0, dtype=np.float64)
            variance = max(0.0, squares - float(mean @ mean))
            if float(mean @ mean) > variance:  # the offset is larger than the differences
                center = mean.astype(np.float32).astype(np.float64)
                squares = _mean_square(vectors, center.astype(np.float32))
        length = math.sqrt(squares)
        usual = USUAL[0] <= length <= USUAL[1] and _largest(vectors, center) < LARGEST
        exponent = 0 if usual or not length else min(MAX_EXPONENT, -round(math.log2(length)))
        if not exponent and not center.any():
            return None
        return cls(np.append(center, 2.0**exponent).astype(np.float32))

    def apply(self, vectors: Vectors) -> Vectors:
        """The rescaled vectors or queries [N,D]."""
        found: Vectors = vectors - self.numbers[:-1]
        found *= self.numbers[-1]
        return found


def _mean_square(vectors: Vectors, center: Vectors) -> float:
    """The mean squared distance to the center; in blocks, so that not all vectors are copied."""
    total = 0.0
    for start in range(0, len(vectors), 8192):
        apart = vectors[start : start + 8192] - center
        total += float(np.einsum("nd,nd->n", apart, apart).sum(dtype=np.float64))
    return total / len(vectors)


def _largest(vectors: Vectors, center: np.ndarray) -> float:
    highest, lowest = vectors.max(axis=0) - center, vectors.min(axis=0) - center
    return float(max(highest.max(), -lowest.min()))
