"""IVF-PQ: 8-bit product quantization of residuals in k-means cells; needs little memory."""

from __future__ import annotations

from typing import Any

from likewise.search.engines.coded_lists import CodedLists
from likewise.search.engines.engine import Vectors
from likewise.search.engines.inverted_lists import LISTS, PROBES
from likewise.search.engines.parameters import Settings
from likewise.search.engines.product_quantizer import PARTS, padded_width, parts_for, trains_on_few
from likewise.search.engines.refined import REFINE, RERANK
from likewise.search.families import register_family

__all__ = ["IVFPQ"]

DIMENSIONS_PER_BYTE = 4  # by default


@register_family
class IVFPQ(CodedLists):
    """Assigns the vectors to k-means cells and quantizes the residual to the cell's centroid, each
    part by a codebook of 256 entries. With D/4 bytes a vector, tens of millions fit in memory; the
    candidates are reranked by the vectors, which may stay on disk. It wins where memory is the
    limit.

    Source: Jégou, Douze, Schmid, Product quantization for nearest neighbor search, 2011.
    """

    name = "ivf_pq"
    metrics = ("cosine", "dot", "euclidean")
    min_vectors = 1_000
    takes_mask = True
    build_parameters = (LISTS, PARTS, REFINE)
    search_parameters = (PROBES, RERANK)

    @classmethod
    def short_code_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """One byte for each part of the residual."""
        parts = parts_for(settings, vectors.shape[1], DIMENSIONS_PER_BYTE)
        width = padded_width(parts, vectors.shape[1])
        # np: without polysemous codes, whose training takes a minute; they are not used here.
        return trains_on_few(cls.inverted_file(f"PQ{parts}x8np", width, metric, settings))

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Without and with int8 codes to rerank by."""
        lists = cls.lists_grid(count)[1:2] or cls.lists_grid(count)
        parts = -(-dimension // DIMENSIONS_PER_BYTE)
        return [
            {"lists": number, "parts": parts, "refine": refine}
            for number in lists
            for refine in ("none", "int8")
        ]
