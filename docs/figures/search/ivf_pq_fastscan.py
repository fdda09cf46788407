"""The picture of IVF with product quantization: one codebook around each centroid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from docs.figures.search.ivf_flat import (
    centroids_of,
    draw_cells,
    draw_visits,
    members,
    visited,
)
from docs.figures.search.picture import Picture
from docs.figures.search.plane import dots, draw_query, draw_search
from docs.figures.search.pq_fastscan import codebooks_of
from docs.figures.search.scene import Scene
from likewise.lab.figures.palette import INK, PAPER, SECOND, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ivf_pq_fastscan"]

LISTS, PARTS, PROBES, RERANK = 9, 1, 2, 2


def ivf_pq_fastscan(scene: Scene) -> Picture:
    """Few cells, so that the codebook around each is visible."""
    engine: Any = scene.built("ivf_pq_fastscan", {"lists": LISTS, "parts": PARTS, "refine": "none"})
    index = engine.index
    book = codebooks_of(index.pq)[0]
    cells = visited(index, scene.query, PROBES)
    compared = np.concatenate([members(index, cell) for cell in cells])
    exact = scene.candidates(engine, {"probes": PROBES, "rerank": RERANK})
    found = scene.best_of(exact)

    def structure(axes: Axes) -> None:
        draw_cells(axes, index)
        for center in centroids_of(index):
            _draw_entries(axes, center, book)
        dots(axes, scene.vectors, s=4, color=INK, alpha=0.5, linewidths=0, zorder=2)
        draw_query(axes, scene)

    def search(axes: Axes) -> None:
        draw_visits(axes, index, cells)
        for center in centroids_of(index)[cells]:
            _draw_entries(axes, center, book)
        draw_search(axes, scene, exact, found)

    return Picture(
        "ivf_pq_fastscan",
        "IVF-PQ: cells, and codes within",
        "Codes represent the residuals to the centroids: one codebook serves all cells.",
        f"lists = {LISTS}, parts = {PARTS}, probes = {PROBES}, rerank = {RERANK}",
        scene,
        structure,
        search,
        "brown: the 16 entries of the codebook around each centroid",
        f"visited cells · green: the {len(exact)} nearest codes, compared exactly",
        compared,
        exact,
        found,
    )


def _draw_entries(axes: Axes, center: NDArray[np.floating], book: NDArray[np.floating]) -> None:
    """The codebook around a centroid."""
    spokes = [np.stack((center, center + entry)) for entry in book]
    axes.add_collection(
        LineCollection(spokes, colors=[tint(SECOND, 0.45)], linewidths=0.7, zorder=3)
    )
    dots(axes, (center + book), s=13, marker="s", color=SECOND, ec=PAPER, linewidths=0.5, zorder=4)
