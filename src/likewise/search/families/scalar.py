"""Scalar quantization: each coordinate in one or two bytes, and all codes are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss

from likewise.search.engines.engine import Vectors
from likewise.search.engines.exact_scan import FAISS_METRICS
from likewise.search.engines.faiss_engine import FaissEngine
from likewise.search.engines.parameters import Parameter, Settings
from likewise.search.families import register_family

__all__ = ["Scalar"]

CODES = {"int8": faiss.ScalarQuantizer.QT_8bit, "float16": faiss.ScalarQuantizer.QT_fp16}


@register_family
class Scalar(FaissEngine):
    """Keeps each coordinate as an int8 between its minimum and maximum, or as a float16, and
    compares the query with all codes. It takes a quarter or half of the memory of exact search at a
    recall above 0.99, and wins where the vectors must stay on disk and recall must not suffer.

    Source: Douze et al., The Faiss library, 2024.
    """

    name = "scalar"
    metrics = ("cosine", "dot", "euclidean")
    min_vectors = 100
    takes_mask = True
    build_parameters = (
        Parameter("codes", "int8", "number format of the coordinates", choices=("int8", "float16")),
    )
    search_parameters = (
        Parameter("rerank", 2, "candidates by codes for each neighbor", 1, 10_000),
    )

    @classmethod
    def empty_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """The codes of all vectors."""
        kind = CODES[str(settings["codes"])]
        return faiss.IndexScalarQuantizer(vectors.shape[1], kind, FAISS_METRICS[metric])

    def faiss_parameters(self, k: int, settings: Settings, selector: Any) -> Any:
        """Only the selector: all codes are read."""
        return None if selector is None else faiss.SearchParameters(sel=selector)

    def candidate_count(self, k: int, settings: Settings) -> int:
        """``rerank`` times k, for the exact scores to choose from."""
        return min(k * int(settings["rerank"]), self.count)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """One and two bytes."""
        return [{"codes": "int8"}, {"codes": "float16"}]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """Without reranking, then with more candidates."""
        return [{"rerank": rerank} for rerank in (1, 2, 4)]
