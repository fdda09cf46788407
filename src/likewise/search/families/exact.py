"""Exact search: every vector is compared, so that recall is 1."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np

from likewise.search.engine import Engine, Mask, Rows, Vectors
from likewise.search.knobs import Settings
from likewise.search.plain import nearest_plain

__all__ = ["Exact"]


class Exact(Engine):
    """Compares the query with every vector, by faiss; the vectors may stay on disk.

    Nothing is built and nothing is kept beside the vectors. Up to some hundred thousand vectors,
    and for batches of queries (a matrix product), this is hard to beat.
    """

    name = "exact"
    metrics = ("cosine", "dot", "euclidean", "manhattan")
    smallest = 0
    selects = True
    scans = True

    def __init__(self, vectors: Vectors, metric: str) -> None:
        self._vectors = np.asarray(vectors)
        self._metric = metric

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Keep a reference to the vectors."""
        return cls(vectors, metric)

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, among: Mask | None = None
    ) -> Rows:
        """The ``k`` nearest, all of them true."""
        if among is None:
            return nearest_plain(self._vectors, queries, k, self._metric)
        allowed = np.flatnonzero(among)
        found = np.full((len(queries), k), -1, np.int64)
        best = nearest_plain(self._vectors[allowed], queries, min(k, len(allowed)), self._metric)
        found[:, : best.shape[1]] = allowed[best]
        return found

    def save(self, folder: Path) -> None:
        """Write nothing: the vectors are all."""

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Keep a reference to the vectors."""
        return cls(vectors, metric)

    @property
    def memory_bytes(self) -> int:
        """0: the vectors are not its own."""
        return 0
