"""Exact search over embeddings in blocks: never an N×N matrix."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_PAIRS", "nearest", "pairs_above"]

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

MOST_PAIRS = 1_000_000
QUERIES, TILE = 1024, 16_384  # a tile of scores takes 64 MiB


def pairs_above(
    vectors: Vectors, threshold: float, *, most: int = MOST_PAIRS
) -> tuple[Rows, Rows, Vectors, bool]:
    """All pairs of rows whose inner product is at least ``threshold``: first < second, scores.

    Costs N²·D/2 multiplications (BLAS) and memory for one tile of scores; if there are more than
    ``most`` pairs, those with the highest scores are kept.

    Args:
        vectors: float32 [N,D].
        threshold: an inner product; the cosine of unit vectors.
        most: pairs to keep.

    Returns:
        first [P], second [P], scores [P], and whether pairs were let go.
    """
    first, second, scores = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    more = False
    for start in range(0, len(vectors), QUERIES):
        # Only rows from here on, in tiles: each pair is met once.
        block = vectors[start : start + QUERIES]
        for tile in range(start, len(vectors), TILE):
            likeness = block @ vectors[tile : tile + TILE].T
            query, rows = np.nonzero(likeness >= threshold)
            once = start + query < tile + rows
            query, rows = query[once], rows[once]
            first = np.concatenate([first, start + query])
            second = np.concatenate([second, tile + rows])
            scores = np.concatenate([scores, likeness[query, rows]])
            if len(first) > most:
                best = np.argpartition(-scores, most)[:most]
                first, second, scores, more = first[best], second[best], scores[best], True
    order = np.lexsort((second, first))
    return first[order], second[order], scores[order], more


def nearest(queries: Vectors, vectors: Vectors, k: int) -> tuple[Vectors, Rows]:
    """The ``k`` rows with the highest inner product, [Q,k'], with k' = min(k, N)."""
    k = min(k, len(vectors))
    if k == 0 or len(queries) == 0:
        return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    scores, rows = faiss.knn(
        np.ascontiguousarray(queries, np.float32),
        np.ascontiguousarray(vectors, np.float32),
        k,
        metric=faiss.METRIC_INNER_PRODUCT,
    )
    return scores, rows.astype(np.int64)
