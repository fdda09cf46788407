"""One plane of a picture: vectors, the query, compared, found and missed vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Circle, Rectangle
from numpy.typing import NDArray

from docs.figures.search.scene import REACH, Box, Scene
from likewise.lab.figures.palette import FIRST, INK, PAPER, QUIET, SECOND, bare, tint
from likewise.search.engines.engine import Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "PALE",
    "WHOLE",
    "dots",
    "draw_limit",
    "draw_query",
    "draw_search",
    "draw_vectors",
    "mark",
    "prepare",
]  # fmt: skip

PALE = "#94a3b8"
WHOLE: Box = (-REACH, REACH, -REACH, REACH)
SMALL = 0.3  # a smaller frame needs a solid line to be visible
DASHES = (0, (4, 2.5))


def prepare(axes: Axes, box: Box = WHOLE) -> None:
    """A square of the plane, with a thin edge and no ticks."""
    bare(axes)
    axes.set_xlim(box[0], box[1])
    axes.set_ylim(box[2], box[3])
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(tint(QUIET, 0.35))
        spine.set_linewidth(0.8)


def dots(axes: Axes, points: NDArray[np.floating], **style: Any) -> None:
    """A dot at each of some points [P,2]."""
    axes.scatter(points[:, 0], points[:, 1], **style)


def mark(axes: Axes, box: Box, *, color: str = INK) -> None:
    """Frame the part that another plane shows enlarged."""
    corner, width, height = (box[0], box[2]), box[1] - box[0], box[3] - box[2]
    axes.add_patch(
        Rectangle(
            corner,
            width,
            height,
            fill=False,
            ec=color,
            lw=1.1,
            ls="-" if width < SMALL else (0, (1, 2)),
            zorder=9,
        )
    )


def draw_vectors(axes: Axes, points: NDArray[np.floating], *, dot: float = 7) -> None:
    """All vectors, as small dots."""
    dots(axes, points, s=dot, color=INK, alpha=0.7, linewidths=0, zorder=3)


def draw_query(axes: Axes, scene: Scene, *, size: float = 9) -> None:
    """The query, as a diamond; for cosine, outside the circle of the vectors."""
    x, y = map(float, scene.query[0] * (1.1 if scene.metric == "cosine" else 1.0))
    axes.plot(x, y, marker="D", ms=size, mfc=INK, mec=PAPER, mew=1.5, zorder=8)


def draw_limit(axes: Axes, scene: Scene) -> None:
    """A dashed line around the points with at least the score of the last of the nearest."""
    query, threshold = scene.query[0].astype(float), scene.threshold
    style: dict[str, Any] = {"color": INK, "lw": 1.0, "ls": DASHES, "zorder": 5}
    if scene.metric == "euclidean":
        axes.add_patch(
            Circle(
                (query[0], query[1]), -threshold, fill=False, ec=INK, lw=1.0, ls=DASHES, zorder=5
            )
        )
    elif scene.metric == "dot":
        foot = query * threshold / (query @ query)
        along = np.array([-query[1], query[0]]) / np.linalg.norm(query) * 4 * REACH
        axes.plot(*np.stack((foot - along, foot + along)).T, **style)
        axes.plot(*np.stack((np.zeros(2), foot)).T, color=tint(INK, 0.5), lw=0.8, zorder=5)
    else:
        middle, half = np.arctan2(query[1], query[0]), np.arccos(min(1.0, threshold))
        for angle in (middle - half, middle + half):
            axes.plot([0, 1.06 * np.cos(angle)], [0, 1.06 * np.sin(angle)], **style)


def draw_search(axes: Axes, scene: Scene, compared: Rows, found: Rows, *, dot: float = 1.0) -> None:
    """One search: skipped vectors are pale, compared ones green, the nearest large.

    Args:
        axes: a plane.
        scene: vectors, query and ground truth.
        compared: rows that the search compared with the query.
        found: rows that it returned.
        dot: scales the dots.
    """
    points, truth = scene.vectors, scene.truth
    skipped = np.setdiff1d(np.arange(len(points)), compared)
    seen = np.setdiff1d(compared, truth)
    hits, misses = np.intersect1d(truth, found), np.setdiff1d(truth, found)
    dots(axes, points[skipped], s=6 * dot, color=PALE, linewidths=0, zorder=3)
    dots(axes, points[seen], s=11 * dot, color=FIRST, alpha=0.75, linewidths=0, zorder=4)
    dots(axes, points[hits], s=34 * dot, color=FIRST, ec=PAPER, linewidths=0.9, zorder=7)
    dots(axes, points[misses], s=34 * dot, color=PAPER, ec=SECOND, linewidths=2.2, zorder=7)
    draw_limit(axes, scene)
    draw_query(axes, scene, size=7.5 * dot**0.5)
