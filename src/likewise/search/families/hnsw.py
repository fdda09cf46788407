"""HNSW: a graph of near neighbours with express layers on top, by faiss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss

from likewise.search.families.engine import Vectors
from likewise.search.families.exact_pass import FAISS_METRICS
from likewise.search.families.faiss_engine import FaissEngine, ladder
from likewise.search.families.knobs import Knob, Settings

__all__ = ["EFFORT", "HNSW", "LINKS", "effort_grid", "links_grid"]

LINKS = Knob("links", 32, "neighbours that each vector keeps (M); twice so many below", 2, 256)
EF_CONSTRUCTION = Knob(
    "ef_construction", 100, "candidates looked at for each vector while building", 4, 4096
)
EFFORT = Knob("ef", 64, "candidates kept while searching; more find more, at least k", 1, 2**16)
STORAGE = {
    "float16": faiss.ScalarQuantizer.QT_fp16,
    "int8": faiss.ScalarQuantizer.QT_8bit,
}


class HNSW(FaissEngine):
    """Walks a graph that links each vector to near ones: from a few far-flung entry points down
    to the layer of all, always towards the query. It is quick for single queries on data of low
    intrinsic dimension, slow to build, and keeps the vectors (whole, halved or as bytes) and
    links in memory.

    Source: Malkov, Yashunin, Efficient and robust approximate nearest neighbor search using
    Hierarchical Navigable Small World graphs, 2018.
    """

    name = "hnsw"
    metrics = ("cosine", "dot", "euclidean", "manhattan")
    walks = True
    selects = True
    build_knobs = (
        LINKS,
        EF_CONSTRUCTION,
        Knob(
            "storage",
            "float32",
            "how the graph keeps the vectors",
            choices=("float32", "float16", "int8"),
        ),
    )
    search_knobs = (EFFORT,)

    @classmethod
    def made(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """A graph over the vectors, or over their codes."""
        dimension, links = vectors.shape[1], int(settings["links"])
        if settings["storage"] == "float32" or metric == "manhattan":
            index = faiss.IndexHNSWFlat(dimension, links, FAISS_METRICS[metric])
        else:
            kind = STORAGE[str(settings["storage"])]
            index = faiss.IndexHNSWSQ(dimension, kind, links, FAISS_METRICS[metric])
        index.hnsw.efConstruction = int(settings["ef_construction"])
        return index

    def parameters(self, k: int, settings: Settings, among: Any) -> Any:
        """How many candidates to keep."""
        return faiss.SearchParametersHNSW(efSearch=max(int(settings["ef"]), k), sel=among)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Few links and many."""
        return links_grid()

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """From k candidates to a thousand."""
        return effort_grid(count, k)


def links_grid() -> list[Settings]:
    """Graphs worth trying: light, usual, heavy."""
    return [
        {"links": 16, "ef_construction": 100},
        {"links": 32, "ef_construction": 100},
        {"links": 32, "ef_construction": 200},
    ]


def effort_grid(count: int, k: int) -> list[Settings]:
    """Candidates kept, in ascending effort."""
    return [{"ef": ef} for ef in ladder(max(k, 10), max(k, min(1024, count)))]
