"""The resolution of cosines of float32 embeddings: cosines that differ by less count as ties.

The product of two unit vectors in float32 has an error of up to 5e-7 in 512 dimensions, because
components, lengths and sums are rounded; two products that differ by less may come in either order.
An index, a search or a database that computes in float32 cannot rank them. An evaluation that
ranks them in float64 would report a performance that no use of the embeddings reaches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["RESOLUTION", "indistinguishable", "mean_cosine", "round_cosines"]

Floats = NDArray[np.float64]
RESOLUTION = 2.0**-20  # 9.5e-7
ALIKE = 16 * RESOLUTION  # a mean 1 - cosine below it leaves only a few distinct values


def round_cosines(cosines: Floats) -> Floats:
    """Round cosines to multiples of ``RESOLUTION``, in place, so that ties become equal.

    Example:
        >>> import numpy as np
        >>> from likewise.distances.resolution import round_cosines
        >>> round_cosines(np.array([1 - 1e-8, 0.5 + 1e-9]))
        array([1. , 0.5])
    """
    cosines /= RESOLUTION
    np.rint(cosines, out=cosines)
    cosines *= RESOLUTION
    return cosines


def mean_cosine(vectors: NDArray[np.float32]) -> float:
    """The mean cosine over all pairs of different rows; 0 if there are fewer than two rows.

    Args:
        vectors: [N, D], of any length; a zero vector has cosine 0 with all others.

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
    inverses = np.divide(1.0, lengths, out=np.zeros(rows), where=lengths > 0)
    mean = np.einsum("i,ij->j", inverses, vectors) / rows
    # ‖Σx‖² also counts each row once with itself.
    return float((mean @ mean * rows - 1) / (rows - 1))


def indistinguishable(mean: float) -> bool:
    """Whether embeddings with this mean cosine are too similar to be distinguished in float32."""
    return 1 - mean < ALIKE
