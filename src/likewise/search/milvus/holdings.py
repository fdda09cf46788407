"""What an index on a server is and holds; what it holds is fetched when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from likewise.errors import InputError
from likewise.search.contents.input_checks import integer_ids
from likewise.search.contents.space import Space
from likewise.search.families.engine import Ids, Vectors
from likewise.search.families.knobs import settled
from likewise.search.milvus.collection import Collection, among
from likewise.search.milvus.items import items_table
from likewise.search.milvus.kinds import search_knobs
from likewise.search.milvus.pointer import FAMILY

__all__ = ["MilvusHoldings"]


class MilvusHoldings:
    """The part of an index on a server that only tells."""

    def __init__(
        self, collection: Collection, search_settings: Mapping[str, object] | None = None
    ) -> None:
        self._collection = collection
        self._space: Space = collection.space
        self._search_settings = self._settled(
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
        """The settings of each search."""
        return dict(self._search_settings)

    @property
    def metric(self) -> str:
        """``cosine``, ``dot``, ``euclidean`` or ``mahalanobis``."""
        return self._space.name

    @property
    def fingerprint(self) -> str:
        """The embedder that made the vectors."""
        return self._collection.about.fingerprint

    @property
    def dimension(self) -> int:
        """D, the numbers in a vector as it comes in."""
        factor = self._space.factor
        return self._collection.about.dimension if factor is None else int(factor.shape[1])

    @property
    def ids(self) -> Ids:
        """The ids, int64 [len], ascending; all are fetched."""
        pages = self._collection.pages("", ["id"])
        return np.array([row["id"] for page in pages for row in page], np.int64)

    @property
    def vectors(self) -> Vectors:
        """What it holds, float32 [len,D'], by ascending id; all are fetched.

        They are of unit length for cosine, mapped for mahalanobis.
        """
        return self._collection.vectors()

    @property
    def items(self) -> pa.Table | None:
        """What each vector is of, by ascending id; None if never given; all are fetched."""
        columns = self._collection.about.columns
        if columns is None:
            return None
        pages = self._collection.pages("", ["id", "item"])
        return items_table([row["item"] for page in pages for row in page], columns)

    def describe(self, ids: Sequence[int] | Ids) -> list[dict[str, object]]:
        """What each id is of: its row of ``items`` (empty where the index has none).

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
        """The items of those of the ids that are here."""
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

    def _settled(self, settings: Mapping[str, object]) -> dict[str, Any]:
        return dict(settled(FAMILY, search_knobs(self._collection.about.settings), settings))
