"""A filter turned into the rows of an index that pass it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from likewise.arrays import as_array
from likewise.errors import InputError, first_line
from likewise.search.contents.input_checks import integer_ids
from likewise.search.contents.snapshot import Snapshot
from likewise.search.engines.engine import Rows

__all__ = ["EXPECTED", "Filter", "filtered_rows", "matching_rows"]

Filter: TypeAlias = ArrayLike | pc.Expression
EXPECTED = "int64 ids, a boolean mask or a pyarrow expression"
ROW = "__row__"  # reserved: items have no such column


def filtered_rows(snapshot: Snapshot, filter: Filter) -> Rows:
    """The rows that pass a filter, ascending, without removed rows.

    Args:
        snapshot: the contents of the index.
        filter: int64 ids (unknown ids are ignored), a boolean mask over the vectors in the order
            of ``Index.ids``, or a pyarrow expression over the columns of the items, such as
            ``pc.field("camera") == 3``.

    Raises:
        InputError: a mask of another length, an expression on an index without items, or on an
            unknown column.
    """
    if isinstance(filter, pc.Expression):
        return _matching(snapshot, filter)
    ids = as_array(filter, "filter")
    if ids.dtype == np.bool_:
        own = getattr(filter, "index", None) if hasattr(filter, "iloc") else None
        if own is not None and not np.array_equal(np.asarray(own), np.arange(len(ids))):
            raise InputError(
                "filter: a mask whose index is not 0, 1, 2, …; a mask goes by place, in the order "
                "of Index.ids: give mask.to_numpy()"
            )
        if ids.shape != (len(snapshot),):
            raise InputError(
                f"filter: a mask of shape {list(ids.shape)} for {len(snapshot)} vectors"
            )
        ids = snapshot.ids[ids]
    elif ids.shape == (len(snapshot),) and len(ids) > 2 and np.isin(ids, (0, 1)).all():
        raise InputError("filter: only 0 and 1, one for each vector; a mask must be boolean")
    rows = snapshot.rows_of(np.unique(integer_ids(ids, "filter", EXPECTED).reshape(-1)))
    return np.sort(rows[rows >= 0])


def _matching(snapshot: Snapshot, expression: pc.Expression) -> Rows:
    if snapshot.base.items is None:
        raise InputError("filter: an expression needs items, and this index has none")
    base, fresh = snapshot.base.items, snapshot.fresh.items
    # The fresh rows may lack a column of the base, or have a new one.
    if fresh is not None and fresh.schema != base.schema:
        columns = pa.unify_schemas([base.schema, fresh.schema], promote_options="default")
        base, fresh = (
            pa.concat_tables([columns.empty_table(), part], promote_options="default")
            for part in (base, fresh)
        )
    old = matching_rows(base, expression)
    if snapshot.gone is not None:
        old = old[~snapshot.gone[old]]
    if not snapshot.fresh.count or fresh is None:
        return old
    return np.concatenate([old, matching_rows(fresh, expression) + len(snapshot.base.ids)])


def matching_rows(table: pa.Table, expression: pc.Expression) -> Rows:
    """The rows of a table for which an expression is true, ascending.

    Raises:
        InputError: the expression does not fit the columns.
    """
    numbered = table.append_column(ROW, pa.array(np.arange(table.num_rows)))
    try:
        found = numbered.filter(expression)[ROW].to_numpy()
    except (pa.ArrowException, KeyError, NotImplementedError) as error:
        reason = first_line(error)
        raise InputError(
            f"filter: {reason}; the items' columns are: {', '.join(table.column_names)}"
        ) from None
    return np.asarray(found, np.int64)
