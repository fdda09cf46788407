"""Locality-sensitive hashing: the side of random hyperplanes on which a vector lies, as bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss

from likewise.search.families.engine import Vectors
from likewise.search.families.knobs import Knob, Settings
from likewise.search.families.refined import REFINE, RERANK, RERANK_GRID, Refined

__all__ = ["LSH"]


class LSH(Refined):
    """Asks of each of ``bits`` random hyperplanes through the origin on which side a vector lies;
    two vectors differ in a share of the bits equal to their angle over π. The codes of all are
    compared by popcount, and the best are sorted out. It trains nothing, so it cannot be misled
    by drift; it needs many bits and candidates for a high recall.

    Source: Charikar, Similarity estimation techniques from rounding algorithms, 2002.
    """

    name = "lsh"
    metrics = ("cosine",)
    smallest = 1
    build_knobs = (
        Knob("bits", 512, "hyperplanes, one bit each", 8, 2**16),
        Knob(REFINE.name, "none", REFINE.meaning, choices=REFINE.choices),
    )
    search_knobs = (Knob(RERANK.name, 30, RERANK.meaning, 1, 10_000),)

    @classmethod
    def coded(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """Bits, a multiple of eight."""
        bits = 8 * -(-int(settings["bits"]) // 8)
        # Random projections, also where fewer bits than dimensions would let faiss rotate only.
        return faiss.IndexLSH(vectors.shape[1], bits, True, False)

    def short_parameters(self, settings: Settings, among: Any) -> Any:
        """None: all codes are read."""
        return None

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """As many bits as dimensions, and four times as many."""
        usual = max(64, 8 * -(-dimension // 8))
        return [
            {"bits": usual, "refine": "none"},
            {"bits": min(4 * usual, 4096), "refine": "none"},
            {"bits": min(4 * usual, 4096), "refine": "int8"},
        ]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """More and more candidates."""
        return [{"rerank": rerank} for rerank in RERANK_GRID if rerank * k <= max(k, count // 4)]
