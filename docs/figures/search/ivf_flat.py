"""The picture of inverted lists: the cells of a k-means, and those that a search visits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from docs.figures.search.picture import Picture
from docs.figures.search.plane import dots, draw_answer, draw_query, draw_vectors, prepare
from docs.figures.search.regions import EDGE, draw_regions, soft_colors
from docs.figures.search.scene import Scene
from likewise.lab.figures.palette import FIRST, INK, PAPER, tint
from likewise.search.engines.engine import Rows, Vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["cell_of", "centroids_of", "draw_cells", "draw_visits", "ivf_flat", "members", "visited"]

LISTS, PROBES = 24, 2


def ivf_flat(scene: Scene) -> Picture:
    """Cells, and the visit of the nearest two."""
    engine: Any = scene.built("ivf_flat", {"lists": LISTS})
    index = engine.index
    cells = visited(index, scene.query, PROBES)
    looked = np.concatenate([members(index, cell) for cell in cells])
    found = scene.best_of(scene.candidates(engine, {"probes": PROBES}))

    def structure(axes: Axes) -> None:
        draw_cells(axes, index)
        draw_vectors(axes, scene.vectors)
        draw_query(axes, scene)

    def search(axes: Axes) -> None:
        draw_visits(axes, index, cells)
        draw_answer(axes, scene, looked, found)

    return Picture(
        "ivf_flat", "IVF: inverted lists",
        "Vectors are sorted into the cells of a k-means; a search visits the nearest cells.",
        f"lists = {LISTS}, probes = {PROBES}", scene, structure, search,
        "centroids (squares) and their cells",
        "the cells visited · beyond their edge all is missed",
        looked, looked, found,
    )  # fmt: skip


def centroids_of(index: Any) -> Vectors:
    """The centres of an inverted file's cells, float32 [L,D]."""
    centres: Vectors = np.asarray(index.quantizer.reconstruct_n(0, index.nlist))
    return centres


def cell_of(index: Any, points: Vectors) -> Rows:
    """The cell that faiss sorts each point into, int64 [P]."""
    return np.asarray(index.quantizer.search(points, 1)[1][:, 0], np.int64)


def visited(index: Any, query: Vectors, probes: int) -> list[int]:
    """The cells that a search looks into, the nearest first."""
    found: list[int] = index.quantizer.search(query, probes)[1][0].tolist()
    return found


def members(index: Any, cell: int) -> Rows:
    """The rows in a cell's list."""
    lists, size = index.invlists, index.invlists.list_size(cell)
    if size == 0:
        return np.empty(0, np.int64)
    return np.asarray(faiss.rev_swig_ptr(lists.get_ids(cell), size), np.int64).copy()


def draw_cells(axes: Axes, index: Any) -> None:
    """Each cell in a tint of its own, a square on its centroid."""
    prepare(axes)
    draw_regions(axes, lambda spots: cell_of(index, spots), soft_colors(index.nlist))
    centres = centroids_of(index)
    dots(axes, centres, s=30, marker="s", color=PAPER, ec=INK, linewidths=1.3, zorder=5)


def draw_visits(axes: Axes, index: Any, cells: list[int]) -> None:
    """The cells that are visited stand out of the others."""
    prepare(axes)
    colors = [tint(FIRST, 0.2 if cell in cells else 0.0) for cell in range(index.nlist)]
    draw_regions(axes, lambda spots: cell_of(index, spots), colors, edge=EDGE)
    centres = centroids_of(index)[cells]
    dots(axes, centres, s=30, marker="s", color=PAPER, ec=FIRST, linewidths=1.3, zorder=5)
