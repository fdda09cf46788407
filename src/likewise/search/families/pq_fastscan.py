"""PQ fast-scan: 4-bit product quantization codes of all vectors, scanned in SIMD registers."""

from __future__ import annotations

from typing import Any

import faiss

from likewise.search.engines.engine import Vectors
from likewise.search.engines.exact_scan import FAISS_METRICS
from likewise.search.engines.parameters import Settings
from likewise.search.engines.product_quantizer import PARTS, padded_width, parts_for, trains_on_few
from likewise.search.engines.refined import REFINE, RERANK, Refined
from likewise.search.families import register_family

__all__ = ["PQFastScan"]


@register_family
class PQFastScan(Refined):
    """Cuts each vector into parts, quantizes each part by a codebook of 16 entries, and looks up
    the distances of 32 vectors at a time in tables that fit a SIMD register; longer codes rerank
    the best. It reads every code, so it misses impostors before it misses mates. It builds in a
    second and wins on hard data (high intrinsic dimension) up to a million vectors.

    Source: Jégou, Douze, Schmid, Product quantization for nearest neighbor search, 2011; André,
    Kermarrec, Le Scouarnec, Cache locality is not enough, 2015.
    """

    name = "pq_fastscan"
    metrics = ("cosine", "dot", "euclidean")
    build_parameters = (PARTS, REFINE)
    search_parameters = (RERANK,)

    @classmethod
    def short_code_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """Four bits for each part."""
        dimension = vectors.shape[1]
        parts = parts_for(settings, dimension)
        width = padded_width(parts, dimension)
        return trains_on_few(faiss.IndexPQFastScan(width, parts, 4, FAISS_METRICS[metric]))

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Coarse codes and fine ones."""
        parts = sorted({max(1, -(-dimension // 4)), max(1, -(-dimension // 2))})
        return [{"parts": number, "refine": "int8"} for number in parts]
