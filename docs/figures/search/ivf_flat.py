"""The picture of inverted lists: the cells of a k-means, and the visited ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from docs.figures.search.picture import Picture
from docs.figures.search.plane import dots, draw_query, draw_search, draw_vectors, prepare
from docs.figures.search.regions import EDGE, draw_regions, soft_colors
from docs.figures.search.scene import Scene
from likewise.lab.figures.palette import FIRST, INK, PAPER, tint
from likewise.search.engines.engine import Rows, Vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["cell_of", "centroids_of", "draw_cells", "draw_visits", "ivf_flat", "members", "visited"]

LISTS, PROBES = 24, 2


def ivf_flat(scene: Scene) -> Picture:
    """Cells, and a search that visits the nearest two."""
    engine: Any = scene.built("ivf_flat", {"lists": LISTS})
    index = engine.index
    cells = visited(index, scene.query, PROBES)
    compared = np.concatenate([members(index, cell) for cell in cells])
    found = scene.best_of(scene.candidates(engine, {"probes": PROBES}))

    def structure(axes: Axes) -> None:
        draw_cells(axes, index)
        draw_vectors(axes, scene.vectors)
        draw_query(axes, scene)

    def search(axes: Axes) -> None:
        draw_visits(axes, index, cells)
        draw_search(axes, scene, compared, found)

    return Picture(
        "ivf_flat", "IVF: inverted lists",
        "Vectors are assigned to the cells of a k-means; a search visits the nearest cells.",
        f"lists = {LISTS}, probes = {PROBES}", scene, structure, search,
        "centroids (squares) and their cells",
        "the visited cells · vectors beyond their border are missed",
        compared, compared, found,
    )  # fmt: skip


def centroids_of(index: Any) -> Vectors:
    """The centroids of the cells, float32 [L,D]."""
    centers: Vectors = np.asarray(index.quantizer.reconstruct_n(0, index.nlist))
    return centers


def cell_of(index: Any, points: Vectors) -> Rows:
    """The cell that faiss assigns to each point, int64 [P]."""
    return np.asarray(index.quantizer.search(points, 1)[1][:, 0], np.int64)


def visited(index: Any, query: Vectors, probes: int) -> list[int]:
    """The cells that a search visits, nearest first."""
    found: list[int] = index.quantizer.search(query, probes)[1][0].tolist()
    return found


def members(index: Any, cell: int) -> Rows:
    """The rows in the list of a cell."""
    lists, size = index.invlists, index.invlists.list_size(cell)
    if size == 0:
        return np.empty(0, np.int64)
    return np.asarray(faiss.rev_swig_ptr(lists.get_ids(cell), size), np.int64).copy()


def draw_cells(axes: Axes, index: Any) -> None:
    """The cells in different tints, with squares at the centroids."""
    prepare(axes)
    draw_regions(axes, lambda spots: cell_of(index, spots), soft_colors(index.nlist))
    centers = centroids_of(index)
    dots(axes, centers, s=30, marker="s", color=PAPER, ec=INK, linewidths=1.3, zorder=5)


def draw_visits(axes: Axes, index: Any, cells: list[int]) -> None:
    """The visited cells, highlighted."""
    prepare(axes)
    colors = [tint(FIRST, 0.2 if cell in cells else 0.0) for cell in range(index.nlist)]
    draw_regions(axes, lambda spots: cell_of(index, spots), colors, edge=EDGE)
    centers = centroids_of(index)[cells]
    dots(axes, centers, s=30, marker="s", color=PAPER, ec=FIRST, linewidths=1.3, zorder=5)
