"""Every backend of the interface, made in one way: the families, and a Milvus server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from likewise.search.families import FAMILIES
from likewise.search.index import Index
from likewise.search.interface import SearchIndex
from likewise.search.milvus.index import MilvusIndex
from likewise.search.milvus.parameters import METRICS
from tests.search.cases import EACH, IDS, ITEMS, LIGHT, VECTORS, floor, index_of

BACKENDS = [*EACH, "milvus"]


@dataclass(frozen=True)
class Backend:
    """Makes indexes of one kind.

    Args:
        name: a family, or ``milvus``.
        uri: of the server.
    """

    name: str
    uri: str | None

    @property
    def metrics(self) -> tuple[str, ...]:
        return FAMILIES[self.name].metrics if self.uri is None else tuple(METRICS)

    @property
    def exact(self) -> bool:
        """It misses nothing; the server's index here is one that compares all."""
        return self.name in ("exact", "milvus")

    @property
    def floor(self) -> float:
        """Recall@10 that it reaches on the people at the least."""
        return 1.0 if self.exact else floor(self.name)

    def build(self, vectors: Any, ids: Any = None, **options: Any) -> SearchIndex:
        if self.uri is None:
            options.setdefault("settings", LIGHT.get(self.name))
            return Index.build(vectors, ids, family=self.name, **options)
        return MilvusIndex.build(vectors, ids, **self._on_server(options))

    def from_table(self, table: Any, **options: Any) -> SearchIndex:
        if self.uri is None:
            return Index.from_table(table, family=self.name, **options)
        return MilvusIndex.from_table(table, **self._on_server(options))

    def people(self, metric: str | None = None) -> SearchIndex:
        """An index of the people, of one's own to change."""
        metric = metric or self.metrics[0]
        if self.uri is None:
            return index_of(self.name, metric)
        return self.build(VECTORS, IDS, metric=metric, items=ITEMS, fingerprint="abc")

    def same_people(self, metric: str | None = None) -> SearchIndex:
        """An index of the people that is only read: a server takes its time to make one."""
        metric = metric or self.metrics[0]
        return self.people(metric) if self.uri is None else _read_only(self, metric)

    def thorough(self, index: SearchIndex) -> SearchIndex:
        """The index, searched with all care."""
        return index.with_effort(1) if isinstance(index, Index) else index

    def _on_server(self, options: dict[str, Any]) -> dict[str, Any]:
        given = {"settings": {"kind": "FLAT"}, "uri": self.uri, "collection": f"c{uuid4().hex}"}
        return {**given, **options}


@cache
def _read_only(backend: Backend, metric: str) -> SearchIndex:
    return backend.people(metric)


def same(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> None:
    """Two answers, equal to the bit."""
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


def items(*paths: str, camera: int = 0) -> pa.Table:
    """Rows such as the people's."""
    return pa.table({"path": list(paths), "camera": [camera] * len(paths)})
