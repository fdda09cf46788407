"""Small vectors of whole numbers: all scores are exact, and many tie."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

Vector = tuple[int, int]
VECTORS = st.tuples(st.integers(-2, 2), st.integers(-2, 2))
"""For the dot product and the Euclidean distance, which are exact on them up to the root."""


def labeled(least: int, most: int, labels: int = 3) -> st.SearchStrategy[list[tuple[Vector, int]]]:
    """Lists of a vector and a label."""
    return st.lists(st.tuples(VECTORS, st.integers(0, labels - 1)), min_size=least, max_size=most)


def apart(rows: list[tuple[Vector, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [N, 2] and labels [N]."""
    return np.array([v for v, _ in rows], np.float32), np.array([label for _, label in rows])
