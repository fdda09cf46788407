"""IVF-PQ fast-scan: 4-bit product quantization in k-means cells, scanned in SIMD registers."""

from __future__ import annotations

from typing import Any

from likewise.search.engines.coded_lists import CodedLists
from likewise.search.engines.engine import Vectors
from likewise.search.engines.inverted_lists import LISTS, PROBES
from likewise.search.engines.parameters import Settings
from likewise.search.engines.product_quantizer import PARTS, padded_width, parts_for, trains_on_few
from likewise.search.engines.refined import REFINE, RERANK
from likewise.search.families import register_family

__all__ = ["IVFPQFastScan"]


@register_family
class IVFPQFastScan(CodedLists):
    """Assigns the vectors to k-means cells and keeps 4-bit codes of the residuals; a search scans
    the codes of the nearest cells in SIMD registers. It is small and the fastest family for batches
    if a recall of 0.90 to 0.95 is enough; above that, cell borders cost mates.

    Source: Jégou, Douze, Schmid, 2011; André, Kermarrec, Le Scouarnec, 2015.
    """

    name = "ivf_pq_fastscan"
    metrics = ("cosine", "dot", "euclidean")
    takes_mask = False
    build_parameters = (LISTS, PARTS, REFINE)
    search_parameters = (PROBES, RERANK)

    @classmethod
    def short_code_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """Four bits for each part of the residual."""
        parts = parts_for(settings, vectors.shape[1])
        width = padded_width(parts, vectors.shape[1])
        return trains_on_few(cls.inverted_file(f"PQ{parts}x4fsr", width, metric, settings))

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Different numbers of lists, with fine codes."""
        return [
            {"lists": lists, "parts": -(-dimension // 2), "refine": "int8"}
            for lists in cls.lists_grid(count)
        ]
