"""Covariance within classes, shrinkage, and inverse square roots."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

from likewise.arguments import check_number
from likewise.errors import InputError

__all__ = ["Shrinkage", "class_centred", "class_means", "inverse_root", "shrunk"]

Floats = NDArray[np.float64]
Classes = NDArray[np.intp]
Shrinkage = float | Literal["auto"]

# An eigenvalue below D times this, relative to the largest, counts as zero.
ROUNDING = 10 * float(np.finfo(np.float64).eps)


def class_means(X: Floats, classes: Classes) -> tuple[Floats, NDArray[np.intp]]:
    """The mean [C, D] and the number of samples [C] of each class."""
    counts = np.bincount(classes)
    order = np.argsort(classes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sums: Floats = np.add.reduceat(X[order], starts, axis=0)
    means: Floats = sums / counts[:, None]
    return means, counts


def class_centred(X: Floats, classes: Classes) -> Floats:
    """Each row minus the mean of its class, [N, D]."""
    means, _ = class_means(X, classes)
    return X - means[classes]


def shrunk(covariance: Floats, rows: Floats, shrinkage: Shrinkage) -> Floats:
    """``(1 - s)·S + s·(tr S / D)·I``.

    Args:
        covariance: S [D, D].
        rows: the centered rows that S was computed from; needed for ``"auto"``.
        shrinkage: s from 0 to 1, or ``"auto"`` for the s of least expected error.

    Raises:
        InputError: a shrinkage out of range.

    Source: Ledoit & Wolf, A well-conditioned estimator for large-dimensional covariance matrices,
    Journal of Multivariate Analysis, 2004.
    """
    if isinstance(shrinkage, str):
        if shrinkage != "auto":
            raise InputError(f"shrinkage: {shrinkage!r}; must be a number from 0 to 1, or 'auto'")
        share = float(ledoit_wolf_shrinkage(rows, assume_centered=True))
    else:
        share = check_number("shrinkage", shrinkage, least=0, most=1)
    mean_variance = float(np.trace(covariance)) / len(covariance)
    result: Floats = (1 - share) * covariance + share * mean_variance * np.eye(len(covariance))
    return result


def inverse_root(name: str, covariance: Floats) -> Floats:
    """The symmetric ``S^(-1/2)`` [D, D].

    Raises:
        InputError: S is singular; the message gives its rank and the remedy.
    """
    values, vectors = np.linalg.eigh(covariance)
    zero = values <= ROUNDING * len(values) * values[-1]
    if zero.any():
        raise InputError(
            f"X: the {name} is singular, of rank {int((~zero).sum())} in {len(values)} dimensions: "
            "too few samples or dependent columns; set shrinkage='auto' or a number above 0"
        )
    root: Floats = (vectors / np.sqrt(values)) @ vectors.T
    return root
