"""Polygons cut by lines: what a tree of cuts makes of a square."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from docs.figures.search.scene import REACH

__all__ = ["SQUARE", "Polygon", "clipped", "cut_through"]

Polygon = NDArray[np.float64]
SQUARE: Polygon = np.array(
    [[-REACH, -REACH], [REACH, -REACH], [REACH, REACH], [-REACH, REACH]], np.float64
)


def clipped(polygon: Polygon, normal: NDArray[np.floating], offset: float) -> Polygon:
    """The part of a convex polygon [V,2] where ``normal·x + offset`` is not negative.

    Example:
        >>> import numpy as np
        >>> from docs.figures.search.polygons import SQUARE, clipped
        >>> clipped(SQUARE, np.array([1.0, 0.0]), 0.0).min(axis=0).tolist()
        [0.0, -1.0]
    """
    heights = polygon @ normal + offset
    kept = []
    for here, there, low, high in zip(
        polygon, np.roll(polygon, -1, axis=0), heights, np.roll(heights, -1), strict=True
    ):
        if low >= 0:
            kept.append(here)
        if low * high < 0:
            kept.append(here + (there - here) * low / (low - high))
    return np.array(kept, np.float64).reshape(-1, 2)


def cut_through(polygon: Polygon, normal: NDArray[np.floating], offset: float) -> Polygon:
    """The stretch of the line ``normal·x + offset = 0`` inside a polygon: its two ends [2,2]."""
    part = clipped(polygon, normal, offset)
    on_line = np.abs(part @ normal + offset) < 1e-9 * max(1.0, float(np.abs(normal).max()))
    return part[on_line][:2]
