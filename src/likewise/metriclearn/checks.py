"""Checks of training rows, labels and pairs; errors name the estimator and the argument."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from likewise.errors import InputError

__all__ = ["check_pairs", "check_rows", "check_training"]

Floats = NDArray[np.float64]
Classes = NDArray[np.intp]

# Beyond these, squares and their sums overflow or vanish in float64.
LARGEST, SMALLEST = 1e150, 1e-150


def check_training(estimator: Any, X: ArrayLike, y: ArrayLike | None) -> tuple[Floats, Classes]:
    """The rows as float64 [N, D], and the class of each as a number from 0 to C-1, [N].

    Raises:
        InputError: rows that are not finite or all equal; labels that are missing, continuous or
            not one per row; fewer than two classes; no class with two samples.
    """
    with _refused(estimator):
        rows, labels = validate_data(
            estimator, X, y, dtype=np.float64, ensure_min_samples=2, ensure_all_finite=False
        )
        check_classification_targets(labels)
    _check_finite(estimator, "X", rows)
    _check_spread(estimator, rows)
    names, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    place = f"{type(estimator).__name__}: y"
    if len(names) < 2:
        raise InputError(f"{place}: a single class; at least two are needed")
    if counts.max() < 2:
        raise InputError(
            f"{place}: each of the {len(names)} classes has one sample; "
            "at least one class must have two"
        )
    return rows, classes


def check_rows(
    estimator: Any, X: ArrayLike, argument: str = "X", *, fit: bool = False
) -> NDArray[Any]:
    """The rows [N, D]: float32 and float64 stay as they are, other numbers become float64.

    Raises:
        InputError: rows that are not finite, or with another number of columns than in ``fit``.
    """
    with _refused(estimator, argument):
        rows = validate_data(
            estimator,
            X,
            reset=fit,
            dtype=np.float64 if fit else [np.float64, np.float32],
            ensure_min_samples=2 if fit else 1,
            ensure_all_finite=False,
        )
    _check_finite(estimator, argument, rows)
    if fit:
        _check_spread(estimator, rows)
    return rows  # type: ignore[no-any-return]  # scikit-learn has no type hints


def check_pairs(
    estimator: Any, A: ArrayLike, B: ArrayLike | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first and the second vectors of the pairs, [N, D] each, from ``(A, B)`` or [N, 2, D].

    Raises:
        InputError: not pairs; A and B of different lengths; see ``check_rows``.
    """
    if B is None:
        pairs = np.asarray(A)
        if pairs.ndim != 3 or pairs.shape[1] != 2:
            raise InputError(
                f"{type(estimator).__name__}: A: shape {pairs.shape}; without B, pairs "
                "[N, 2, D] are expected"
            )
        A, B = pairs[:, 0], pairs[:, 1]
    first, second = check_rows(estimator, A, "A"), check_rows(estimator, B, "B")
    if len(first) != len(second):
        raise InputError(
            f"{type(estimator).__name__}: A, B: {len(first)} and {len(second)} rows; "
            "both must have as many"
        )
    return first, second


def _check_finite(estimator: Any, argument: str, rows: NDArray[Any]) -> None:
    wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(wrong):
        raise InputError(
            f"{type(estimator).__name__}: {argument}: row {wrong[0]} holds NaN or infinity "
            f"({len(wrong)} of {len(rows)} rows do)"
        )


def _check_spread(estimator: Any, rows: Floats) -> None:
    """Refuse rows that are all equal, and numbers whose squares overflow or vanish in float64."""
    if np.abs(rows).max() > LARGEST:
        raise InputError(
            f"{type(estimator).__name__}: X: numbers up to {np.abs(rows).max():.3g}, "
            "too large to square; scale them down"
        )
    if (rows.max(axis=0) - rows.min(axis=0)).max() < SMALLEST:
        raise InputError(
            f"{type(estimator).__name__}: X: all rows are equal, or differ by too little"
        )


@contextmanager
def _refused(estimator: Any, argument: str | None = None) -> Iterator[None]:
    """Turn an error of scikit-learn into an ``InputError`` of one line."""
    try:
        yield
    except (TypeError, ValueError) as error:
        place = type(estimator).__name__ + (f": {argument}" if argument else "")
        raise InputError(f"{place}: {' '.join(str(error).split())}") from None
