"""Hashes of vectors, to find duplicates without comparing all pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from likewise.search.engines.engine import Mask, Vectors

__all__ = ["repeated", "row_hashes"]

BLOCK = 65_536  # rows at a time


def row_hashes(rows: Vectors) -> NDArray[np.uint64]:
    """A 64-bit hash of each row [N,D], [N]: equal for equal rows, almost never for others."""
    # Odd multipliers: rows that differ in one number get different hashes.
    factors = np.random.default_rng(0).integers(0, 2**63, rows.shape[1], np.uint64) * 2 + 1
    parts = [
        # Adding 0 turns -0 into 0: they are equal, but have different bits.
        (rows[start : start + BLOCK] + np.float32(0)).view(np.uint32).astype(np.uint64) @ factors
        for start in range(0, len(rows), BLOCK)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def repeated(hashes: NDArray[np.uint64]) -> Mask:
    """Which of the hashes occur more than once, [N].

    Example:
        >>> import numpy as np
        >>> from likewise.search.contents.row_hashes import repeated
        >>> repeated(np.array([5, 7, 5], np.uint64)).tolist()
        [True, False, True]
    """
    ascending = np.sort(hashes)
    return np.isin(hashes, ascending[1:][ascending[1:] == ascending[:-1]])
