"""Short codes find candidates, and longer codes rerank them.

The index makes the final choice by exact scores of the vectors. Reranking by codes first leaves it
few candidates, which saves disk reads where the vectors are not in memory.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import faiss

from likewise.search.engines.engine import Vectors
from likewise.search.engines.faiss_engine import FaissEngine
from likewise.search.engines.parameters import Parameter, Settings

__all__ = ["REFINE", "RERANK", "Refined"]

REFINE = Parameter(
    "refine",
    "int8",
    "longer codes that rerank the candidates: none, or one or two bytes a dimension",
    choices=("none", "int8", "float16"),
)
RERANK = Parameter("rerank", 10, "candidates by short codes for each neighbor", 1, 10_000)
CODES = {"int8": faiss.ScalarQuantizer.QT_8bit, "float16": faiss.ScalarQuantizer.QT_fp16}


class Refined(FaissEngine):
    """A family that finds candidates by short codes and reranks them by longer ones."""

    min_vectors = 400
    search_parameters: ClassVar[tuple[Parameter, ...]] = (RERANK,)

    @classmethod
    def empty_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """The index of short codes, wrapped in one of longer codes."""
        short = cls.short_code_index(vectors, metric, settings)
        if settings["refine"] == "none":
            return short
        # In the metric of the short codes: for unit vectors, L2 and cosine give the same order.
        code = CODES[str(settings["refine"])]
        long = faiss.IndexScalarQuantizer(short.d, code, short.metric_type)
        return faiss.IndexRefine(short, long)

    @classmethod
    @abstractmethod
    def short_code_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """An empty faiss index of the short codes."""

    def short_code_parameters(self, settings: Settings, selector: Any) -> Any:
        """faiss's search parameters for the short codes."""
        return None if selector is None else faiss.SearchParameters(sel=selector)

    def faiss_parameters(self, k: int, settings: Settings, selector: Any) -> Any:
        """Those of the short codes, and how many of their candidates are reranked."""
        short = self.short_code_parameters(settings, selector)
        if self.settings["refine"] == "none":
            return short
        more = max(1.0, int(settings["rerank"]) * k / self.candidate_count(k, settings))
        # faiss applies a selector only if it is in the parameters of the inner index.
        return faiss.IndexRefineSearchParameters(k_factor=more, base_index_params=short)

    def candidate_count(self, k: int, settings: Settings) -> int:
        """More than k, because the longer codes are not exact either."""
        if self.settings["refine"] == "none":
            return min(k * int(settings["rerank"]), self.count)
        return min(k + k // 2 + 2, k * int(settings["rerank"]), self.count)

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """Increasing numbers of candidates, up to a quarter of all vectors."""
        factors = (1, 2, 4, 8, 16, 32, 64, 128)
        return [{"rerank": rerank} for rerank in factors if rerank * k <= max(k, count // 4)]
