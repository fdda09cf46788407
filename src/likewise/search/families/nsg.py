"""NSG: one flat graph of near neighbours, pruned so that every walk can reach its goal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import faiss
import numpy as np

from likewise.search.families.dial import Dial
from likewise.search.families.engine import Mask, Rows, Vectors
from likewise.search.families.exact_pass import nearest_by_products, threads_for
from likewise.search.families.faiss_engine import FaissEngine
from likewise.search.families.hnsw import EFFORT, effort_grid
from likewise.search.families.knobs import Knob, Settings

__all__ = ["NSG"]

BY_DESCENT = 1  # faiss's number for finding the neighbours to prune by NN-descent
FEW = 20_000  # up to here all are compared with all: as quick, and exact


class NSG(FaissEngine):
    """Prunes a graph of near neighbours so that a walk from the middle of the data, always
    towards the query, has few links to look at and no dead ends. Fewer links than HNSW, no
    layers; the same strengths, and a build that cannot be continued, only repeated.

    Source: Fu, Xiang, Wang, Cai, Fast approximate nearest neighbor search with the navigating
    spreading-out graph, 2019.
    """

    name = "nsg"
    metrics = ("cosine", "euclidean")
    walks = True
    smallest = 500
    build_knobs = (
        Knob("links", 32, "links that each vector keeps after pruning (R)", 4, 256),
        Knob("neighbors", 64, "near neighbours to prune from", 16, 512),
    )
    search_knobs = (EFFORT,)

    def __init__(self, index: Any, settings: Settings, size: int | None = None) -> None:
        super().__init__(index, settings, size)
        self._effort = Dial(lambda value: setattr(self.index.nsg, "search_L", value))

    @classmethod
    def made(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """An empty graph; unit vectors are as near by distance as by cosine."""
        index = faiss.IndexNSGFlat(vectors.shape[1], int(settings["links"]), faiss.METRIC_L2)
        index.GK = min(int(settings["neighbors"]), len(vectors) // 4)
        index.build_type = BY_DESCENT
        index.nndescent_L = index.GK + 50
        return index

    @classmethod
    def build(cls, vectors: Vectors, metric: str, settings: Settings) -> Self:
        """Build the graph over vectors that differ: NN-descent never ends on the same ones.

        The difference is a hundred-thousandth; the exact scores know nothing of it.
        """
        noise = np.random.default_rng(0).standard_normal(vectors.shape, np.float32)
        noise *= 1e-5 * float(np.sqrt(np.mean(np.square(vectors)))) + 1e-12
        noise += vectors
        if len(vectors) > FEW:
            return super().build(noise, metric, settings)
        index = cls.made(noise, metric, settings)
        index.build(noise, _neighbors(noise, index.GK))
        return cls(index, settings)

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, among: Mask | None = None
    ) -> Rows:
        """The candidates that the walk finds."""
        with self._effort.at(max(int(settings["ef"]), k)), threads_for(len(queries)):
            _, rows = self.index.search(queries, k)
        return np.asarray(rows, np.int64)

    def parameters(self, k: int, settings: Settings, among: Any) -> Any:
        """None: faiss keeps the setting in the index."""
        return None

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Light and usual."""
        return [{"links": 16, "neighbors": 64}, {"links": 32, "neighbors": 64}]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """From k candidates to a thousand."""
        return effort_grid(count, k)


def _neighbors(vectors: Vectors, count: int) -> Rows:
    """The nearest others of each vector, int64 [N,count]."""
    _, rows = nearest_by_products(vectors, vectors, count + 1, "euclidean")
    own = rows == np.arange(len(rows))[:, None]
    own[~own.any(axis=1), -1] = True  # rounding pushed it out of its own list; then drop the last
    others: Rows = rows[~own].reshape(len(rows), count)
    return others
