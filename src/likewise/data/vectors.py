"""Read vectors from a column of lists, and refuse to mix those of different embedders."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.errors import InputError

__all__ = ["is_list", "require_same_embedder", "vectors_in"]


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists, of fixed or variable length."""
    lists = pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list
    return any(of_kind(kind) for of_kind in lists)


def vectors_in(column: pa.ChunkedArray, what: str, *, first: int = 0) -> NDArray[np.float32]:
    """The vectors in a column of lists of floats or integers, float32 [N,D].

    Args:
        column: lists of equal length.
        what: the name of the column, for messages.
        first: the number of the first row, for messages.

    Raises:
        InputError: it holds no lists of numbers, a missing value, or lists of different lengths;
            names the row.
    """
    found = column.combine_chunks()
    if isinstance(found, pa.ChunkedArray):  # an empty column, or more than 2 GiB
        found = pa.concat_arrays(found.chunks) if found.num_chunks else pa.array([], found.type)
    if not is_list(found.type):
        raise InputError(f"{what}: holds {found.type}, not lists of numbers")
    if found.null_count:
        row = int(np.argmax(np.asarray(found.is_null())))
        raise InputError(f"{what}: row {row + first} has no vector")
    lengths = np.asarray(pc.list_value_length(found))
    dimension = int(lengths[0]) if len(lengths) else 1
    if (lengths != dimension).any():
        row = int(np.argmax(lengths != dimension))
        raise InputError(
            f"{what}: row {row + first} has {lengths[row]} numbers, the first has {dimension}"
        )
    flat = found.flatten()
    if flat.null_count or not (pa.types.is_floating(flat.type) or pa.types.is_integer(flat.type)):
        raise InputError(f"{what}: holds {flat.type} or missing values; must hold numbers only")
    numbers = flat.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):  # values beyond float32 become infinite, which callers refuse
        rows: NDArray[np.float32] = numbers.reshape(len(found), dimension).astype(
            np.float32, copy=False
        )
    return rows


def require_same_embedder(left: str, right: str, what: str) -> None:
    """Refuse to compare vectors of different embedders.

    Raises:
        InputError: the fingerprints differ; names both.
    """
    if left != right:
        raise InputError(
            f"{what}: made by another embedder ({right}) than the one in use ({left}); "
            "embed and build again with one embedder"
        )
