"""Scalar quantization: each coordinate in one byte or two, and every vector is compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss

from likewise.search.families.engine import Vectors
from likewise.search.families.exact_pass import FAISS_METRICS
from likewise.search.families.faiss_engine import FaissEngine
from likewise.search.families.knobs import Knob, Settings

__all__ = ["Scalar"]

CODES = {"int8": faiss.ScalarQuantizer.QT_8bit, "float16": faiss.ScalarQuantizer.QT_fp16}


class Scalar(FaissEngine):
    """Keeps each coordinate as a byte between its least and greatest value, or as a float of half
    the length, and compares the query with all of them. A quarter or half of the memory of exact
    search at a recall of .99 and more; it wins where the vectors must stay on disk and recall
    must not suffer.

    Source: Douze et al., The Faiss library, 2024.
    """

    name = "scalar"
    metrics = ("cosine", "dot", "euclidean")
    smallest = 100
    selects = True
    build_knobs = (
        Knob("codes", "int8", "how each coordinate is kept", choices=("int8", "float16")),
    )
    search_knobs = (Knob("rerank", 2, "candidates by the codes for each row asked for", 1, 10_000),)

    @classmethod
    def made(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """The codes of all."""
        kind = CODES[str(settings["codes"])]
        return faiss.IndexScalarQuantizer(vectors.shape[1], kind, FAISS_METRICS[metric])

    def parameters(self, k: int, settings: Settings, among: Any) -> Any:
        """None but the selector: all codes are read."""
        return None if among is None else faiss.SearchParameters(sel=among)

    def asked(self, k: int, settings: Settings) -> int:
        """``rerank`` times as many, for the exact scores to choose from."""
        return min(k * int(settings["rerank"]), self.count)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """A byte, and two."""
        return [{"codes": "int8"}, {"codes": "float16"}]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """The codes' own order, then better ones."""
        return [{"rerank": rerank} for rerank in (1, 2, 4)]
