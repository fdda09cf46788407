"""RaBitQ: one bit a dimension, with a bound on the error that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss

from likewise.search.families.coarse import LISTS, PROBES, Coarse, probes_and_rerank
from likewise.search.families.engine import Vectors
from likewise.search.families.knobs import Knob, Settings
from likewise.search.families.refined import REFINE, RERANK, Refined

__all__ = ["RaBitQ"]


class RaBitQ(Refined, Coarse):
    """Turns the vectors at random, sorts them into k-means cells, and keeps the sign of each
    coordinate of what each lacks to its cell's centre; the estimate of a distance from these bits
    is unbiased. With D/8 bytes a vector it is the smallest of all; it needs many candidates to
    sort out, and wins where memory is short and D is large.

    Source: Gao, Long, RaBitQ: Quantizing high-dimensional vectors with a theoretical error bound
    for approximate nearest neighbor search, 2024.
    """

    name = "rabitq"
    metrics = ("cosine", "dot", "euclidean")
    build_knobs = (LISTS, REFINE)
    search_knobs = (
        PROBES,
        RERANK,
        Knob("query_bits", 8, "bits a dimension of the query; 0 leaves it whole", 0, 8),
    )

    @classmethod
    def coded(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """A random rotation, cells, and a bit a dimension."""
        dimension = vectors.shape[1]
        cells = cls.sorted_into_cells("RaBitQ", dimension, metric, settings)
        return faiss.IndexPreTransform(faiss.RandomRotationMatrix(dimension, dimension), cells)

    def short_parameters(self, settings: Settings, among: Any) -> Any:
        """How many cells to visit, behind the rotation."""
        inner = faiss.IVFRaBitQSearchParameters(
            nprobe=self.probes(settings), sel=among, qb=int(settings["query_bits"])
        )
        return faiss.SearchParametersPreTransform(index_params=inner)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """The smallest first, then with a byte a dimension to refine by."""
        lists = cls.lists_grid(count)[1:2] or cls.lists_grid(count)
        return [
            {"lists": number, "refine": refine} for number in lists for refine in ("none", "int8")
        ]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """More cells, and more candidates with them."""
        return probes_and_rerank(cls.probes_grid(settings, count))
