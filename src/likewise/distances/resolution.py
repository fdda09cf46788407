"""How closely cosines of float32 embeddings can be told apart: nearer ones are ties.

The product of two unit vectors in float32 is off by up to 5e-7 in 512 dimensions, as components,
lengths and sums are rounded; two products that differ by less may stand in either order. An
index, a search or a database that multiplies in float32 cannot rank them. An evaluation that
ranks them all the same, in float64, promises what no use of the embeddings keeps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["RESOLUTION", "all_alike", "mean_cosine", "told_apart"]

Floats = NDArray[np.float64]
RESOLUTION = 2.0**-20  # 9.5e-7
ALIKE = 16 * RESOLUTION  # a mean 1 - cosine below it leaves a handful of values to rank by


def told_apart(cosines: Floats) -> Floats:
    """Cosines on a grid of ``RESOLUTION``, in place: what float32 cannot tell apart is equal.

    Example:
        >>> import numpy as np
        >>> from likewise.distances.resolution import told_apart
        >>> told_apart(np.array([1 - 1e-8, 0.5 + 1e-9]))
        array([1. , 0.5])
    """
    cosines /= RESOLUTION
    np.rint(cosines, out=cosines)
    cosines *= RESOLUTION
    return cosines


def mean_cosine(vectors: NDArray[np.float32]) -> float:
    """The mean cosine over all pairs of different rows; 0 of fewer than two.

    Args:
        vectors: [N, D], of any length; zero is at a right angle to all.

    Example:
        >>> import numpy as np
        >>> from likewise.distances.resolution import mean_cosine
        >>> mean_cosine(np.eye(3, dtype=np.float32))
        0.0
    """
    rows = len(vectors)
    if rows < 2:
        return 0.0
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    shares = np.divide(1.0, lengths, out=np.zeros(rows), where=lengths > 0)
    middle = np.einsum("i,ij->j", shares, vectors) / rows
    # ‖Σx‖² counts each row with itself as well, once.
    return float((middle @ middle * rows - 1) / (rows - 1))


def all_alike(mean: float) -> bool:
    """Whether embeddings of this mean cosine are too alike for float32 to tell them apart."""
    return 1 - mean < ALIKE
