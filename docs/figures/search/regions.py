"""Regions of the plane: assigned by the index itself, or polygons cut by lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from docs.figures.search.plane import WHOLE
from docs.figures.search.scene import REACH, Box
from likewise.lab.figures.palette import CLASSES, PAPER, QUIET, tint
from likewise.search.engines.engine import Vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "EDGE",
    "SQUARE",
    "Color",
    "Polygon",
    "clipped",
    "cut_through",
    "draw_regions",
    "grid_of",
    "soft_colors",
]

Color = tuple[float, float, float]
Polygon = NDArray[np.float64]
SQUARE: Polygon = np.array(
    [[-REACH, -REACH], [REACH, -REACH], [REACH, REACH], [-REACH, REACH]], np.float64
)
SIDE = 480
EDGE = tint(QUIET, 0.6)
"""The color of a line between two regions of the same color."""


def grid_of(box: Box, side: int = SIDE) -> Vectors:
    """The centers of ``side``² pixels of a part of the plane, float32 [side²,2]."""
    steps = (np.arange(side) + 0.5) / side
    across, up = np.meshgrid(box[0] + steps * (box[1] - box[0]), box[2] + steps * (box[3] - box[2]))
    return np.stack((across.ravel(), up.ravel()), axis=1).astype(np.float32)


def soft_colors(count: int, share: float = 0.16) -> list[Color]:
    """A tint for each of ``count`` regions; consecutive regions differ."""
    return [tint(CLASSES[number % len(CLASSES)], share) for number in range(count)]


def draw_regions(
    axes: Axes,
    region_of: Callable[[Vectors], NDArray[np.integer]],
    colors: Sequence[Color],
    *,
    edge: Color | str = PAPER,
    box: Box = WHOLE,
) -> NDArray[np.integer]:
    """Color the plane by region, with thin borders; return the regions [side,side].

    Args:
        axes: a plane.
        region_of: points [S,2] → the number of the region of each, [S].
        colors: of each region.
        edge: the color of the borders.
        box: the part of the plane.
    """
    from matplotlib.colors import to_rgb

    regions = np.asarray(region_of(grid_of(box))).reshape(SIDE, SIDE)
    image = np.asarray(colors, np.float64)[regions]
    border = np.zeros((SIDE, SIDE), bool)
    border[:, 1:] |= regions[:, 1:] != regions[:, :-1]
    border[1:] |= regions[1:] != regions[:-1]
    image[border] = to_rgb(edge)
    axes.imshow(image, extent=box, origin="lower",
                interpolation="bilinear", zorder=0)  # fmt: skip
    return regions


def clipped(polygon: Polygon, normal: NDArray[np.floating], offset: float) -> Polygon:
    """The part of a convex polygon [V,2] where ``normal·x + offset`` is not negative.

    Example:
        >>> import numpy as np
        >>> from docs.figures.search.regions import SQUARE, clipped
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
    """The segment of the line ``normal·x + offset = 0`` inside a polygon: its two ends [2,2]."""
    part = clipped(polygon, normal, offset)
    on_line = np.abs(part @ normal + offset) < 1e-9 * max(1.0, float(np.abs(normal).max()))
    return part[on_line][:2]
