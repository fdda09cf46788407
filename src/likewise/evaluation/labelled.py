"""Embeddings and labels as they come in, checked: what fits, what is finite, who is who."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.data.labels import checked_labels
from likewise.errors import InputError

__all__ = ["checked_rows", "label_codes", "require_same_dimension"]

Vectors = NDArray[np.float32]
Codes = NDArray[np.int64]
BLOCK = 2**22  # numbers looked at in one step


def checked_rows(vectors: ArrayLike, what: str, *, zero_allowed: bool = True) -> Vectors:
    """Vectors as float32 [N, D]: no copy where they are that already, on disk or in memory.

    Args:
        vectors: [N, D], N ≥ 1, finite.
        what: the argument's name, for the message.
        zero_allowed: whether a row may be zero; for the cosine none may.

    Raises:
        InputError: not numbers [N, D], or rows that are not finite or zero; names the first.
    """
    array = np.asarray(vectors)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "fiu":
        raise InputError(
            f"{what}: {array.dtype} of shape {list(array.shape)}; numbers [N, D] are expected"
        )
    rows: Vectors = np.ascontiguousarray(array, np.float32)
    step = max(1, BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        # A row's largest and smallest number carry every NaN and infinity, without a copy.
        high, low = block.max(axis=1), block.min(axis=1)
        finite = np.isfinite(high) & np.isfinite(low)
        if not finite.all():
            raise InputError(
                f"{what}: row {start + int(np.argmin(finite))} is not finite; "
                "leave such rows out, or embed them again"
            )
        zero = (high == 0) & (low == 0)
        if not zero_allowed and zero.any():
            raise InputError(
                f"{what}: row {start + int(np.argmax(zero))} is zero, so it has no direction"
            )
    return rows


def label_codes(*named: tuple[str, ArrayLike, int]) -> tuple[Codes, ...]:
    """Labels as numbers 0 …, the same number for the same label in every array.

    Args:
        named: for each array its name, its labels [N] (numbers or names), and N.

    Returns:
        int64 [N] for each.

    Raises:
        InputError: the labels are not one for each row, one array has names, another numbers, or
            one is missing (see ``likewise.data.labels``).
    """
    arrays = [checked_labels(labels, name) for name, labels, _ in named]
    for (name, _, count), array in zip(named, arrays, strict=True):
        if array.shape != (count,):
            raise InputError(
                f"{name}: {list(array.shape)} labels for {count} rows; one a row is expected"
            )
    kinds = [_kind(array) for array in arrays]
    if len(set(kinds)) > 1:
        raise InputError(
            f"{named[0][0]} are {kinds[0]}, {named[1][0]} are {kinds[1]}: no label can be in both"
        )
    _, codes = np.unique(np.concatenate(arrays), return_inverse=True)
    ends = np.cumsum([len(array) for array in arrays])[:-1]
    return tuple(np.split(codes.astype(np.int64), ends))


def require_same_dimension(left: Vectors, right: Vectors, what: str) -> None:
    """Refuse to compare vectors of different length.

    Raises:
        InputError: names both dimensions.
    """
    if left.shape[1] != right.shape[1]:
        raise InputError(
            f"{what}: dimensions {left.shape[1]} and {right.shape[1]}; one is expected"
        )


def _kind(array: NDArray[Any]) -> str:
    return "numbers" if array.dtype.kind in "iufb" else "names"
