"""Whose each vector is, as numbers: from the column ``identity`` of what an index describes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["IDENTITY", "labels_among", "labels_of"]

IDENTITY = "identity"


def labels_of(items: pa.Table | None) -> NDArray[np.int64] | None:
    """The place of each row's identity among the distinct ones; None without identities.

    A row whose identity is missing is a person of its own.

    Example:
        >>> labels_of(pa.table({"identity": ["bob", "anna", "bob"]})).tolist()
        [1, 0, 1]
    """
    return None if items is None else labels_among(items, items)


def labels_among(items: pa.Table, known: pa.Table | None) -> NDArray[np.int64] | None:
    """Labels of rows in the numbering of ``known``; -1 for whom it does not have.

    None where either has no identities.
    """
    if known is None or IDENTITY not in known.column_names or IDENTITY not in items.column_names:
        return None
    names = pc.unique(known[IDENTITY].combine_chunks().drop_null())
    names = names.take(pc.sort_indices(names))
    places = _filled(pc.index_in(items[IDENTITY].combine_chunks(), value_set=names), -1)
    if items is known:
        missing = places < 0
        places[missing] = len(names) + np.arange(int(missing.sum()))
    return places


def _filled(array: Any, value: int) -> NDArray[np.int64]:
    filled: NDArray[np.int64] = (
        pc.fill_null(array, value).to_numpy(zero_copy_only=False).astype(np.int64)
    )
    return filled
