"""NSG (navigating spreading-out graph): one pruned graph of near neighbors, by faiss."""

from __future__ import annotations

from typing import Any, Self

import faiss
import numpy as np

from likewise.search.engines.engine import Mask, Rows, Vectors
from likewise.search.engines.exact_scan import nearest_by_products, threads_for
from likewise.search.engines.faiss_engine import FaissEngine
from likewise.search.engines.graph import Graph
from likewise.search.engines.parameters import Parameter, Settings
from likewise.search.engines.shared_setting import SharedSetting
from likewise.search.families import register_family

__all__ = ["NSG"]

NN_DESCENT = 1  # faiss's build type: find the neighbors by NN-descent
FEW = 20_000  # up to this many vectors, exact neighbors are as fast


@register_family
class NSG(Graph, FaissEngine):
    """Prunes a graph of near neighbors so that a greedy search from the medoid follows few links
    and has no dead ends. It has fewer links than HNSW and no layers, and similar strengths; vectors
    cannot be inserted later, only by a rebuild.

    Source: Fu, Xiang, Wang, Cai, Fast approximate nearest neighbor search with the navigating
    spreading-out graph, 2019.
    """

    name = "nsg"
    metrics = ("cosine", "euclidean")
    min_vectors = 500
    build_parameters = (
        Parameter("links", 32, "links that each vector keeps after pruning (R)", 4, 256),
        Parameter("neighbors", 64, "near neighbors before pruning", 16, 512),
    )

    def __init__(self, index: Any, settings: Settings, size: int | None = None) -> None:
        super().__init__(index, settings, size)
        self._effort = SharedSetting(lambda value: setattr(self.index.nsg, "search_L", value))

    @classmethod
    def empty_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """An empty graph; for unit vectors, L2 and cosine give the same order."""
        index = faiss.IndexNSGFlat(vectors.shape[1], int(settings["links"]), faiss.METRIC_L2)
        index.GK = min(int(settings["neighbors"]), len(vectors) // 4)
        index.build_type = NN_DESCENT
        index.nndescent_L = index.GK + 50
        return index

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Build the graph over slightly perturbed vectors: NN-descent does not end on duplicates.

        The noise is 1e-5 of the vectors' size, and does not affect the exact scores.
        """
        noise = np.random.default_rng(0).standard_normal(vectors.shape, np.float32)
        noise *= 1e-5 * float(np.sqrt(np.mean(np.square(vectors)))) + 1e-12
        noise += vectors
        if len(vectors) > FEW:
            return super().build(noise, metric, settings)
        index = cls.empty_index(noise, metric, settings)
        index.build(noise, _neighbors(noise, index.GK))
        return cls(index, settings)

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, mask: Mask | None = None
    ) -> Rows:
        """The candidates of the graph search."""
        with self._effort.at(max(int(settings["ef"]), k)), threads_for(len(queries)):
            _, rows = self.index.search(queries, k)
        return np.asarray(rows, np.int64)

    def faiss_parameters(self, k: int, settings: Settings, selector: Any) -> Any:
        """None: faiss stores the setting in the index."""
        return None

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """A light and a usual graph."""
        return [{"links": 16, "neighbors": 64}, {"links": 32, "neighbors": 64}]


def _neighbors(vectors: Vectors, count: int) -> Rows:
    """The nearest other vectors of each vector, int64 [N,count]."""
    _, rows = nearest_by_products(vectors, vectors, count + 1, "euclidean")
    own = rows == np.arange(len(rows))[:, None]
    own[~own.any(axis=1), -1] = True  # rounding removed the vector itself: drop the last
    others: Rows = rows[~own].reshape(len(rows), count)
    return others
