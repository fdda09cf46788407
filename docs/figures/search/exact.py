"""The picture of exact search: nothing is built, and every vector is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from docs.figures.search.picture import Picture
from docs.figures.search.plane import draw_query, draw_search, draw_vectors, prepare
from docs.figures.search.scene import Scene
from likewise.lab.figures.palette import FIRST, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["exact"]


def exact(scene: Scene) -> Picture:
    """Lines from the query to every vector."""
    rows = np.arange(len(scene.vectors))
    found = scene.best_of(scene.candidates(scene.built("exact")))

    def structure(axes: Axes) -> None:
        prepare(axes)
        draw_vectors(axes, scene.vectors, dot=10)
        draw_query(axes, scene)

    def search(axes: Axes) -> None:
        prepare(axes)
        for point in scene.vectors:
            axes.plot(
                *zip(scene.query[0], point, strict=True), color=tint(FIRST, 0.25), lw=0.5, zorder=1
            )
        draw_search(axes, scene, rows, found)

    return Picture(
        "exact", "Exact search", "The query is compared with every vector: nothing can be missed.",
        "no parameters", scene, structure, search,
        f"{len(scene.vectors)} vectors and a query (diamond)",
        "lines: comparisons · dashed circle: the 10 nearest",
        rows, rows, found,
    )  # fmt: skip
