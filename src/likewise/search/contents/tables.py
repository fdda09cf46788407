"""Tables: build an index from an Arrow table or a DataFrame, and get results as a table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from likewise.arrays import as_array, as_table
from likewise.data.columns import metadata_names, refuse_repeated
from likewise.data.images import ImageSource
from likewise.data.manifest import Manifest
from likewise.data.vectors import vectors_in
from likewise.errors import InputError
from likewise.search.contents.description import Described
from likewise.search.contents.filter import Filter
from likewise.search.contents.input_checks import integer_ids
from likewise.search.contents.neighbors import Neighbors
from likewise.search.engines.engine import Ids, Vectors

__all__ = ["Tables", "columns_of", "items_of", "without_unused_values"]


class Tables(Described):
    """The methods of an index that take and return tables instead of arrays."""

    @classmethod
    @abstractmethod
    def build(cls, *arguments: Any, **options: Any) -> Self:
        """See ``Index.build``."""

    @abstractmethod
    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Vectors, Ids]:
        """See ``Index.search``."""

    @classmethod
    def from_table(
        cls, table: Any, *, vector: str = "embedding", id: str | None = "id", **options: Any
    ) -> Self:
        """Build an index from an Arrow table or a DataFrame (pandas, polars, …).

        Args:
            table: with Arrow's C interface, or a method ``to_arrow`` or ``to_pandas``.
            vector: the column of lists of numbers.
            id: the column of integers; None to number rows from 0. Other columns become ``items``.
            options: see ``build``.

        Raises:
            InputError: see ``build``; or a column is missing or has another type.

        Example:
            >>> import pandas as pd
            >>> from likewise.search.index import Index
            >>> people = pd.DataFrame(
            ...     {"id": [7, 9], "name": ["anna", "bob"], "embedding": [[1.0, 0.0], [0.0, 1.0]]}
            ... )
            >>> index = Index.from_table(people)
            >>> index.search_table([[0.9, 0.1]], k=1).to_pylist()[0]["name"]
            'anna'
        """
        vectors, ids, items = columns_of(table, vector, id)
        return cls.build(vectors, ids, items=items, **options)

    def search_table(
        self,
        queries: Any,
        k: int = 10,
        *,
        vector: str = "embedding",
        id: str | None = None,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> pa.Table:
        """Search, with the results as an Arrow table: one row for each query and rank.

        Args:
            queries: [Q,D], or a table, see ``from_table``.
            k: how many neighbors.
            vector: the column with the vectors of the queries.
            id: the column with the names of the queries; row numbers if None.
            filter: see ``Index.search``.
            settings: see ``Index.search``.

        Returns:
            Columns ``query``, ``rank`` (from 1), ``score``, ``id``, and those of ``items``; an item
            column with one of these names gets the prefix ``item_``. Items that another thread
            removes meanwhile are null.

        Raises:
            InputError: see ``search``; or a column is missing or has another type.
        """
        rows, names = _queries_of(queries, vector, id)
        scores, ids = self.search(rows, k, filter=filter, settings=settings)
        width = ids.shape[1]
        columns = {
            "query": names.take(pa.array(np.repeat(np.arange(len(rows)), width))),
            "rank": pa.array(np.tile(np.arange(1, width + 1, dtype=np.int32), len(rows))),
            "score": pa.array(scores.reshape(-1)),
            "id": pa.array(ids.reshape(-1)),
        }
        # Arrow columns, not Python objects: there may be millions of results.
        described = self._items_of(ids.reshape(-1))
        if described is not None:
            for name, unique in metadata_names(described.column_names, columns).items():
                columns[unique] = described[name]
        return pa.table(columns)

    def neighbors(
        self,
        queries: Any,
        k: int = 10,
        *,
        photos: Manifest | str | Path | None = None,
        query_photos: Sequence[ImageSource] | None = None,
        vector: str = "embedding",
        id: str | None = None,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Neighbors:
        """Search, with an answer that shows itself in a notebook and becomes a DataFrame.

        Args:
            queries, k, vector, id, filter, settings: see ``search_table``.
            photos: a manifest, or the folder that the items' column ``path`` is relative to: the
                neighbors are shown as photos.
            query_photos: the photos of the queries, one for each.

        Raises:
            InputError: see ``search_table``; photos, and no items with a column ``path``.

        Example:
            >>> import likewise
            >>> index = likewise.Index.build([[1, 0], [0, 1]], items={"name": ["anna", "bob"]})
            >>> index.neighbors([[0.6, 0.8]], k=2)
            Neighbors: 2 of 1 queries
            query  rank  score  id  name
            0      1     0.8    1   bob
            0      2     0.6    0   anna
            >>> index.neighbors([[0.6, 0.8]], k=1).to_pandas()["name"].tolist()
            ['bob']
        """
        found = self.search_table(
            queries, k, vector=vector, id=id, filter=filter, settings=settings
        )
        return Neighbors(found, photos, query_photos)


def items_of(table: pa.Table) -> list[dict[str, Any]]:
    """The rows as dictionaries; values that Python cannot hold (year 12,000) become strings.

    Example:
        >>> items_of(pa.table({"name": ["anna"], "age": [31]}))
        [{'name': 'anna', 'age': 31}]
    """
    if not table.num_columns:
        return [{} for _ in range(table.num_rows)]
    columns = [_python(table[name]) for name in table.column_names]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _python(column: pa.ChunkedArray) -> list[Any]:
    try:
        found: list[Any] = column.to_pylist()
    except (OverflowError, ValueError, pa.ArrowException):
        found = column.cast(pa.string()).to_pylist()
    return found


def without_unused_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without unused dictionary values, which Parquet would write as well."""
    kind = column.type
    if not pa.types.is_dictionary(kind):
        if not _holds_dictionaries(kind):
            return column
        return pa.chunked_array([pa.array(column.to_pylist(), kind)])
    chunks = []
    for chunk in column.unify_dictionaries().chunks:
        used = chunk.indices.unique().drop_null().sort()
        places = pc.index_in(chunk.indices, used).cast(kind.index_type)
        values = chunk.dictionary.take(used)
        chunks.append(pa.DictionaryArray.from_arrays(places, values, ordered=kind.ordered))
    return pa.chunked_array(chunks, kind)


def _holds_dictionaries(kind: pa.DataType) -> bool:
    fields = (kind.field(place).type for place in range(kind.num_fields))
    return pa.types.is_dictionary(kind) or any(map(_holds_dictionaries, fields))


def vectors_of(table: pa.Table, column: str) -> NDArray[np.float32]:
    """The vectors of a column of lists: float32 [N,D].

    Raises:
        InputError: no such column, not lists of numbers, a null, or lists of different lengths;
            names the row.
    """
    _require(table, column)
    return vectors_in(table[column], f"column {column!r}")


def columns_of(
    table: Any, vector: str, id: str | None
) -> tuple[NDArray[np.float32], NDArray[np.int64] | None, pa.Table | None]:
    """Vectors, ids and the remaining columns, to build an index from.

    Args:
        table: see ``as_table``.
        vector: the column of lists.
        id: the column of integers; None to number rows from 0.

    Raises:
        InputError: see ``as_table`` and ``vectors_of``; ids that are not integers.
    """
    arrow = as_table(table)
    refuse_repeated(arrow.column_names, "table")
    vectors = vectors_of(arrow, vector)
    ids = None
    if id is not None:
        _require(arrow, id)
        if not pa.types.is_integer(arrow[id].type) or arrow[id].null_count:
            raise InputError(
                f"column {id!r}: ids must be integers without nulls, not {arrow[id].type}"
            )
        ids = integer_ids(arrow[id].to_numpy(), f"column {id!r}")
    items = arrow.drop_columns([name for name in (vector, id) if name])
    return vectors, ids, items if items.num_columns else None


def _queries_of(
    queries: Any, vector: str, id: str | None
) -> tuple[NDArray[Any], pa.Array | pa.ChunkedArray]:
    """The vectors of the queries [Q,D], and their names."""
    if isinstance(queries, (np.ndarray, list, tuple)) or hasattr(queries, "detach"):  # torch
        rows = np.atleast_2d(as_array(queries, "queries"))
        return rows, pa.array(np.arange(len(rows)))
    arrow = as_table(queries)
    rows = vectors_of(arrow, vector)
    if id is None:
        return rows, pa.array(np.arange(len(rows)))
    _require(arrow, id)
    return rows, arrow[id].combine_chunks()


def _require(table: pa.Table, column: str) -> None:
    if column not in table.column_names:
        raise InputError(f"column {column!r}: not among {', '.join(table.column_names)}")
