"""PQ fast-scan: four-bit codes of all vectors, compared in the processor's registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss

from likewise.search.families.engine import Vectors
from likewise.search.families.exact_pass import FAISS_METRICS
from likewise.search.families.knobs import Settings
from likewise.search.families.pq import PARTS, parts_for, trains_on_few, width_for
from likewise.search.families.refined import REFINE, RERANK, RERANK_GRID, Refined

__all__ = ["PQFastScan"]


class PQFastScan(Refined):
    """Cuts each vector into parts, codes each part by one of 16 centroids, and looks the
    distances of 32 vectors up at once in tables that fit a register; longer codes sort the best
    out. It reads every code, so it loses impostors before it loses mates; it builds in a second
    and wins on hard data (high intrinsic dimension) up to a million vectors.

    Source: Jégou, Douze, Schmid, Product quantization for nearest neighbor search, 2011; André,
    Kermarrec, Le Scouarnec, Cache locality is not enough, 2015.
    """

    name = "pq_fastscan"
    metrics = ("cosine", "dot", "euclidean")
    build_knobs = (PARTS, REFINE)
    search_knobs = (RERANK,)

    @classmethod
    def coded(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """Four bits a part."""
        dimension = vectors.shape[1]
        parts = parts_for(settings, dimension)
        width = width_for(parts, dimension)
        return trains_on_few(faiss.IndexPQFastScan(width, parts, 4, FAISS_METRICS[metric]))

    def short_parameters(self, settings: Settings, among: Any) -> Any:
        """None: all codes are read."""
        return None

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Coarse codes and fine ones."""
        parts = sorted({max(1, -(-dimension // 4)), max(1, -(-dimension // 2))})
        return [{"parts": number, "refine": "int8"} for number in parts]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """More and more candidates."""
        return [{"rerank": rerank} for rerank in RERANK_GRID if rerank * k <= max(k, count // 4)]
