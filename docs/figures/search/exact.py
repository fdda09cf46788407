"""The picture of exact search: nothing is built, and everything is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from docs.figures.search.picture import Picture
from docs.figures.search.plane import draw_answer, draw_query, draw_vectors, prepare
from docs.figures.search.scene import Scene
from likewise.lab.figures.palette import FIRST, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["exact"]


def exact(scene: Scene) -> Picture:
    """Every vector against the query."""
    everyone = np.arange(len(scene.vectors))
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
        draw_answer(axes, scene, everyone, found)

    return Picture(
        "exact", "Exact search", "The query is compared with every vector: nothing can be missed.",
        "no knobs", scene, structure, search,
        f"{len(scene.vectors)} vectors and a query (diamond)",
        "a line a comparison · dashed: the 10 nearest lie within",
        everyone, everyone, found,
    )  # fmt: skip
