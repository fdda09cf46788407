"""The gate through which vectors, ids and items come in: checked once, in one form from there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.errors import InputError
from likewise.search.engine import Ids, Vectors

__all__ = ["checked_ids", "checked_items", "checked_vectors"]


def checked_vectors(vectors: ArrayLike, metric: str, what: str = "vectors") -> Vectors:
    """Vectors as float32 [N,D], finite, contiguous, and for cosine of unit length.

    Raises:
        InputError: names the first row that is not finite, or zero where a direction is needed.
    """
    array = np.asarray(vectors)
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiu":
        raise InputError(f"{what}: expected numbers [N,D]; got {array.dtype} {list(array.shape)}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        ready = np.ascontiguousarray(array, np.float32)
    squares = np.einsum("nd,nd->n", ready, ready)
    # A finite row's squares can overflow, and a small row's vanish; only then look closer.
    if not np.isfinite(squares).all() or (metric == "cosine" and (squares < 1e-30).any()):
        return _checked_closely(ready, metric, what)
    if metric != "cosine":
        return ready
    unit: Vectors = ready / np.sqrt(squares)[:, None]
    return unit


def _checked_closely(ready: Vectors, metric: str, what: str) -> Vectors:
    largest = np.abs(ready).max(axis=1)
    if not np.isfinite(largest).all():
        raise InputError(f"{what}: row {int(np.argmin(np.isfinite(largest)))} is not finite")
    if metric != "cosine":
        raise InputError(
            f"{what}: row {int(np.argmax(largest))} holds {largest.max():g}; "
            "scale them down, for the square of that is beyond float32"
        )
    if largest.min() == 0:
        raise InputError(f"{what}: row {int(np.argmin(largest))} is zero, so it has no direction")
    exact = ready.astype(np.float64)
    unit: Vectors = (exact / np.linalg.norm(exact, axis=1)[:, None]).astype(np.float32)
    return unit


def checked_ids(ids: ArrayLike, count: int) -> Ids:
    """Ids as int64 [N], distinct.

    Raises:
        InputError: they are not integers of 64 bits, not ``count``, or one comes twice.
    """
    numbers = np.asarray(ids)
    if numbers.ndim != 1 or (numbers.dtype.kind not in "iu" and numbers.size):
        raise InputError(f"ids: expected integers [N]; got {numbers.dtype} {list(numbers.shape)}")
    if len(numbers) != count:
        raise InputError(f"ids: {len(numbers)} for {count} vectors")
    if numbers.dtype == np.uint64 and count and numbers.max() > np.iinfo(np.int64).max:
        raise InputError(f"ids: {int(numbers.max())} is beyond int64")
    distinct, times = np.unique(numbers, return_counts=True)
    if len(distinct) < count:
        raise InputError(f"ids: {int(distinct[np.argmax(times > 1)])} comes twice")
    return numbers.astype(np.int64)


def checked_items(items: pa.Table | None, count: int) -> pa.Table | None:
    """The table, if it has a row for each vector.

    Raises:
        InputError: it has not.
    """
    if items is not None and items.num_rows != count:
        raise InputError(f"items: {items.num_rows} rows for {count} vectors")
    return items
