"""A filter as Milvus expressions, with a check of the rows that the server returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from likewise.errors import InputError
from likewise.search.contents.filter import Filter, matching_rows
from likewise.search.contents.input_checks import integer_ids
from likewise.search.engines.engine import Ids, Mask
from likewise.search.milvus.collection import MESSAGE_IDS, Collection, among
from likewise.search.milvus.expression import translated
from likewise.search.milvus.items import Columns, items_table

__all__ = ["ServerFilter", "server_filter_of"]

EXPECTED = "int64 ids or a pyarrow expression"


@dataclass(frozen=True)
class ServerFilter:
    """The rows that match one of the expressions and pass the check.

    Args:
        parts: Milvus expressions, of which a row matches at most one; an empty one matches all.
        expression: the pyarrow expression to check the items of returned rows with.
        columns: the columns of the items.
    """

    parts: list[str]
    expression: pc.Expression | None = None
    columns: Columns | None = None

    @property
    def fields(self) -> list[str]:
        """The fields that the check needs."""
        return [] if self.expression is None else ["item"]

    def passes(self, rows: Sequence[dict[str, Any]]) -> Mask:
        """Which of the rows pass the check, bool [R]."""
        if self.expression is None:
            return np.ones(len(rows), np.bool_)
        kept = np.zeros(len(rows), np.bool_)
        table = items_table([row["item"] for row in rows], self.columns or {})
        kept[matching_rows(table, self.expression)] = True
        return kept


def server_filter_of(collection: Collection, filter: Filter | None) -> ServerFilter:
    """A filter for the server: ids, or an expression, which is translated or resolved to ids.

    Raises:
        InputError: an expression on an index without items, or on an unknown column.
    """
    if filter is None:
        return ServerFilter([""])
    if not isinstance(filter, pc.Expression):
        return _of_ids(np.unique(integer_ids(filter, "filter", EXPECTED).reshape(-1)))
    columns = collection.about.columns
    if columns is None:
        raise InputError("filter: an expression needs items, and this index has none")
    nothing: pa.Table = items_table([], columns)
    matching_rows(nothing, filter)  # raises if it does not fit the columns
    text = translated(filter, columns)
    if text is not None:
        return ServerFilter([text], filter, columns)
    found: list[int] = []
    for page in collection.pages("", ["id", "item"]):
        kept = ServerFilter([], filter, columns).passes(page)
        found += [row["id"] for row, keep in zip(page, kept.tolist(), strict=True) if keep]
    return _of_ids(np.array(found, np.int64))


def _of_ids(ids: Ids) -> ServerFilter:
    steps = range(0, len(ids), MESSAGE_IDS)
    return ServerFilter([among(ids[start : start + MESSAGE_IDS]) for start in steps])
