"""RaBitQ: one bit a dimension, with a bound on the estimation error."""

from __future__ import annotations

from typing import Any

import faiss

from likewise.search.engines.coded_lists import CodedLists
from likewise.search.engines.engine import Vectors
from likewise.search.engines.inverted_lists import LISTS, PROBES
from likewise.search.engines.parameters import Parameter, Settings
from likewise.search.engines.refined import REFINE, RERANK
from likewise.search.families import register_family

__all__ = ["RaBitQ"]


@register_family
class RaBitQ(CodedLists):
    """Rotates the vectors at random, assigns them to k-means cells, and keeps the sign of each
    coordinate of the residual; the distance estimate from these bits is unbiased. With D/8 bytes a
    vector it is the smallest family. It needs many candidates to rerank, and wins where memory is
    the limit and D is large.

    Source: Gao, Long, RaBitQ: Quantizing high-dimensional vectors with a theoretical error bound
    for approximate nearest neighbor search, 2024.
    """

    name = "rabitq"
    metrics = ("cosine", "dot", "euclidean")
    build_parameters = (LISTS, REFINE)
    search_parameters = (
        PROBES,
        RERANK,
        Parameter("query_bits", 8, "bits a dimension of the query; 0 for float32", 0, 8),
    )

    @classmethod
    def short_code_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """A random rotation, cells, and one bit a dimension."""
        dimension = vectors.shape[1]
        cells = cls.inverted_file("RaBitQ", dimension, metric, settings)
        return faiss.IndexPreTransform(faiss.RandomRotationMatrix(dimension, dimension), cells)

    def short_code_parameters(self, settings: Settings, selector: Any) -> Any:
        """The number of cells to visit, after the rotation."""
        inner = faiss.IVFRaBitQSearchParameters(
            nprobe=self.probes(settings), sel=selector, qb=int(settings["query_bits"])
        )
        return faiss.SearchParametersPreTransform(index_params=inner)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Without and with int8 codes to rerank by."""
        lists = cls.lists_grid(count)[1:2] or cls.lists_grid(count)
        return [
            {"lists": number, "refine": refine} for number in lists for refine in ("none", "int8")
        ]
