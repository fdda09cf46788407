"""The same made-up people for every family: light settings, an engine built once a process."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from likewise.errors import MissingExtra
from likewise.search.contents.contents import Contents
from likewise.search.engines.parameters import checked_settings
from likewise.search.families import FAMILIES
from likewise.search.index import Index

COUNT, DIMENSION = 1500, 24
FIRST_ID = 2**40
# What a family is built with here, where the default would take its time.
LIGHT: dict[str, dict[str, object]] = {
    "hnsw": {"links": 16, "ef_construction": 40},
    "hnswlib": {"links": 16, "ef_construction": 40},
    "usearch": {"links": 16, "ef_construction": 40},
    "nsg": {"links": 16, "neighbors": 24},
    "annoy": {"trees": 20},
}
# Recall@10 that a family's own settings reach on these people at the least.
FLOOR = {"exact": 1.0, "ivf_flat": 0.85, "ivf_pq": 0.85, "ivf_pq_fastscan": 0.85, "rabitq": 0.85}
FLOOR |= {"scann": 0.75}


def floor(name: str) -> float:
    return FLOOR.get(name, 0.9)


def missing(name: str) -> bool:
    try:
        FAMILIES[name].require()
    except MissingExtra:
        return True
    return False


EACH = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            missing(name), reason=f"not installed: pip install 'likewise[{FAMILIES[name].extra}]'"
        ),
    )
    for name in FAMILIES
]


def people(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    """Photos of people, some ten each, around a centre of their own."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(max(1, count // 10), dimension))
    noise = 0.7 * random.normal(size=(count, dimension))
    return (centres[random.integers(0, len(centres), count)] + noise).astype(np.float32)


VECTORS = people(COUNT, DIMENSION)
QUERIES = people(COUNT + 25, DIMENSION)[COUNT:]  # the same people, other photos
IDS = np.random.default_rng(1).permutation(COUNT) + FIRST_ID
ITEMS = pa.table(
    {"path": [f"{n}.jpg" for n in range(COUNT)], "camera": [n % 7 for n in range(COUNT)]}
)


@cache
def _built(name: str, metric: str) -> Index:
    return Index.build(
        VECTORS,
        IDS,
        family=name,
        settings=LIGHT.get(name),
        metric=metric,
        items=ITEMS,
        fingerprint="abc",
    )


def index_of(name: str, metric: str | None = None) -> Index:
    """An index of one's own to change, over an engine that all share."""
    built = _built(name, metric or FAMILIES[name].metrics[0])
    old = built._contents
    contents = Contents(old.family, old.settings, old.space, old.fingerprint, old.snapshot.base)
    return Index(contents, checked_settings(name, old.family.search_parameters, None), {})


def truth(vectors: np.ndarray, query: np.ndarray, metric: str) -> np.ndarray:
    """The scores of all by the definition, in double precision."""
    x, q = vectors.astype(np.float64), query.astype(np.float64)
    if metric == "manhattan":
        return -np.abs(x - q).sum(axis=1)
    if metric == "euclidean":
        return -np.sqrt(((x - q) ** 2).sum(axis=1))
    if metric == "dot":
        return (x * q).sum(axis=1)
    return (x * q).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (q**2).sum())


def best(vectors: np.ndarray, ids: np.ndarray, query: np.ndarray, metric: str, k: int) -> list[int]:
    scores = truth(vectors, query, metric)
    return [int(ids[row]) for row in np.lexsort((ids, -scores))[:k]]


def recall(found: np.ndarray, expected: list[list[int]]) -> float:
    hits = [len(set(row) & set(right)) for row, right in zip(found.tolist(), expected, strict=True)]
    return sum(hits) / sum(len(right) for right in expected)
