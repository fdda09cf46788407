"""Exact search over an array of vectors, by faiss: every vector is compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import numpy as np

from likewise.search.families.engine import Mask, Rows, Vectors

__all__ = [
    "FAISS_METRICS",
    "beyond",
    "nearest_by_products",
    "nearest_plain",
    "proven",
    "threads_for",
]

FAISS_METRICS = {
    "cosine": faiss.METRIC_INNER_PRODUCT,
    "dot": faiss.METRIC_INNER_PRODUCT,
    "euclidean": faiss.METRIC_L2,
    "manhattan": faiss.METRIC_L1,
}
BATCH = 10  # queries from which on a matrix product beats the differences
BLOCK_BYTES = 2**19  # vectors that stay in the cache while all queries are compared with them
ROUNDING = 2.0**-24  # the largest relative error of one operation in float32


def nearest_plain(vectors: Vectors, queries: Vectors, k: int, metric: str) -> Rows:
    """Rows among which the ``k`` nearest are: int64 [Q,C], C from k to N, none of them twice.

    A batch is compared by products, whose distances are those of ``‖q‖² + ‖v‖² - 2·q·v``: where
    they are far below the norms, rounding leaves nothing of them. So some more than k are asked
    for, and where these do not prove that none is missed, the differences are taken themselves.

    Args:
        vectors: float32 [N,D], contiguous and no memory map's subclass: libraries that load
            faiss's torch bindings replace its functions by ones that know no subclass.
        queries: float32 [Q,D], contiguous.
        k: how many; at most N.
        metric: ``cosine`` (of unit vectors), ``dot``, ``euclidean`` or ``manhattan``.
    """
    if metric != "euclidean":
        return nearest_by_products(vectors, queries, k, metric)[1]
    count, dimension = vectors.shape
    if len(queries) < BATCH:
        rows = nearest_by_products(vectors, queries, k, metric)[1]
        # faiss has the limit once for all threads: one with other vectors may have moved it.
        if faiss.cvar.distance_compute_blas_threshold == BATCH * dimension:
            return rows
        return _nearest_by_differences(vectors, queries, k)
    far, rows = nearest_by_products(vectors, queries, beyond(k, count), metric)
    if rows.shape[1] < count:
        squares = np.einsum("qd,qd->q", queries, queries)
        lost = ~proven(far[:, k - 1], far[:, -1], squares, dimension)
        if lost.any():
            rows[lost] = _nearest_by_differences(vectors, queries[lost], rows.shape[1])
    return rows


def nearest_by_products(
    vectors: Vectors, queries: Vectors, k: int, metric: str
) -> tuple[Vectors, Rows]:
    """What faiss says is nearest, the nearest first: distances or products, and rows, [Q,k].

    Distances are squares, and for ten queries and more as good as ``proven`` says.
    """
    # faiss compares nq·d with this to decide on BLAS, which wins from some ten queries on.
    faiss.cvar.distance_compute_blas_threshold = BATCH * vectors.shape[1]
    with threads_for(len(queries)):
        far, rows = faiss.knn(queries, vectors, k, metric=FAISS_METRICS[metric])
    return far, np.asarray(rows, np.int64)


def beyond(k: int, count: int) -> int:
    """How many to ask for, of ``count``, for the last to be clearly farther than the k-th."""
    return min(count, k + k // 4 + 4)


def proven(
    kth: Vectors, last: Vectors, squares: Vectors, dimension: int, rounding: float = ROUNDING
) -> Mask:
    """For which queries all of the ``k`` nearest are among the candidates, bool [Q].

    A sum of D products is wrong by at most ``D·u`` of the sum of their sizes, so a distance by
    products by ``e·(‖q‖ + ‖v‖)²``, with e a little above D·u. Of a vector within r of the query,
    ``‖v‖ ≤ ‖q‖ + r``, so that this is at most ``e·(8‖q‖² + 2r²)``.

    Args:
        kth: the squared distance of the k-th candidate, by products, [Q].
        last: that of the last candidate; what is no candidate is no nearer.
        squares: ``‖q‖²``.
        dimension: D.
        rounding: u.
    """
    error = (dimension + 8) * rounding
    at_norm = 8.0 * error * squares.astype(np.float64)
    reach = (kth + at_norm) / max(1e-9, 1 - 2 * error)  # the k-th is within this, squared
    return np.asarray(last > reach * (1 + 2 * error) + at_norm)


def _nearest_by_differences(vectors: Vectors, queries: Vectors, k: int) -> Rows:
    """The rows of the ``k`` nearest, int64 [Q,k], by ``Σ (q-v)²``: exact, and somewhat slower."""
    count, dimension = vectors.shape
    step = max(4 * k, BLOCK_BYTES // (4 * dimension))
    every = faiss.IDSelectorAll()  # with a selector faiss takes the differences
    best = np.empty((len(queries), 0), np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    for start in range(0, count, step):
        part = vectors[start : start + step]
        width = min(k, len(part))
        far = np.empty((len(queries), width), np.float32)
        near = np.empty((len(queries), width), np.int64)
        with threads_for(len(queries)):
            faiss.knn_L2sqr(
                faiss.swig_ptr(queries), faiss.swig_ptr(part), dimension, len(queries), len(part),
                width, faiss.swig_ptr(far), faiss.swig_ptr(near), None, every,
            )  # fmt: skip
        best, rows = np.hstack([best, far]), np.hstack([rows, near + start])
        if best.shape[1] > k:
            kept = np.argpartition(best, k - 1, axis=1)[:, :k]
            best, rows = np.take_along_axis(best, kept, 1), np.take_along_axis(rows, kept, 1)
    return rows


@contextmanager
def threads_for(queries: int) -> Iterator[None]:
    """One thread for one query: waking the others costs more than they bring.

    The number is the calling thread's own, so that other threads' searches are not touched.
    """
    before = faiss.omp_get_max_threads()
    if queries > 1 or before == 1:
        yield
        return
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
