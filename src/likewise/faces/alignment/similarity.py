"""The similarity transform between two sets of points: scale, rotation and shift, no reflection."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError

__all__ = ["apply", "invert", "similarity_transform"]

Matrix = NDArray[np.float64]


def similarity_transform(source: ArrayLike, target: ArrayLike) -> Matrix:
    """The similarity that maps ``source`` onto ``target`` with the least sum of squared distances.

    With points as complex numbers z and w, centred, it is w = a·z with a = Σ z̄w / Σ |z|²: the
    closed form of Umeyama (1991) without reflections.

    Args:
        source: points [N,2], at least two that differ.
        target: points [N,2].

    Returns:
        float64 [2,3]: ``target ≈ matrix[:, :2] @ point + matrix[:, 2]``.

    Raises:
        InputError: the shapes differ, a number is not finite, or all points of ``source`` are one.

    Example:
        >>> similarity_transform([[0, 0], [1, 0]], [[1, 1], [1, 3]]).round(6).tolist()
        [[0.0, -2.0, 1.0], [2.0, 0.0, 1.0]]
    """
    start, end = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if start.shape != end.shape or start.ndim != 2 or start.shape[1] != 2:
        raise InputError(f"points: {list(start.shape)} and {list(end.shape)}; must both be [N,2]")
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        raise InputError("points: a number is not finite")
    middle, end_middle = start.mean(0), end.mean(0)
    z, w = (start - middle) @ (1, 1j), (end - end_middle) @ (1, 1j)
    spread = float(np.vdot(z, z).real)
    if spread <= 1e-12 * max(1.0, float(np.abs(start).max()) ** 2):
        raise InputError("points: all are the same; a transform needs two that differ")
    factor = complex(np.vdot(z, w)) / spread
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, end_middle - linear @ middle])


def apply(matrix: Matrix, points: ArrayLike) -> NDArray[np.float64]:
    """Points [N,2] after an affine transform [2,3]."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: Matrix) -> Matrix:
    """The inverse of an affine transform [2,3]."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])
