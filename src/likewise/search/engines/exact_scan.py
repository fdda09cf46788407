"""Exact nearest neighbors in an array: every vector is compared, and rounding is accounted for.

A batch is compared by matrix products, and the squared Euclidean distance is then
``‖q‖² + ‖v‖² - 2·q·v``. Where distances are far below the norms, rounding destroys this
difference. So more than k candidates are computed, and ``none_missed`` bounds the rounding error:
where it cannot prove that the k nearest are among the candidates, the slower ``Σ (q-v)²`` is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import faiss
import numpy as np

from likewise.search.engines.engine import Mask, Rows, Vectors

__all__ = [
    "FAISS_METRICS",
    "ROUNDING",
    "nearest_by_products",
    "nearest_proven",
    "nearest_rows",
    "none_missed",
    "padded_k",
    "threads_for",
]

FAISS_METRICS = {
    "cosine": faiss.METRIC_INNER_PRODUCT,
    "dot": faiss.METRIC_INNER_PRODUCT,
    "euclidean": faiss.METRIC_L2,
    "manhattan": faiss.METRIC_L1,
}
BATCH = 10  # from this many queries on, a matrix product is faster than differences
BLOCK_BYTES = 2**19  # vectors that stay in the cache while all queries are compared with them
ROUNDING = 2.0**-24  # the largest relative error of one operation in float32


def nearest_rows(vectors: Vectors, queries: Vectors, k: int, metric: str) -> Rows:
    """Rows that contain the ``k`` nearest: int64 [Q,C], C from k to N, each row at most once.

    Args:
        vectors: float32 [N,D], contiguous, and a plain array: faiss's torch bindings, which some
            libraries load, do not accept a subclass such as a memory map.
        queries: float32 [Q,D], contiguous.
        k: at most N.
        metric: ``cosine`` (of unit vectors), ``dot``, ``euclidean`` or ``manhattan``.
    """
    if metric != "euclidean":
        return nearest_by_products(vectors, queries, k, metric)[1]
    count, dimension = vectors.shape
    if len(queries) < BATCH:
        rows = nearest_by_products(vectors, queries, k, metric)[1]
        # faiss keeps this limit once for all threads; another thread may have changed it.
        if faiss.cvar.distance_compute_blas_threshold == BATCH * dimension:
            return rows
        return _nearest_by_differences(vectors, queries, k)
    return nearest_proven(
        lambda some, width: nearest_by_products(vectors, some, width, metric),
        lambda some, width: _nearest_by_differences(vectors, some, width),
        queries, k, count,
    )  # fmt: skip


def nearest_proven(
    by_products: Callable[[Vectors, int], tuple[Vectors, Rows]],
    by_differences: Callable[[Vectors, int], Rows],
    queries: Vectors,
    k: int,
    count: int,
    rounding: float = ROUNDING,
) -> Rows:
    """Rows that contain the ``k`` nearest by Euclidean distance: int64 [Q,C], C from k to N.

    Args:
        by_products: queries and a width → squared distances by products, ascending, and rows.
        by_differences: queries and a width → rows, by ``Σ (q-v)²``.
        queries: float32 [Q,D].
        k: at most N.
        count: N.
        rounding: the largest relative error of a product.
    """
    width = padded_k(k, count)
    distances, rows = by_products(queries, width)
    if width < count:
        squares = np.einsum("qd,qd->q", queries, queries)
        kth, last = distances[:, k - 1], distances[:, -1]
        unproven = ~none_missed(kth, last, squares, queries.shape[1], rounding)
        if unproven.any():
            rows[unproven] = by_differences(queries[unproven], width)
    return rows


def nearest_by_products(
    vectors: Vectors, queries: Vectors, k: int, metric: str
) -> tuple[Vectors, Rows]:
    """faiss's nearest, nearest first: squared distances or products, and rows, both [Q,k].

    From ten queries on, Euclidean distances have the rounding error of ``none_missed``.
    """
    # faiss compares nq·d with this to decide on BLAS, which is faster from some ten queries on.
    faiss.cvar.distance_compute_blas_threshold = BATCH * vectors.shape[1]
    with threads_for(len(queries)):
        distances, rows = faiss.knn(queries, vectors, k, metric=FAISS_METRICS[metric])
    return distances, np.asarray(rows, np.int64)


def padded_k(k: int, count: int) -> int:
    """How many candidates to ask for so that the last is clearly farther than the k-th."""
    return min(count, k + k // 4 + 4)


def none_missed(
    kth: Vectors, last: Vectors, squares: Vectors, dimension: int, rounding: float = ROUNDING
) -> Mask:
    """For which queries the ``k`` nearest are proven to be among the candidates, bool [Q].

    A sum of D products has an error of at most ``D·u`` times the sum of their sizes, so a squared
    distance by products has an error of at most ``e·(‖q‖ + ‖v‖)²``, with e a little above D·u. A
    vector within r of the query has ``‖v‖ ≤ ‖q‖ + r``, so this is at most ``e·(8‖q‖² + 2r²)``.

    Args:
        kth: the squared distance of the k-th candidate, by products, [Q].
        last: that of the last candidate; vectors that are no candidates are at least as far.
        squares: ``‖q‖²``, [Q].
        dimension: D.
        rounding: u.
    """
    error = (dimension + 8) * rounding
    at_norm = 8.0 * error * squares.astype(np.float64)
    reach = (kth + at_norm) / max(1e-9, 1 - 2 * error)  # the true k-th is within this, squared
    return np.asarray(last > reach * (1 + 2 * error) + at_norm)


def _nearest_by_differences(vectors: Vectors, queries: Vectors, k: int) -> Rows:
    """The rows of the ``k`` nearest, int64 [Q,k], by ``Σ (q-v)²``: exact, but slower."""
    count, dimension = vectors.shape
    step = max(4 * k, BLOCK_BYTES // (4 * dimension))
    every = faiss.IDSelectorAll()  # with any selector, faiss computes differences
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
    """One thread for one query: waking the others costs more than they gain.

    faiss keeps this number per thread, so the searches of other threads are not affected.
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
