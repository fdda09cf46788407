"""HNSW by usearch: the same graph with the vectors in as many bits as one likes, mapped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from likewise.errors import InputError
from likewise.machine import usable_cores
from likewise.search.families.dial import Dial
from likewise.search.families.engine import Engine, Mask, Rows, Vectors
from likewise.search.families.hnsw import EFFORT, LINKS, effort_grid
from likewise.search.families.knobs import Knob, Settings

__all__ = ["USearch"]

METRICS = {"cosine": "cos", "dot": "ip", "euclidean": "l2sq"}
STORAGE = {"float32": "f32", "float16": "f16", "int8": "i8"}
FILE = "engine.usearch"
FARTHEST = 128.0  # length of a query, where the vectors have one of about 1


class USearch(Engine):
    """The layered graph of HNSW with kernels for each processor; it keeps the vectors whole,
    halved or as bytes, and can be searched from a mapped file, which the other graphs cannot.

    Source: Vardanian, USearch, 2023; Malkov, Yashunin, 2018.
    """

    name = "usearch"
    extra = "usearch"
    library = "usearch.index"
    metrics = ("cosine", "dot", "euclidean")
    walks = True
    build_knobs = (
        LINKS,
        Knob("ef_construction", 100, "candidates looked at while building", 4, 4096),
        Knob(
            "storage",
            "float16",
            "how the graph keeps the vectors; int8 for cosine only",
            choices=("float32", "float16", "int8"),
        ),
    )
    search_knobs = (EFFORT,)

    def __init__(self, graph: Any, size: int, metric: str) -> None:
        self._graph = graph
        self._size = size
        self._metric = metric
        self._effort = Dial(lambda value: setattr(graph, "expansion_search", value))

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Insert all, on every core.

        Raises:
            InputError: int8 for another metric than cosine.
        """
        from usearch.index import Index

        if settings["storage"] == "int8" and metric != "cosine":
            raise InputError("usearch: storage: int8 is for cosine; choose float16")
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
        self, queries: Vectors, k: int, settings: Settings, among: Mask | None = None
    ) -> Rows:
        """The candidates that the walk finds; none for a query that is too far away.

        The query too is kept in the numbers of the graph: those of half the length end at 65,504,
        which the square of a distance must not reach. Of a product the query's length is no part.
        """
        away = None
        if self._metric != "cosine":
            lengths = np.sqrt(np.einsum("qd,qd->q", queries, queries))[:, None]
            if self._metric == "dot":
                queries = queries / np.maximum(lengths, 1e-30)
            elif lengths.max() > FARTHEST:
                away = lengths > FARTHEST
                queries = np.where(away, np.float32(0), queries)
        rows = self._walked(queries, k, settings)
        return rows if away is None else np.where(away, -1, rows)

    def _walked(self, queries: Vectors, k: int, settings: Settings) -> Rows:
        threads = usable_cores() if len(queries) > 1 else 1
        with self._effort.at(max(int(settings["ef"]), k)):
            found = self._graph.search(queries, k, threads=threads)
        keys = np.asarray(found.keys).astype(np.int64).reshape(len(queries), -1)
        if len(queries) == 1:
            rows = np.full((1, k), -1, np.int64)
            rows[0, : keys.shape[1]] = keys[0]
            return rows
        met = np.asarray(found.counts).reshape(-1, 1)
        return np.where(np.arange(keys.shape[1]) < met, keys, -1)

    def save(self, folder: Path) -> None:
        """Write usearch's file."""
        self._graph.save(str(folder / FILE))

    @classmethod
    def load(
        cls, folder: Path, vectors: Vectors, metric: str, settings: Settings, *, mmap: bool
    ) -> Self:
        """Map usearch's file, or read it."""
        from usearch.index import Index

        path = folder / FILE
        try:
            graph = Index.restore(str(path), view=mmap)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{path}: usearch cannot read it ({error}); build it again") from None
        storage = STORAGE[str(settings["storage"])]
        own = Index(ndim=vectors.shape[1], metric=METRICS[metric], dtype=storage)
        if graph is None or len(graph) != len(vectors) or _kind(graph) != _kind(own):
            raise InputError(f"{path}: holds other vectors than the index; build it again")
        return cls(graph, path.stat().st_size, metric)

    @property
    def memory_bytes(self) -> int:
        """Vectors and links, as large as its file."""
        return self._size

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Few links and many, the vectors halved."""
        return [
            {"links": links, "ef_construction": 100, "storage": "float16"} for links in (16, 32)
        ]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """From k candidates to a thousand."""
        return effort_grid(count, k)


def _kind(graph: Any) -> tuple[object, ...]:
    return graph.ndim, graph.metric_kind, graph.dtype
