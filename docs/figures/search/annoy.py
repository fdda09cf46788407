"""The picture of Annoy: the splits of one tree, and the leaves that a search opens in all."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from matplotlib.patches import Polygon as Patch

from docs.figures.search.annoy_tree import (
    Cuts,
    Forest,
    Node,
    read_forest,
    rows_of,
    walk_forest,
)
from docs.figures.search.picture import Picture
from docs.figures.search.plane import draw_query, draw_search, draw_vectors, mark, prepare
from docs.figures.search.regions import SQUARE, Polygon, clipped, cut_through
from docs.figures.search.scene import Scene
from likewise.lab.figures.palette import CLASSES, FIRST, INK, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from likewise.search.engines.engine import Engine

__all__ = ["annoy", "forest_of", "region_of"]

TREES, NODES = 8, 60
ENLARGED = 0.45
BOLD = 3  # levels of splits with their own color


def annoy(scene: Scene) -> Picture:
    """One tree, and one search in eight trees."""
    engine = scene.built("annoy", {"trees": TREES})
    forest = forest_of(engine, len(scene.vectors), 2)
    opened = walk_forest(forest, scene.query[0], NODES)
    compared = rows_of(opened)
    found = scene.best_of(scene.candidates(engine, {"nodes": NODES}))

    def structure(axes: Axes) -> None:
        prepare(axes)
        _draw_tree(axes, forest.roots[0], SQUARE, 0, 0)
        draw_vectors(axes, scene.vectors)
        draw_query(axes, scene)
        mark(axes, scene.around(ENLARGED))

    def search(axes: Axes) -> None:
        prepare(axes, scene.around(ENLARGED))
        for _, above in opened:
            axes.add_patch(Patch(region_of(above), fc=FIRST, alpha=0.1, lw=0, zorder=1))
            axes.add_patch(
                Patch(region_of(above), fc="none", ec=tint(FIRST, 0.55), lw=0.6, zorder=2)
            )
        draw_search(axes, scene, compared, found, dot=2)

    return Picture(
        "annoy", "Annoy: random projection trees",
        "Split the space again and again; then open the leaves near the query in every tree.",
        f"trees = {TREES}, nodes = {NODES}", scene, structure, search,
        "one of the trees · thick: the first splits",
        "enlarged: the leaves opened in all trees, one over another",
        compared, compared, found,
    )  # fmt: skip


def forest_of(engine: Engine, count: int, dimension: int) -> Forest:
    """The trees of an engine, read from its saved file."""
    with TemporaryDirectory() as folder:
        engine.save(Path(folder))
        file = next(path for path in sorted(Path(folder).iterdir()) if path.suffix == ".annoy")
        return read_forest(file, count, dimension)


def region_of(above: Cuts) -> Polygon:
    """The part of the plane that the splits above a leaf leave."""
    region = SQUARE
    for node, side in above:
        sign = 1.0 if side else -1.0
        region = clipped(region, sign * node.normal.astype(float), sign * node.offset)
    return region


def _draw_tree(axes: Axes, node: Node, region: Polygon, depth: int, color: int) -> None:
    if depth == BOLD:
        axes.add_patch(Patch(region, fc=tint(CLASSES[color], 0.15), lw=0, zorder=0))
    if node.rows is not None:
        return
    normal = node.normal.astype(float)
    ends = cut_through(region, normal, node.offset)
    for side, sign in enumerate((-1.0, 1.0)):
        part = clipped(region, sign * normal, sign * node.offset)
        if len(part):
            _draw_tree(axes, node.sides[side], part, depth + 1, 2 * color + side)
    width = 3.2 * 0.68**depth
    axes.plot(
        *ends.T,
        color=tint(INK, max(0.35, 0.95 - 0.1 * depth)),
        lw=max(0.45, width),
        solid_capstyle="round",
        zorder=2,
    )
