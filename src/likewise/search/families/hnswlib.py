"""HNSW by hnswlib, the reference implementation."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Self

import numpy as np

from likewise.errors import InputError
from likewise.machine import usable_cores
from likewise.search.engines.engine import Mask, Rows, Vectors
from likewise.search.engines.graph import EF_CONSTRUCTION, LINKS, Graph
from likewise.search.engines.parameters import Settings
from likewise.search.engines.shared_setting import SharedSetting
from likewise.search.families import register_family

__all__ = ["HNSWLib"]

SPACES = {"cosine": "ip", "dot": "ip", "euclidean": "l2"}
FILE = "engine.hnswlib"


@register_family
class HNSWLib(Graph):
    """HNSW in its authors' implementation: often twice as fast as faiss's for single queries. It
    keeps the vectors and the links in memory.

    Source: Malkov, Yashunin, Efficient and robust approximate nearest neighbor search using
    Hierarchical Navigable Small World graphs, 2018.
    """

    name = "hnswlib"
    extra = "hnswlib"
    library = "hnswlib"
    metrics = ("cosine", "dot", "euclidean")
    build_parameters = (LINKS, EF_CONSTRUCTION)

    def __init__(self, graph: Any, size: int) -> None:
        self._graph = graph
        self._size = size
        self._effort = SharedSetting(graph.set_ef)

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Insert all vectors, on all cores."""
        import hnswlib

        graph = hnswlib.Index(SPACES[metric], vectors.shape[1])
        graph.init_index(
            len(vectors), int(settings["links"]), int(settings["ef_construction"]), 100
        )
        graph.add_items(vectors, np.arange(len(vectors)), num_threads=usable_cores())
        return cls(graph, int(graph.index_file_size()))

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, mask: Mask | None = None
    ) -> Rows:
        """The candidates of the graph search; none for a query with fewer than k."""
        threads = usable_cores() if len(queries) > 1 else 1
        with self._effort.at(max(int(settings["ef"]), k)):
            try:
                rows, _ = self._graph.knn_query(queries, k, num_threads=threads)
            except RuntimeError:  # one of the queries has fewer than k
                return self._one_by_one(queries, k)
        return np.asarray(rows).astype(np.int64)

    def _one_by_one(self, queries: Vectors, k: int) -> Rows:
        found = np.full((len(queries), k), -1, np.int64)
        for row, query in enumerate(queries):
            try:
                rows, _ = self._graph.knn_query(query, k, num_threads=1)
            except RuntimeError:
                continue
            found[row] = rows[0]
        return found

    def save(self, folder: Path) -> None:
        """Write hnswlib's file."""
        self._graph.save_index(str(folder / FILE))

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Read hnswlib's file; it cannot be memory-mapped."""
        import hnswlib

        path = folder / FILE
        graph = hnswlib.Index(SPACES[metric], vectors.shape[1])
        _require_width(path, 4 * vectors.shape[1])
        try:
            graph.load_index(str(path), len(vectors))
        except RuntimeError as error:
            raise InputError(f"{path}: hnswlib cannot read it ({error}); build it again") from None
        if graph.get_current_count() != len(vectors):
            raise InputError(
                f"{path}: holds {graph.get_current_count()} vectors, not {len(vectors)}; "
                "build it again"
            )
        return cls(graph, path.stat().st_size)

    @property
    def memory_bytes(self) -> int:
        """The size of the file: vectors, links and labels."""
        return self._size


def _require_width(path: Path, width: int) -> None:
    """Refuse a graph over vectors of another dimension: hnswlib would read out of bounds.

    Raises:
        InputError: names the file.
    """
    with path.open("rb") as stream:
        head = stream.read(48)
    # The file begins with six numbers; the last two are the offsets of label and vector in a row.
    label, vector = struct.unpack("<6Q", head)[4:] if len(head) == 48 else (0, 0)
    if label - vector != width:
        raise InputError(f"{path}: is not over these vectors; build it again")
