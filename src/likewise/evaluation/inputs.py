"""The inputs of an evaluation: vectors and labels checked, and hashed for work that is shared."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_count
from likewise.arrays import as_array
from likewise.data.labels import checked_labels
from likewise.distances import Cosine, Distance
from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError

__all__ = [
    "check_counts",
    "checked_own_rows",
    "checked_rows",
    "checked_sides",
    "input_key",
    "label_codes",
]

Vectors = NDArray[np.float32]
Codes = NDArray[np.int64]
BLOCK = 2**22  # numbers checked in one step


def check_counts(name: str, values: Sequence[int]) -> None:
    """Check the k or the ranks of a metric: at least one, each a whole number of at least 1.

    Raises:
        InputError: they are not.
    """
    if not values:
        raise InputError(f"{name}: empty; name at least one")
    for value in values:
        check_count(name, value)


def checked_rows(vectors: ArrayLike, name: str, *, zero_allowed: bool = True) -> Vectors:
    """Vectors as contiguous float32 [N, D], not copied where they are so already.

    Args:
        vectors: [N, D], N ≥ 1, finite.
        name: of the argument, for the message.
        zero_allowed: whether a row may be zero; not with the cosine.

    Raises:
        InputError: not numbers [N, D], or a row that is not finite or zero; names the first.
    """
    array = as_array(vectors, name)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "fiu":
        raise InputError(
            f"{name}: {array.dtype} of shape {list(array.shape)}; must be numbers [N, D]"
        )
    rows: Vectors = np.ascontiguousarray(array, np.float32)
    step = max(1, BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        # The maximum and minimum of a row show any NaN or infinity in it, without a copy.
        high, low = block.max(axis=1), block.min(axis=1)
        finite = np.isfinite(high) & np.isfinite(low)
        if not finite.all():
            raise InputError(
                f"{name}: row {start + int(np.argmin(finite))} is not finite; "
                "leave such rows out, or embed them again"
            )
        zero = (high == 0) & (low == 0)
        if not zero_allowed and zero.any():
            raise InputError(
                f"{name}: row {start + int(np.argmax(zero))} is zero, so it has no direction"
            )
    return rows


def checked_sides(
    left: ArrayLike, right: ArrayLike, names: tuple[str, str], distance: Distance
) -> tuple[Vectors, Vectors]:
    """Two sets of vectors that are to be compared, each as ``checked_rows`` returns it.

    Args:
        left: [M, D], such as queries; no row is zero with the cosine.
        right: [N, D], such as the gallery.
        names: of the two arguments, for the message.
        distance: with which they will be compared.

    Raises:
        InputError: see ``checked_rows``; or the dimensions differ.
    """
    zero_allowed = not isinstance(distance, Cosine)
    a = checked_rows(left, names[0], zero_allowed=zero_allowed)
    b = checked_rows(right, names[1], zero_allowed=zero_allowed)
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"{names[0]}, {names[1]}: dimensions {a.shape[1]} and {b.shape[1]}; must be the same"
        )
    return a, b


def checked_own_rows(own_rows: ArrayLike, queries: int, gallery: int) -> Codes:
    """For each query the row of the gallery that is the query itself, or -1: int64 [Q].

    Raises:
        InputError: not one row or -1 for each query.
    """
    own = np.asarray(own_rows)
    if own.shape != (queries,) or own.dtype.kind not in "iu":
        raise InputError(f"own_rows: {own.dtype} {list(own.shape)} for {queries} queries")
    if len(own) and not (own.min() >= -1 and own.max() < gallery):
        raise InputError(f"own_rows: must be -1 or a row of the {gallery} in the gallery")
    return own.astype(np.int64)


def label_codes(*named: tuple[str, ArrayLike, int]) -> tuple[Codes, ...]:
    """Labels as numbers from 0; equal labels get equal numbers in all arrays.

    Args:
        named: for each array its name, its labels [N] (numbers or names), and N.

    Returns:
        int64 [N] for each array.

    Raises:
        InputError: an array does not have one label for each row, one array has names and
            another numbers, or a label is missing (see ``likewise.data.labels``).
    """
    arrays = [checked_labels(labels, name) for name, labels, _ in named]
    for (name, _, count), array in zip(named, arrays, strict=True):
        if array.shape != (count,):
            raise InputError(
                f"{name}: {list(array.shape)} labels for {count} rows; must be one for each row"
            )
    kinds = [_kind(array) for array in arrays]
    if len(set(kinds)) > 1:
        raise InputError(
            f"{named[0][0]} are {kinds[0]}, {named[1][0]} are {kinds[1]}: no label can be in both"
        )
    _, codes = np.unique(np.concatenate(arrays), return_inverse=True)
    ends = np.cumsum([len(array) for array in arrays])[:-1]
    return tuple(np.split(codes.astype(np.int64), ends))


def _kind(array: NDArray[Any]) -> str:
    return "numbers" if array.dtype.kind in "iufb" else "names"


def input_key(distance: Distance | None, *arrays: NDArray[Any]) -> list[object]:
    """A key of the inputs of a step that several processes share, for ``Share.gather``.

    Args:
        distance: the cosine if None.
        arrays: of any shape and type.

    Returns:
        The distance, the shapes and types, and a hash of the contents; for JSON.
    """
    metric, parts = "cosine" if distance is None else repr(distance), list(arrays)
    if isinstance(distance, Mahalanobis):
        parts.append(distance.factor.detach().cpu().numpy())
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return [metric, [[str(part.dtype), *part.shape] for part in parts], digest.hexdigest()]
