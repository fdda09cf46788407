"""Exact search over an array of vectors, by faiss: every vector is compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import numpy as np

from likewise.search.engine import Rows, Vectors

__all__ = ["FAISS_METRICS", "nearest_plain", "threads_for"]

FAISS_METRICS = {
    "cosine": faiss.METRIC_INNER_PRODUCT,
    "dot": faiss.METRIC_INNER_PRODUCT,
    "euclidean": faiss.METRIC_L2,
    "manhattan": faiss.METRIC_L1,
}


def nearest_plain(vectors: Vectors, queries: Vectors, k: int, metric: str) -> Rows:
    """The rows of the ``k`` nearest vectors, int64 [Q,k]; k at most N.

    Args:
        vectors: float32 [N,D], contiguous and no memory map's subclass: libraries that load
            faiss's torch bindings replace its functions by ones that know no subclass.
        queries: float32 [Q,D], contiguous.
        k: how many.
        metric: ``cosine`` (of unit vectors), ``dot``, ``euclidean`` or ``manhattan``.
    """
    # faiss compares nq·d with this to decide on BLAS, which wins from some ten queries on.
    faiss.cvar.distance_compute_blas_threshold = 10 * vectors.shape[1]
    with threads_for(len(queries)):
        _, rows = faiss.knn(queries, vectors, k, metric=FAISS_METRICS[metric])
    return np.asarray(rows, np.int64)


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
