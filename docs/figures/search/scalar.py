"""The picture of scalar quantization: the whole plane, and a part with the grid of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from docs.figures.search.picture import Picture
from docs.figures.search.plane import draw_search, mark, prepare
from docs.figures.search.pq_fastscan import borders_of, draw_errors
from docs.figures.search.scene import Box, Scene
from likewise.lab.figures.palette import QUIET, SECOND, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["levels_of", "scalar"]

RERANK = 2
STEPS = 12  # the width of the enlarged part
BYTES = 256


def scalar(scene: Scene) -> Picture:
    """The whole plane, and a part of it in which single codes are visible."""
    engine: Any = scene.built("scalar", {"codes": "int8"})
    index = engine.index
    exact = scene.candidates(engine, {"rerank": RERANK})
    found = scene.best_of(exact)
    all_rows = np.arange(len(scene.vectors))
    decoded = index.sa_decode(index.sa_encode(scene.vectors))
    levels = levels_of(index)
    box = _crowded(scene.vectors, STEPS * float(np.diff(levels[0]).mean()))

    def structure(axes: Axes) -> None:
        prepare(axes)
        draw_search(axes, scene, all_rows, found)
        mark(axes, box, color=SECOND)

    def search(axes: Axes) -> None:
        prepare(axes, box)
        for border in borders_of(levels[0]):
            axes.axvline(border, color=tint(QUIET, 0.3), lw=0.7, zorder=1)
        for border in borders_of(levels[1]):
            axes.axhline(border, color=tint(QUIET, 0.3), lw=0.7, zorder=1)
        draw_errors(axes, scene.vectors, decoded, dot=44)

    return Picture(
        "scalar", "Scalar quantization",
        "Each coordinate becomes a byte: one of 256 steps from its minimum to its maximum.",
        f"codes = int8, rerank = {RERANK}", scene, structure, search,
        "every code is compared, the best exactly",
        "the framed part, enlarged · lines: from a vector to its code",
        all_rows, exact, found,
    )  # fmt: skip


def levels_of(index: Any) -> NDArray[np.float64]:
    """The values that a byte of each coordinate represents [D,256]."""
    every = np.repeat(np.arange(BYTES, dtype=np.uint8)[:, None], index.d, axis=1)
    levels: NDArray[np.float64] = index.sa_decode(np.ascontiguousarray(every)).T.astype(np.float64)
    return levels


def _crowded(vectors: NDArray[np.floating], side: float) -> Box:
    """The square of a given side with the most vectors."""
    corners = vectors.astype(float) - side / 3
    inside = ((vectors[None] > corners[:, None]) & (vectors[None] < corners[:, None] + side)).all(2)
    x, y = corners[int(inside.sum(axis=1).argmax())]
    return float(x), float(x) + side, float(y), float(y) + side
