"""Vectors in a column of a table: lists of numbers, of whatever kind a program writes them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.errors import InputError

__all__ = ["is_list", "vectors_in"]


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists, of one length or of any."""
    lists = pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list
    return any(of_kind(kind) for of_kind in lists)


def vectors_in(column: pa.ChunkedArray, what: str, *, first: int = 0) -> NDArray[np.float32]:
    """The vectors of a column of lists of floats or integers: float32 [N,D].

    Args:
        column: of lists, each as long as the first.
        what: what the column is called, for messages.
        first: the number of the first row, for messages.

    Raises:
        InputError: no lists of numbers, an empty place, or lists of different lengths; names the
            row.
    """
    found = column.combine_chunks()
    if isinstance(found, pa.ChunkedArray):  # of an empty column, or of more than 2 GiB
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
        raise InputError(f"{what}: holds {flat.type} with empty places, or no numbers")
    numbers = flat.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        rows: NDArray[np.float32] = numbers.reshape(len(found), dimension).astype(
            np.float32, copy=False
        )
    return rows
