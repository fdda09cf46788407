"""IVF-PQ: byte codes of residuals in k-means cells: the smallest memory for the most vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from likewise.search.families.coarse import LISTS, PROBES, Coarse, probes_and_rerank
from likewise.search.families.engine import Vectors
from likewise.search.families.knobs import Settings
from likewise.search.families.pq import PARTS, parts_for, trains_on_few, width_for
from likewise.search.families.refined import REFINE, RERANK, Refined

__all__ = ["IVFPQ"]

BYTES_EACH = 4  # dimensions that share one byte, if the user names no parts


class IVFPQ(Refined, Coarse):
    """Sorts the vectors into k-means cells and codes what each lacks to its cell's centre, part
    by part, by one of 256 centroids. With D/4 bytes a vector it holds tens of millions in
    memory; the candidates are sorted out from the vectors themselves, which may be on disk. It
    wins where memory is what is short.

    Source: Jégou, Douze, Schmid, Product quantization for nearest neighbor search, 2011.
    """

    name = "ivf_pq"
    metrics = ("cosine", "dot", "euclidean")
    smallest = 1_000
    selects = True
    build_knobs = (LISTS, PARTS, REFINE)
    search_knobs = (PROBES, RERANK)

    @classmethod
    def coded(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """A byte a part, of the residual."""
        parts = parts_for(settings, vectors.shape[1], BYTES_EACH)
        width = width_for(parts, vectors.shape[1])
        # np: no polysemous codes, whose training takes a minute and which we would not use.
        return trains_on_few(cls.sorted_into_cells(f"PQ{parts}x8np", width, metric, settings))

    def short_parameters(self, settings: Settings, among: Any) -> Any:
        """How many cells to visit."""
        return Coarse.parameters(self, 0, settings, among)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """The smallest first, then with a byte a dimension to refine by."""
        lists = cls.lists_grid(count)[1:2] or cls.lists_grid(count)
        parts = -(-dimension // BYTES_EACH)
        return [
            {"lists": number, "parts": parts, "refine": refine}
            for number in lists
            for refine in ("none", "int8")
        ]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """More cells, and more candidates with them."""
        return probes_and_rerank(cls.probes_grid(settings, count))
