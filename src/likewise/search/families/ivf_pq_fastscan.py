"""IVF-PQ fast-scan: four-bit codes, in the cells nearest to the query only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from likewise.search.families.coarse import LISTS, PROBES, Coarse, probes_and_rerank
from likewise.search.families.engine import Vectors
from likewise.search.families.knobs import Settings
from likewise.search.families.pq import PARTS, parts_for, trains_on_few, width_for
from likewise.search.families.refined import REFINE, RERANK, Refined

__all__ = ["IVFPQFastScan"]


class IVFPQFastScan(Refined, Coarse):
    """Sorts the vectors into k-means cells and keeps four-bit codes of what each lacks to its
    cell's centre; a search scans the codes of the nearest cells in registers. Small and the
    quickest of all in batches, where a recall of .90 to .95 is enough; beyond, the cells' borders
    cost true mates.

    Source: Jégou, Douze, Schmid, 2011; André, Kermarrec, Le Scouarnec, 2015.
    """

    name = "ivf_pq_fastscan"
    metrics = ("cosine", "dot", "euclidean")
    selects = False
    build_knobs = (LISTS, PARTS, REFINE)
    search_knobs = (PROBES, RERANK)

    @classmethod
    def coded(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """Four bits a part, of the residual."""
        parts = parts_for(settings, vectors.shape[1])
        width = width_for(parts, vectors.shape[1])
        return trains_on_few(cls.sorted_into_cells(f"PQ{parts}x4fsr", width, metric, settings))

    def short_parameters(self, settings: Settings, among: Any) -> Any:
        """How many cells to visit."""
        return Coarse.parameters(self, 0, settings, None)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Fewer lists and more, fine codes."""
        return [
            {"lists": lists, "parts": -(-dimension // 2), "refine": "int8"}
            for lists in cls.lists_grid(count)
        ]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """More cells, and more candidates with them."""
        return probes_and_rerank(cls.probes_grid(settings, count))
