"""IVF-flat: k-means cells, and exact distances within the nearest cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from likewise.search.engines.engine import Vectors
from likewise.search.engines.inverted_lists import LISTS, PROBES, InvertedLists
from likewise.search.engines.parameters import Settings
from likewise.search.families import register_family

__all__ = ["IVFFlat"]


@register_family
class IVFFlat(InvertedLists):
    """Assigns the vectors to the cells of a k-means and compares the query only with those of the
    ``probes`` nearest cells. It builds in seconds and keeps a full copy of the vectors. It wins
    where the data has clusters and batches are large; it misses a mate where a cell border runs
    between the query and the mate.

    Source: Sivic, Zisserman, Video Google: a text retrieval approach to object matching, 2003;
    Jégou, Douze, Schmid, Product quantization for nearest neighbor search, 2011.
    """

    name = "ivf_flat"
    metrics = ("cosine", "dot", "euclidean")
    build_parameters = (LISTS,)
    search_parameters = (PROBES,)

    @classmethod
    def empty_index(cls, vectors: Vectors, metric: str, settings: Settings) -> Any:
        """Cells that store the vectors."""
        return cls.inverted_file("Flat", vectors.shape[1], metric, settings)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """Half, one and two times the usual number of lists."""
        return [{"lists": lists} for lists in cls.lists_grid(count)]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """From one cell to half of the cells."""
        return [{"probes": probes} for probes in cls.probes_grid(settings, count)]
