"""Parameters and search space that the graph families share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from likewise.search.engines.engine import Engine
from likewise.search.engines.faiss_engine import geometric_grid
from likewise.search.engines.parameters import Parameter, Settings

__all__ = ["EF_CONSTRUCTION", "LINKS", "Graph"]

LINKS = Parameter("links", 32, "neighbors of each vector (M); twice that at level 0", 2, 256)
EF_CONSTRUCTION = Parameter(
    "ef_construction", 100, "candidates considered for each vector while building", 4, 4096
)
EF = Parameter("ef", 64, "candidates kept while searching, at least k; more raise recall", 1, 2**16)


class Graph(Engine):
    """A family whose searches follow the links of a graph, with ``ef`` candidates."""

    is_graph = True
    search_parameters: ClassVar[tuple[Parameter, ...]] = (EF,)

    @classmethod
    def build_grid(cls, count: int, dimension: int, metric: str) -> list[Settings]:
        """A light, a usual and a heavy graph."""
        return [
            {"links": 16, "ef_construction": 100},
            {"links": 32, "ef_construction": 100},
            {"links": 32, "ef_construction": 200},
        ]

    @classmethod
    def search_grid(cls, settings: Mapping[str, object], count: int, k: int) -> list[Settings]:
        """From k candidates to about a thousand."""
        return [{"ef": ef} for ef in geometric_grid(max(k, 10), max(k, min(1024, count)))]
