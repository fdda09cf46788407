"""Codes refined: more candidates than asked for, by short codes, sorted out by longer ones.

The last choice is the index's own, from the vectors themselves. A refinement in between spares it
most of the candidates, and spares the disk where the vectors are not in memory.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import faiss

from likewise.search.families.engine import Vectors
from likewise.search.families.faiss_engine import FaissEngine
from likewise.search.families.knobs import Knob, Settings

__all__ = ["REFINE", "RERANK", "RERANK_GRID", "Refined"]

REFINE = Knob(
    "refine",
    "int8",
    "longer codes that sort the candidates out: none, a byte or two a dimension",
    choices=("none", "int8", "float16"),
)
RERANK = Knob("rerank", 10, "candidates by the short codes for each row asked for", 1, 10_000)
RERANK_GRID = (1, 2, 4, 8, 16, 32, 64, 128)
CODES = {"int8": faiss.ScalarQuantizer.QT_8bit, "float16": faiss.ScalarQuantizer.QT_fp16}


class Refined(FaissEngine):
    """A family that finds candidates by short codes and sorts them out by longer ones."""

    smallest = 400
    search_knobs: ClassVar[tuple[Knob, ...]] = (RERANK,)

    @classmethod
    def made(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """The short codes, with the longer ones around them."""
        short = cls.coded(vectors, metric, settings)
        if settings["refine"] == "none":
            return short
        # The metric of the short codes: of unit vectors, the nearest are the most alike as well.
        code = CODES[str(settings["refine"])]
        long = faiss.IndexScalarQuantizer(short.d, code, short.metric_type)
        return faiss.IndexRefine(short, long)

    @classmethod
    @abstractmethod
    def coded(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """An empty faiss index of the short codes."""

    def short_parameters(self, settings: Settings, among: Any) -> Any:
        """faiss's search parameters for the short codes."""
        return None if among is None else faiss.SearchParameters(sel=among)

    def parameters(self, k: int, settings: Settings, among: Any) -> Any:
        """Those of the short codes, and how many of their candidates the longer ones see."""
        short = self.short_parameters(settings, among)
        if self.settings["refine"] == "none":
            return short
        more = max(1.0, int(settings["rerank"]) * k / self.asked(k, settings))
        # faiss heeds a selector only here, among the parameters of what is refined.
        return faiss.IndexRefineSearchParameters(k_factor=more, base_index_params=short)

    def asked(self, k: int, settings: Settings) -> int:
        """Some more than k: what the longer codes put in the wrong order is put right later."""
        if self.settings["refine"] == "none":
            return min(k * int(settings["rerank"]), self.count)
        return min(k + k // 2 + 2, k * int(settings["rerank"]), self.count)
