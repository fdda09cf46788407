"""Properties and rows of an index on a server; rows are fetched on every access."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from likewise.errors import InputError
from likewise.pages.shown import Table
from likewise.search.contents.input_checks import integer_ids
from likewise.search.contents.space import Space
from likewise.search.engines.engine import Ids, Vectors
from likewise.search.engines.parameters import checked_settings
from likewise.search.milvus.collection import Collection, among
from likewise.search.milvus.items import items_table
from likewise.search.milvus.parameters import search_parameters
from likewise.search.milvus.pointer import FAMILY

__all__ = ["ReadOnlyMilvusIndex"]


class ReadOnlyMilvusIndex:
    """The reading half of ``MilvusIndex``, without searches."""

    def __init__(
        self, collection: Collection, search_settings: Mapping[str, object] | None = None
    ) -> None:
        self._collection = collection
        self._space: Space = collection.space
        self._search_settings = self._checked(
            collection.about.search_settings if search_settings is None else search_settings
        )

    def __len__(self) -> int:
        return len(self._collection)

    def __repr__(self) -> str:
        return (
            f"MilvusIndex({self._collection.name} at {self._collection.server.uri}: vectors of "
            f"{self.dimension} numbers, {self.metric})"
        )

    @property
    def family(self) -> str:
        """``milvus``."""
        return FAMILY

    @property
    def settings(self) -> dict[str, Any]:
        """The build settings."""
        return dict(self._collection.about.settings)

    @property
    def search_settings(self) -> dict[str, Any]:
        """The search settings, for searches that give none."""
        return dict(self._search_settings)

    @property
    def metric(self) -> str:
        """``cosine``, ``dot``, ``euclidean`` or ``mahalanobis``."""
        return self._space.name

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the embedder that made the vectors."""
        return self._collection.about.fingerprint

    @property
    def alignment(self) -> None:
        """Not recorded on a server."""

    @property
    def dimension(self) -> int:
        """D, the dimension of vectors as users give them."""
        factor = self._space.factor
        return self._collection.about.dimension if factor is None else int(factor.shape[1])

    @property
    def ids(self) -> Ids:
        """All ids, int64 [len], ascending; fetched from the server."""
        pages = self._collection.pages("", ["id"])
        return np.array([row["id"] for page in pages for row in page], np.int64)

    @property
    def vectors(self) -> Vectors:
        """All vectors, float32 [len,D'], by ascending id; fetched from the server.

        They have unit length for cosine, and are mapped for mahalanobis.
        """
        return self._collection.vectors()

    @property
    def items(self) -> pa.Table | None:
        """The metadata of each vector, by ascending id; None if never given; fetched."""
        columns = self._collection.about.columns
        if columns is None:
            return None
        pages = self._collection.pages("", ["id", "item"])
        return items_table([row["item"] for page in pages for row in page], columns)

    def _items_shown(self) -> list[Table]:
        return []  # they are not fetched only to be shown

    def describe(self, ids: Sequence[int] | Ids) -> list[dict[str, object]]:
        """The items of ids: one dictionary each, empty if the index has no items.

        Raises:
            InputError: an id is not in the index.
        """
        numbers = integer_ids(ids).reshape(-1)
        found = self._fetched(numbers)
        for number in numbers.tolist():
            if number not in found:
                raise InputError(f"ids: {number} is not in the index")
        table = self._table(numbers, found)
        if table is None:
            return [{} for _ in numbers]
        rows: list[dict[str, object]] = table.to_pylist()
        return rows

    def _items_of(self, ids: Ids) -> pa.Table | None:
        return self._table(ids, self._fetched(ids))

    def _fetched(self, ids: Ids) -> dict[int, dict[str, Any]]:
        """The items of ids, by id; unknown ids are left out."""
        found: dict[int, dict[str, Any]] = {}
        distinct = np.unique(ids)
        for start in range(0, len(distinct), 1024):
            part = among(distinct[start : start + 1024])
            rows = self._collection.rows(part, ["id", "item"])
            found |= {row["id"]: row["item"] for row in rows}
        return found

    def _table(self, ids: Ids, found: dict[int, dict[str, Any]]) -> pa.Table | None:
        columns = self._collection.about.columns
        if columns is None:
            return None
        return items_table([found.get(number, {}) for number in ids.tolist()], columns)

    def _checked(self, settings: Mapping[str, object]) -> dict[str, Any]:
        return dict(
            checked_settings(FAMILY, search_parameters(self._collection.about.settings), settings)
        )
