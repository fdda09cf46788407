"""Locality-sensitive hashing: one bit for the side of each random hyperplane."""

from __future__ import annotations

from typing import Any

import faiss

from likewise.search.engines.engine import Vectors
from likewise.search.engines.parameters import Parameter, Settings
from likewise.search.engines.refined import REFINE, RERANK, Refined
from likewise.search.families import register_family

__all__ = ["LSH"]


@register_family
class LSH(Refined):
    """Stores one bit for each of ``bits`` random hyperplanes through the origin: the side on which
    the vector lies. Two vectors differ, on average, in a fraction of the bits equal to their angle
    over π. A search compares all codes by Hamming distance and reranks the best. Nothing is
    trained, so the index does not suffer from drift; a high recall needs many bits and candidates.

    Source: Charikar, Similarity estimation techniques from rounding algorithms, 2002.
    """

    name = "lsh"
    metrics = ("cosine",)
    min_vectors = 1
    build_parameters = (
        Parameter("bits", 512, "random hyperplanes, one bit each", 8, 2**16),
        Parameter(REFINE.name, "none", REFINE.meaning, choices=REFINE.choices),
    )
    search_parameters = (Parameter(RERANK.name, 30, RERANK.meaning, 1, 10_000),)

    @classmethod
    def short_code_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """Bits, rounded up to a multiple of eight."""
        bits = 8 * -(-int(settings["bits"]) // 8)
        # Always random projections: with fewer bits than dimensions, faiss would only rotate.
        return faiss.IndexLSH(vectors.shape[1], bits, True, False)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """One and four bits for each dimension."""
        usual = max(64, 8 * -(-dimension // 8))
        return [
            {"bits": usual, "refine": "none"},
            {"bits": min(4 * usual, 4096), "refine": "none"},
            {"bits": min(4 * usual, 4096), "refine": "int8"},
        ]
