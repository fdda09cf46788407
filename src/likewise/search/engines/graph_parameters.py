"""Parameters and search space that the HNSW-like graph families share."""

from __future__ import annotations

from likewise.search.engines.faiss_engine import geometric_grid
from likewise.search.engines.parameters import Parameter, Settings

__all__ = ["EF", "EF_CONSTRUCTION", "LINKS", "ef_grid", "links_grid"]

LINKS = Parameter("links", 32, "neighbors of each vector (M); twice that at level 0", 2, 256)
EF_CONSTRUCTION = Parameter(
    "ef_construction", 100, "candidates considered for each vector while building", 4, 4096
)
EF = Parameter("ef", 64, "candidates kept while searching, at least k; more raise recall", 1, 2**16)


def links_grid() -> list[Settings]:
    """Build settings for the tuner to try: a light, a usual and a heavy graph."""
    return [
        {"links": 16, "ef_construction": 100},
        {"links": 32, "ef_construction": 100},
        {"links": 32, "ef_construction": 200},
    ]


def ef_grid(count: int, k: int) -> list[Settings]:
    """Search settings for the tuner to try, from k candidates to about a thousand."""
    return [{"ef": ef} for ef in geometric_grid(max(k, 10), max(k, min(1024, count)))]
