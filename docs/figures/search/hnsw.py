"""The picture of HNSW: its layers, and a search that descends through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Polygon as Patch
from numpy.typing import NDArray

from docs.figures.search.hnsw_graph import Layers, Walk, layers_of, walk_layers
from docs.figures.search.picture import Picture
from docs.figures.search.plane import PALE, dots, draw_search, prepare
from docs.figures.search.regions import SQUARE
from docs.figures.search.scene import Scene
from likewise.lab.figures.palette import FIRST, INK, PAPER, QUIET, SECOND, bare, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_expanded", "hnsw"]

LINKS, EF_CONSTRUCTION, EF = 5, 40, 12
ENLARGED = 0.45
HEIGHT = 1.15  # distance of two layers
LEFT, RIGHT = -1.65, 1.32  # with room for the names of the layers
SLANT, FLAT = 0.28, 0.42  # the perspective of a layer


def hnsw(scene: Scene) -> Picture:
    """A graph with few links, for clarity."""
    settings = {"links": LINKS, "ef_construction": EF_CONSTRUCTION}
    engine: Any = scene.built("hnsw", settings)
    layers = layers_of(engine.index)
    walk = walk_layers(layers, -scene.scores(), EF)
    found = scene.best_of(scene.candidates(engine, {"ef": EF}))

    def structure(axes: Axes) -> None:
        _draw_layers(axes, scene, layers, walk)

    def search(axes: Axes) -> None:
        prepare(axes, scene.around(ENLARGED))
        _draw_links(axes, scene.vectors, layers.edges(0))
        draw_expanded(axes, scene, walk.tree, walk.paths[0])
        draw_search(axes, scene, walk.compared, found, dot=2)

    return Picture(
        "hnsw", "HNSW: a layered graph",
        "Long steps in the sparse upper layers, then short steps among all vectors.",
        f"links = {LINKS}, ef_construction = {EF_CONSTRUCTION}, ef = {EF}",
        scene, structure, search,
        f"{len(layers.links)} layers with their sizes · brown: the path of the search",
        "bottom layer, enlarged · brown: links that the search took",
        walk.compared, walk.compared, found,
    )  # fmt: skip


def draw_expanded(
    axes: Axes, scene: Scene, tree: Mapping[int, int], expanded: tuple[int, ...]
) -> None:
    """The links by which the rows that a search expanded were reached."""
    taken = [(tree[row], row) for row in expanded if row in tree]
    axes.add_collection(
        LineCollection(
            [scene.vectors[list(pair)] for pair in taken], colors=SECOND, linewidths=1.8, zorder=5
        )
    )


def _draw_links(axes: Axes, points: NDArray[np.floating], edges: NDArray[np.int64]) -> None:
    lines = [points[pair] for pair in edges]
    axes.add_collection(LineCollection(lines, colors=[tint(QUIET, 0.35)], linewidths=0.6, zorder=1))


def _perspective(points: NDArray[np.floating], layer: int) -> NDArray[np.float64]:
    """The points of a layer in perspective [P,2]."""
    x, y = points.T
    return np.stack((x + SLANT * y, FLAT * y + HEIGHT * layer), axis=1)


def _draw_layers(axes: Axes, scene: Scene, layers: Layers, walk: Walk) -> None:
    count = len(layers.links)
    bare(axes)
    axes.set_xlim(LEFT, RIGHT)
    axes.set_ylim(-FLAT - 0.1, HEIGHT * (count - 1) + FLAT + 0.1)
    for layer in range(count):
        sheet = _perspective(SQUARE, layer)
        axes.add_patch(
            Patch(sheet, fc=tint(FIRST, 0.05), ec=tint(QUIET, 0.4), lw=0.8, zorder=4 * layer)
        )
        places = _perspective(scene.vectors, layer)
        edges = layers.edges(layer)
        lines = LineCollection(
            [places[pair] for pair in edges],
            colors=[tint(QUIET, 0.4)],
            linewidths=0.5 if layer == 0 else 0.8,
            zorder=4 * layer + 1,
        )
        axes.add_collection(lines)
        rows = layers.members(layer)
        dots(
            axes,
            places[rows],
            s=4 if layer == 0 else 13,
            color=PALE if layer == 0 else INK,
            linewidths=0,
            zorder=4 * layer + 2,
        )
        axes.text(
            LEFT + 0.04,
            HEIGHT * layer + FLAT - 0.02,
            f"layer {layer}",
            fontsize=8,
            color=INK,
            ha="left",
            va="top",
        )
        axes.text(
            RIGHT - 0.04,
            HEIGHT * layer - FLAT + 0.02,
            f"{len(rows)}",
            fontsize=8,
            color=QUIET,
            ha="right",
            va="bottom",
        )
    _draw_path(axes, scene, walk)


def _draw_path(axes: Axes, scene: Scene, walk: Walk) -> None:
    """The path in each layer, and down to the next; in the bottom layer to the nearest row."""
    over = 4 * len(walk.paths) + 4
    nearest = int(walk.kept[0])
    for layer, path in enumerate(walk.paths):
        hops = list(path) if layer else _chain(walk.tree, path[0], nearest)
        way = _perspective(scene.vectors[hops], layer)
        axes.plot(*way.T, color=SECOND, lw=2, solid_capstyle="round", zorder=over)
        dots(axes, way, s=16, color=SECOND, ec=PAPER, linewidths=0.6, zorder=over + 1)
        if layer:
            drop = np.stack([way[-1], _perspective(scene.vectors[hops[-1:]], layer - 1)[0]])
            axes.plot(*drop.T, color=SECOND, lw=1.1, ls=(0, (3, 2)), zorder=over)
    place = _perspective(scene.query, 0)[0]
    axes.plot(*place, marker="D", ms=6, mfc=INK, mec=PAPER, mew=1.2, zorder=over + 2)


def _chain(tree: Mapping[int, int], start: int, end: int) -> list[int]:
    """The path from the first row of the bottom layer to a row."""
    chain = [end]
    while chain[-1] != start:
        chain.append(tree[chain[-1]])
    return chain[::-1]
