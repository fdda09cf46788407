"""A filter as what the server is asked: expressions, and how to check what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from likewise.errors import InputError
from likewise.search.contents.filter import EXPECTED, Filter, _rows_matching
from likewise.search.contents.input_checks import integer_ids
from likewise.search.families.engine import Ids, Mask
from likewise.search.milvus.collection import MESSAGE_IDS, Collection, among
from likewise.search.milvus.expression import translated
from likewise.search.milvus.items import Columns, items_table

__all__ = ["Choice", "chosen"]


@dataclass(frozen=True)
class Choice:
    """What may be found: the rows that one of the expressions lets through, and that pass.

    Args:
        parts: Milvus expressions that no row meets twice; an empty one lets all through.
        original: what the rows' items have to meet as well.
        columns: the items' columns.
    """

    parts: list[str]
    original: pc.Expression | None = None
    columns: Columns | None = None

    @property
    def fields(self) -> list[str]:
        """What has to be fetched to check a row."""
        return [] if self.original is None else ["item"]

    def passes(self, rows: Sequence[dict[str, Any]]) -> Mask:
        """Which of the rows pass, bool [R]."""
        if self.original is None:
            return np.ones(len(rows), np.bool_)
        kept = np.zeros(len(rows), np.bool_)
        table = items_table([row["item"] for row in rows], self.columns or {})
        kept[_rows_matching(table, self.original)] = True
        return kept


def chosen(collection: Collection, filter: Filter | None) -> Choice:
    """A filter for the server: ids as they are, an expression translated or resolved to ids.

    Raises:
        InputError: an expression on an index without items, or on a column that they lack.
    """
    if filter is None:
        return Choice([""])
    if not isinstance(filter, pc.Expression):
        return _of_ids(np.unique(integer_ids(filter, "filter", EXPECTED).reshape(-1)))
    columns = collection.about.columns
    if columns is None:
        raise InputError("filter: an expression needs items, and this index has none")
    nothing: pa.Table = items_table([], columns)
    _rows_matching(nothing, filter)  # says now if it does not fit the columns
    text = translated(filter, columns)
    if text is not None:
        return Choice([text], filter, columns)
    found: list[int] = []
    for page in collection.pages("", ["id", "item"]):
        kept = Choice([], filter, columns).passes(page)
        found += [row["id"] for row, keep in zip(page, kept.tolist(), strict=True) if keep]
    return _of_ids(np.array(found, np.int64))


def _of_ids(ids: Ids) -> Choice:
    steps = range(0, len(ids), MESSAGE_IDS)
    return Choice([among(ids[start : start + MESSAGE_IDS]) for start in steps])
