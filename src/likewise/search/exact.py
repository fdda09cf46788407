"""The exact index: every vector is compared, so that recall is 1."""

from __future__ import annotations

import faiss
import numpy as np

from likewise.search.index import Ids, Index, Vectors

__all__ = ["ExactIndex"]


class ExactIndex(Index):
    """Compares the query with every vector, by faiss; the vectors may stay on disk.

    Up to some hundred thousand vectors, and for batches of queries, this is hard to beat.
    """

    family = "exact"

    def _nearest(self, queries: Vectors, k: int, among: Ids | None) -> Ids:
        # A plain array, not a memory map: libraries that load faiss's torch bindings (some metric
        # learning ones do) replace its functions by ones that know no subclass.
        vectors = np.asarray(self.vectors if among is None else self.vectors[among])
        # faiss compares nq·d with this to decide on BLAS, which wins from some ten queries on.
        faiss.cvar.distance_compute_blas_threshold = 10 * self.dimension
        metric = faiss.METRIC_L2 if self.metric == "euclidean" else faiss.METRIC_INNER_PRODUCT
        _, rows = faiss.knn(queries, vectors, k, metric=metric)
        found: Ids = rows if among is None else among[rows]
        return found.astype(np.int64, copy=False)
