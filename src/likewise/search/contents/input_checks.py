"""Checks of vectors, ids, items and thresholds that users give to an index."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.arrays import as_array, as_table
from likewise.data.columns import refuse_repeated
from likewise.data.labels import with_identities
from likewise.errors import InputError
from likewise.search.engines.engine import Ids, Vectors

__all__ = [
    "checked_ids",
    "checked_items",
    "checked_threshold",
    "checked_vectors",
    "integer_ids",
]

LARGEST_SQUARE = 2.0**125  # of a row's norm: that of a difference is up to four times as large


def checked_vectors(vectors: ArrayLike, metric: str, what: str = "vectors") -> Vectors:
    """Vectors as float32 [N,D], finite, contiguous, and for cosine of unit length.

    Raises:
        InputError: names the first row that is not finite, is zero with the metric cosine, or is so
            large that squared differences overflow float32.
    """
    array = as_array(vectors, what)
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiu":
        raise InputError(f"{what}: expected numbers [N,D]; got {array.dtype} {list(array.shape)}")
    with np.errstate(over="ignore"):  # infinite values are refused below
        ready = np.ascontiguousarray(array, np.float32)
        squares = np.einsum("nd,nd->n", ready, ready)
    # The squares of a finite row can overflow or underflow; only then look closer.
    if metric != "cosine":
        if not (squares <= LARGEST_SQUARE).all():  # also False for NaN
            raise _too_large(ready, what)
        return ready
    if not np.isfinite(squares).all() or (squares < 1e-30).any():
        return _directions(ready, what)
    unit: Vectors = ready / np.sqrt(squares)[:, None]
    return unit


def _too_large(ready: Vectors, what: str) -> InputError:
    lengths = np.linalg.norm(ready.astype(np.float64), axis=1)
    if not np.isfinite(lengths).all():
        return InputError(f"{what}: row {int(np.argmin(np.isfinite(lengths)))} is not finite")
    row = int(np.argmax(lengths))
    return InputError(
        f"{what}: row {row} holds {np.abs(ready[row]).max():g}; scale the vectors down, "
        "because squared differences of this size overflow float32"
    )


def _directions(ready: Vectors, what: str) -> Vectors:
    largest = np.abs(ready).max(axis=1)
    if not np.isfinite(largest).all():
        raise InputError(f"{what}: row {int(np.argmin(np.isfinite(largest)))} is not finite")
    if largest.min() == 0:
        raise InputError(f"{what}: row {int(np.argmin(largest))} is zero, so it has no direction")
    exact = ready.astype(np.float64)
    unit: Vectors = (exact / np.linalg.norm(exact, axis=1)[:, None]).astype(np.float32)
    return unit


def integer_ids(ids: ArrayLike, what: str = "ids", expected: str = "integers") -> Ids:
    """Ids of any shape as int64, without rounding or overflow.

    Raises:
        InputError: they are not integers, or one does not fit int64.
    """
    found = as_array(ids, what)
    if not found.size:
        return np.empty(found.shape, np.int64)
    if found.dtype.kind not in "iu":
        big = found.dtype.kind == "O" and all(isinstance(i, int) for i in found.flat)
        got = "some beyond int64" if big else f"{found.dtype} {list(found.shape)}"
        raise InputError(f"{what}: expected {expected}; got {got}")
    if found.dtype == np.uint64 and found.max() > np.iinfo(np.int64).max:
        raise InputError(f"{what}: {int(found.max())} is beyond int64")
    return found.astype(np.int64)


def checked_ids(ids: ArrayLike, count: int) -> Ids:
    """Distinct ids as int64 [N].

    Raises:
        InputError: they are not int64, their number is not ``count``, or one occurs twice.
    """
    found = integer_ids(ids, expected="integers [N]")
    if found.ndim != 1:
        raise InputError(f"ids: expected integers [N]; got {list(found.shape)}")
    if len(found) != count:
        raise InputError(f"ids: {len(found)} for {count} vectors")
    distinct, times = np.unique(found, return_counts=True)
    if len(distinct) < count:
        raise InputError(f"ids: {int(distinct[np.argmax(times > 1)])} occurs twice")
    return found


def checked_items(items: Any, count: int) -> pa.Table | None:
    """The table of items; identities are spelled as ``clean_label`` does.

    Args:
        items: a table, a DataFrame or a dictionary of columns, see ``as_table``; None: there is
            none.
        count: of the vectors.

    Raises:
        InputError: not a table, not one row for each vector, a column name that occurs twice, or a
            missing identity in a column ``identity``.
    """
    if items is None:
        return None
    table = as_table(items, "items")
    if table.num_rows != count:
        raise InputError(f"items: {table.num_rows} rows for {count} vectors")
    refuse_repeated(table.column_names, "items")
    return with_identities(table, "items")


def checked_threshold(threshold: object) -> float:
    """The minimum score of a range search.

    Raises:
        InputError: it is not a number.
    """
    if not isinstance(threshold, numbers.Real) or math.isnan(threshold):
        raise InputError(f"threshold: is not a number; got {threshold!r}")
    return float(threshold)
