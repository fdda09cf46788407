"""Which picture shows which family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from docs.figures.search.picture import Contrast, Picture
from docs.figures.search.scene import Scene
from likewise.arguments import one_of

__all__ = ["PICTURED", "SAME", "contrasts_of", "picture_of", "pictured_by"]

PICTURED = (
    "exact", "annoy", "lsh", "ivf_flat", "pq_fastscan", "ivf_pq_fastscan", "scalar", "rabitq",
    "hnsw", "nsg", "scann",
)  # fmt: skip
"""The families with their own picture, each drawn by the module of the same name."""
SAME: Mapping[str, str] = {"ivf_pq": "ivf_pq_fastscan", "hnswlib": "hnsw", "usearch": "hnsw"}
"""Families with the structure of another one, in another library or with longer codes."""
CONTRASTS: Mapping[str, str] = {"rabitq": "rabitq_estimates", "scann": "scann_codes"}


def pictured_by(family: str) -> str:
    """The family whose picture shows a family.

    Raises:
        InputError: there is no such family; the nearest name is suggested.

    Example:
        >>> from docs.figures.search.families import pictured_by
        >>> pictured_by("hnswlib")
        'hnsw'
    """
    name = one_of("family", family, [*PICTURED, *SAME])
    return SAME.get(name, name)


def picture_of(family: str, scene: Scene) -> Picture:
    """Build an index of the family and search it once.

    Raises:
        MissingExtra: the family's library is not installed.
    """
    draw: Callable[[Scene], Picture] = getattr(_module(family), family)
    return draw(scene)


def contrasts_of(family: str, scene: Scene) -> dict[str, Contrast]:
    """The second picture of the family, by its name; empty for most families."""
    if family not in CONTRASTS:
        return {}
    name = CONTRASTS[family]
    draw: Callable[[Scene], Contrast] = getattr(_module(family), name)
    return {name: draw(scene)}


def _module(family: str) -> object:
    return import_module(f"docs.figures.search.{family}")
