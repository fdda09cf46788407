"""The picture of IVF with product quantization: one codebook, laid around the centre of each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from likewise.lab.figures.palette import INK, PAPER, SECOND, tint
from likewise.lab.search_figures.codebooks import codebooks_of
from likewise.lab.search_figures.ivf_flat import (
    cell_of,
    centroids_of,
    draw_cells,
    draw_visits,
    members,
    visited,
)
from likewise.lab.search_figures.picture import Picture
from likewise.lab.search_figures.plane import draw_answer, draw_query, draw_vectors
from likewise.lab.search_figures.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ivf_pq_fastscan"]

LISTS, PARTS, PROBES, RERANK = 12, 1, 3, 2


def ivf_pq_fastscan(scene: Scene) -> Picture:
    """Few cells, so that the codebook around each can be seen."""
    engine: Any = scene.built(
        "ivf_pq_fastscan", {"lists": LISTS, "parts": PARTS, "refine": "none"}
    )
    index = engine.index
    book = codebooks_of(index.pq)[0]
    cells = visited(index, scene.query, PROBES)
    looked = np.concatenate([members(index, cell) for cell in cells])
    exact = scene.asked(engine, {"probes": PROBES, "rerank": RERANK})
    found = scene.best_of(exact)

    def structure(axes: Axes) -> None:
        draw_cells(axes, index)
        for cell, centre in enumerate(centroids_of(index)):
            places = centre + book
            inside = cell_of(index, places) == cell
            axes.scatter(*places[inside].T, s=15, marker="s", color=SECOND, ec=PAPER,
                         linewidths=0.5, zorder=4)  # fmt: skip
            axes.scatter(*places[~inside].T, s=9, marker="s", color=tint(SECOND, 0.35),
                         linewidths=0, zorder=3)  # fmt: skip
        draw_vectors(axes, scene.vectors, dot=4)
        draw_query(axes, scene)

    def search(axes: Axes) -> None:
        draw_visits(axes, index, cells)
        for centre in centroids_of(index)[cells]:
            axes.scatter(*(centre + book).T, s=14, marker="s", color=PAPER, ec=tint(INK, 0.6),
                         linewidths=0.8, zorder=2)  # fmt: skip
        draw_answer(axes, scene, exact, found)

    return Picture(
        "ivf_pq_fastscan", "IVF-PQ: cells, and codes within",
        "A code says where a vector lies from the centre of its cell: one codebook serves all cells.",
        f"lists = {LISTS}, parts = {PARTS}, probes = {PROBES}, rerank = {RERANK}",
        scene, structure, search,
        "brown: the 16 entries of the codebook around each centre",
        f"cells visited · green: the {len(exact)} nearest codes, compared exactly",
        looked, exact, found,
    )  # fmt: skip
