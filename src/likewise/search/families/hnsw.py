"""HNSW (hierarchical navigable small world graph), by faiss."""

from __future__ import annotations

from typing import Any

import faiss

from likewise.search.engines.engine import Vectors
from likewise.search.engines.exact_scan import FAISS_METRICS
from likewise.search.engines.faiss_engine import FaissEngine
from likewise.search.engines.graph import EF_CONSTRUCTION, LINKS, Graph
from likewise.search.engines.parameters import Parameter, Settings
from likewise.search.families import register_family

__all__ = ["HNSW"]

STORAGE = {
    "float16": faiss.ScalarQuantizer.QT_fp16,
    "int8": faiss.ScalarQuantizer.QT_8bit,
}


@register_family
class HNSW(Graph, FaissEngine):
    """A layered graph that links each vector to near ones; a search starts in the sparse top layer
    and moves greedily towards the query, layer by layer. It is fast for single queries on data of
    low intrinsic dimension, slow to build, and keeps the links and the vectors (as float32,
    float16 or int8) in memory.

    Source: Malkov, Yashunin, Efficient and robust approximate nearest neighbor search using
    Hierarchical Navigable Small World graphs, 2018.
    """

    name = "hnsw"
    metrics = ("cosine", "dot", "euclidean", "manhattan")
    takes_mask = True
    build_parameters = (
        LINKS,
        EF_CONSTRUCTION,
        Parameter(
            "storage",
            "float32",
            "number format of the vectors in the graph",
            choices=("float32", "float16", "int8"),
        ),
    )

    @classmethod
    def empty_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """A graph over the vectors, or over their codes."""
        dimension, links = vectors.shape[1], int(settings["links"])
        if settings["storage"] == "float32" or metric == "manhattan":
            index = faiss.IndexHNSWFlat(dimension, links, FAISS_METRICS[metric])
        else:
            kind = STORAGE[str(settings["storage"])]
            index = faiss.IndexHNSWSQ(dimension, kind, links, FAISS_METRICS[metric])
        index.hnsw.efConstruction = int(settings["ef_construction"])
        return index

    def faiss_parameters(self, k: int, settings: Settings, selector: Any) -> Any:
        """The number of candidates to keep."""
        return faiss.SearchParametersHNSW(efSearch=max(int(settings["ef"]), k), sel=selector)
