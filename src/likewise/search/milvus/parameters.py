"""Index types of a Milvus server, with their build and search parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from likewise.search.engines.parameters import Parameter, Settings

__all__ = ["BUILD_PARAMETERS", "METRICS", "index_parameters", "search_parameters"]

# Vectors have unit length for cosine, so the inner product is the cosine.
METRICS = {"cosine": "IP", "dot": "IP", "euclidean": "L2"}
KINDS = ("AUTOINDEX", "FLAT", "HNSW", "IVF_FLAT")
BUILD_PARAMETERS = (
    Parameter("kind", "AUTOINDEX", "the index type", choices=KINDS),
    Parameter("M", 16, "HNSW: neighbors of each vector", 2, 2048),
    Parameter("efConstruction", 200, "HNSW: candidates considered while building", 1, 2**15),
    Parameter("nlist", None, "IVF_FLAT: cells; 4·√N by default", 1, 65_536),
)
SPARE = Parameter(
    "spare", 2, "candidates for each neighbor; their exact scores decide", 1, 100, real=True
)
SEARCH_PARAMETERS = {
    "HNSW": (Parameter("ef", 128, "HNSW: candidates kept while searching, at least k", 1, 2**15),),
    "IVF_FLAT": (Parameter("nprobe", 32, "IVF_FLAT: cells that a search visits", 1, 65_536),),
}


def search_parameters(settings: Mapping[str, object]) -> tuple[Parameter, ...]:
    """The search parameters of an index with these build settings."""
    return (SPARE, *SEARCH_PARAMETERS.get(str(settings.get("kind")), ()))


def index_parameters(settings: Settings, metric: str, count: int) -> dict[str, Any]:
    """Index type and parameters for the server."""
    kind = settings["kind"]
    own: dict[str, Any] = {}
    if kind == "HNSW":
        own = {name: settings[name] for name in ("M", "efConstruction")}
    elif kind == "IVF_FLAT":
        own = {"nlist": settings.get("nlist", max(1, min(65_536, int(4 * count**0.5))))}
    return {"index_type": kind, "metric_type": METRICS[metric], "params": own}
