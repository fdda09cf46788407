"""IVF-flat: k-means cells, and exact distances within the nearest of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from likewise.search.families.coarse import LISTS, PROBES, Coarse
from likewise.search.families.engine import Vectors
from likewise.search.families.knobs import Settings

__all__ = ["IVFFlat"]


class IVFFlat(Coarse):
    """Sorts the vectors into the cells of a k-means and compares the query with those of the
    ``probes`` nearest cells only. It builds in seconds and keeps a full copy of the vectors; it
    wins where the data has clusters and batches are large, and loses true mates first where a
    cell's border runs between a query and its mate.

    Source: Sivic, Zisserman, Video Google: a text retrieval approach to object matching, 2003;
    Jégou, Douze, Schmid, Product quantization for nearest neighbor search, 2011.
    """

    name = "ivf_flat"
    metrics = ("cosine", "dot", "euclidean")
    build_knobs = (LISTS,)
    search_knobs = (PROBES,)

    @classmethod
    def made(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """Cells with the vectors themselves."""
        return cls.sorted_into_cells("Flat", vectors.shape[1], metric, settings)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Half, once and twice the usual number of lists."""
        return [{"lists": lists} for lists in cls.lists_grid(count)]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """From one cell to half of them."""
        return [{"probes": probes} for probes in cls.probes_grid(settings, count)]
