"""How well an embedding separates classes: angles within and between classes, and their overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.data.labels import checked_labels
from likewise.errors import InputError

__all__ = ["Separation", "separation"]

BLOCK = 2**22  # cosines in memory at one time


@dataclass(frozen=True)
class Separation:
    """How well classes are separated, by the angles of all pairs of samples.

    Args:
        within: mean angle between two samples of one class, in radians.
        between: mean angle between samples of two classes, in radians.
        overlap: share of samples whose farthest sample of their own class is farther than the
            nearest sample of another class. It is 0 if each sample has a threshold that separates
            its class from the rest.
    """

    within: float
    between: float
    overlap: float


def separation(vectors: ArrayLike, labels: ArrayLike) -> Separation:
    """Measure how well the classes ``labels`` are separated by the directions of ``vectors``.

    Time grows with N², memory does not: pairs are compared in blocks. A sample that is alone in
    its class is left out of ``within`` and ``overlap``.

    Args:
        vectors: [N, D], not zero; they need not be normalized.
        labels: [N], numbers or names.

    Raises:
        InputError: shapes that do not match, a row that is zero or not finite (the first is
            named), fewer than two classes, or no class with two samples.

    Example:
        >>> from likewise.evaluation.separation import separation
        >>> measured = separation([[1, 0], [2, 0], [0, 1], [0, 3]], [0, 0, 1, 1])
        >>> measured.within, round(measured.between, 4), measured.overlap
        (0.0, 1.5708, 0.0)
    """
    unit, classes, counts = _checked(vectors, labels)
    within = between = 0.0
    overlapping = 0
    step = max(1, BLOCK // len(unit))
    for start in range(0, len(unit), step):
        rows = slice(start, min(start + step, len(unit)))
        angles = np.arccos(np.clip(unit[rows] @ unit.T, -1.0, 1.0))
        own = np.arange(rows.start, rows.stop)
        angles[np.arange(len(own)), own] = 0.0  # of a sample with itself, despite rounding
        same = classes[rows, None] == classes
        within += float(angles.sum(where=same))
        between += float(angles.sum(where=~same))
        farthest = angles.max(axis=1, where=same, initial=0.0)
        nearest = angles.min(axis=1, where=~same, initial=math.inf)
        overlapping += int(((farthest > nearest) & (counts[classes[rows]] > 1)).sum())
    total, inside = len(unit) ** 2, int((counts**2).sum())
    return Separation(
        within=within / (inside - len(unit)),
        between=between / (total - inside),
        overlap=overlapping / int(counts[counts > 1].sum()),
    )


def _checked(
    vectors: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Unit rows [N, D], the class number of each row [N], and the size of each class."""
    rows = np.asarray(vectors, np.float64)
    names = checked_labels(labels, "labels")
    if rows.ndim != 2 or names.shape != (len(rows),):
        raise InputError(
            f"vectors {list(rows.shape)}, labels {list(names.shape)}: must be [N, D] and [N]"
        )
    lengths = np.linalg.norm(rows, axis=1)
    wrong = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if len(wrong):
        raise InputError(f"vectors: row {int(wrong[0])} is zero or not finite; it has no direction")
    _, classes, counts = np.unique(names, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        raise InputError("labels: fewer than two classes; add samples of another class")
    if counts.max() < 2:
        raise InputError("labels: no class has two samples, so there is no angle within a class")
    return rows / lengths[:, None], classes.astype(np.int64), counts.astype(np.int64)
