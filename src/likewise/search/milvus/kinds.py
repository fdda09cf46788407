"""The indexes that a Milvus server builds over a collection, and their knobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from likewise.search.families.knobs import Knob, Settings

__all__ = ["BUILD_KNOBS", "METRICS", "index_parameters", "search_knobs"]

# Vectors come with unit length for the cosine, so its inner product is the cosine.
METRICS = {"cosine": "IP", "dot": "IP", "euclidean": "L2"}
KINDS = ("AUTOINDEX", "FLAT", "HNSW", "IVF_FLAT")
BUILD_KNOBS = (
    Knob("kind", "AUTOINDEX", "the index that the server builds", choices=KINDS),
    Knob("M", 16, "HNSW: links of a vector", 2, 2048),
    Knob("efConstruction", 200, "HNSW: candidates looked at for each link", 1, 2**15),
    Knob("nlist", None, "IVF_FLAT: cells; four times the square root of N if not given", 1, 65_536),
)
SPARE = Knob("spare", 2, "candidates for each answer, scored again exactly", 1, 100, real=True)
SEARCH_KNOBS = {
    "HNSW": (Knob("ef", 128, "HNSW: candidates kept; at least those asked for", 1, 2**15),),
    "IVF_FLAT": (Knob("nprobe", 32, "IVF_FLAT: cells looked into", 1, 65_536),),
}


def search_knobs(settings: Mapping[str, object]) -> tuple[Knob, ...]:
    """The knobs of a search of an index with these build settings."""
    return (SPARE, *SEARCH_KNOBS.get(str(settings.get("kind")), ()))


def index_parameters(settings: Settings, metric: str, count: int) -> dict[str, Any]:
    """What the server is told to build."""
    kind = settings["kind"]
    own: dict[str, Any] = {}
    if kind == "HNSW":
        own = {name: settings[name] for name in ("M", "efConstruction")}
    elif kind == "IVF_FLAT":
        own = {"nlist": settings.get("nlist", max(1, min(65_536, int(4 * count**0.5))))}
    return {"index_type": kind, "metric_type": METRICS[metric], "params": own}
