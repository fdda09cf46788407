"""The families of indexes, one a file, imported when first used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from likewise.errors import MissingExtra, one_of
from likewise.search.families.engine import Engine

__all__ = ["FAMILIES", "available", "family_named"]

_HOME = {
    "exact": ("exact", "Exact"),
    "scalar": ("scalar", "Scalar"),
    "pq_fastscan": ("pq_fastscan", "PQFastScan"),
    "lsh": ("lsh", "LSH"),
    "ivf_flat": ("ivf_flat", "IVFFlat"),
    "ivf_pq": ("ivf_pq", "IVFPQ"),
    "ivf_pq_fastscan": ("ivf_pq_fastscan", "IVFPQFastScan"),
    "rabitq": ("rabitq", "RaBitQ"),
    "hnsw": ("hnsw", "HNSW"),
    "nsg": ("nsg", "NSG"),
    "annoy": ("annoy", "Annoy"),
    "hnswlib": ("hnswlib", "HNSWLib"),
    "usearch": ("usearch", "USearch"),
    "scann": ("scann", "ScaNN"),
}


class _Families(Mapping[str, type[Engine]]):
    """Name → the family's class; iterating imports nothing."""

    def __getitem__(self, name: str) -> type[Engine]:
        module, kind = _HOME[name]
        engine: type[Engine] = getattr(import_module(f"{__name__}.{module}"), kind)
        return engine

    def __iter__(self) -> Iterator[str]:
        return iter(_HOME)

    def __len__(self) -> int:
        return len(_HOME)


FAMILIES: Mapping[str, type[Engine]] = _Families()


def family_named(name: str) -> type[Engine]:
    """The family's class.

    Raises:
        InputError: there is no such family; the nearest name is suggested.
    """
    return FAMILIES[one_of("family", name, FAMILIES)]


def available() -> list[str]:
    """The families whose library is installed.

    Example:
        >>> from likewise.search.families import available
        >>> "exact" in available()
        True
    """
    found = []
    for name, family in FAMILIES.items():
        try:
            family.require()
        except MissingExtra:
            continue
        found.append(name)
    return found
