"""HNSW by usearch: vectors as float32, float16 or int8, in a file that can be memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from likewise.errors import InputError
from likewise.machine import usable_cores
from likewise.search.engines.engine import Mask, Rows, Vectors
from likewise.search.engines.graph import EF_CONSTRUCTION, LINKS, Graph
from likewise.search.engines.parameters import Parameter, Settings
from likewise.search.engines.shared_setting import SharedSetting
from likewise.search.families import register_family

__all__ = ["USearch"]

METRICS = {"cosine": "cos", "dot": "ip", "euclidean": "l2sq"}
STORAGE = {"float32": "f32", "float16": "f16", "int8": "i8"}
FILE = "engine.usearch"
FARTHEST = 128.0  # length of a query, in units of the vectors' typical length


@register_family
class USearch(Graph):
    """HNSW with kernels for each processor. It keeps the vectors as float32, float16 or int8, and
    can be searched from a memory-mapped file, unlike the other graph families.

    Source: Vardanian, USearch, 2023; Malkov, Yashunin, 2018.
    """

    name = "usearch"
    extra = "usearch"
    library = "usearch.index"
    metrics = ("cosine", "dot", "euclidean")
    build_parameters = (
        LINKS,
        EF_CONSTRUCTION,
        Parameter(
            "storage",
            "float16",
            "number format of the vectors in the graph; int8 only for cosine",
            choices=("float32", "float16", "int8"),
        ),
    )

    def __init__(self, graph: Any, size: int, metric: str) -> None:
        self._graph = graph
        self._size = size
        self._metric = metric
        self._effort = SharedSetting(lambda value: setattr(graph, "expansion_search", value))

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Insert all vectors, on all cores.

        Raises:
            InputError: int8 with another metric than cosine.
        """
        from usearch.index import Index

        if settings["storage"] == "int8" and metric != "cosine":
            raise InputError("usearch: storage: int8 supports cosine only; choose float16")
        graph = Index(
            ndim=vectors.shape[1],
            metric=METRICS[metric],
            dtype=STORAGE[str(settings["storage"])],
            connectivity=int(settings["links"]),
            expansion_add=int(settings["ef_construction"]),
            enable_key_lookups=False,
        )
        graph.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=usable_cores())
        return cls(graph, int(graph.serialized_length), metric)

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, mask: Mask | None = None
    ) -> Rows:
        """The candidates of the graph search; none for a query that is too long.

        usearch converts the query to the graph's number format. float16 ends at 65,504, which a
        squared distance must not reach. For dot products the query is scaled, which keeps the
        order.
        """
        too_long = None
        if self._metric != "cosine":
            lengths = np.sqrt(np.einsum("qd,qd->q", queries, queries))[:, None]
            if self._metric == "dot":
                queries = queries / np.maximum(lengths, 1e-30)
            elif lengths.max() > FARTHEST:
                too_long = lengths > FARTHEST
                queries = np.where(too_long, np.float32(0), queries)
        rows = self._search(queries, k, settings)
        return rows if too_long is None else np.where(too_long, -1, rows)

    def _search(self, queries: Vectors, k: int, settings: Settings) -> Rows:
        threads = usable_cores() if len(queries) > 1 else 1
        with self._effort.at(max(int(settings["ef"]), k)):
            found = self._graph.search(queries, k, threads=threads)
        keys = np.asarray(found.keys).astype(np.int64).reshape(len(queries), -1)
        if len(queries) == 1:
            rows = np.full((1, k), -1, np.int64)
            rows[0, : keys.shape[1]] = keys[0]
            return rows
        counts = np.asarray(found.counts).reshape(-1, 1)
        return np.where(np.arange(keys.shape[1]) < counts, keys, -1)

    def save(self, folder: Path) -> None:
        """Write usearch's file."""
        self._graph.save(str(folder / FILE))

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Map usearch's file, or read it whole."""
        from usearch.index import Index

        path = folder / FILE
        try:
            graph = Index.restore(str(path), view=mmap)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{path}: usearch cannot read it ({error}); build it again") from None
        storage = STORAGE[str(settings["storage"])]
        expected = Index(ndim=vectors.shape[1], metric=METRICS[metric], dtype=storage)
        if graph is None or len(graph) != len(vectors) or _kind(graph) != _kind(expected):
            raise InputError(f"{path}: holds other vectors than the index; build it again")
        return cls(graph, path.stat().st_size, metric)

    @property
    def memory_bytes(self) -> int:
        """The size of the file: vectors and links."""
        return self._size

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Graphs with few and with many links, vectors as float16."""
        return [
            {"links": links, "ef_construction": 100, "storage": "float16"} for links in (16, 32)
        ]


def _kind(graph: Any) -> tuple[object, ...]:
    return graph.ndim, graph.metric_kind, graph.dtype
