"""The picture of NSG: one pruned graph, and a search from its entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection

from docs.figures.search.hnsw import draw_expanded
from docs.figures.search.nsg_graph import navigation_links, walk_navigation
from docs.figures.search.picture import Picture
from docs.figures.search.plane import dots, draw_query, draw_search, draw_vectors, prepare
from docs.figures.search.scene import Scene, scene_of
from likewise.lab.figures.palette import PAPER, QUIET, SECOND, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["nsg"]

LINKS, NEIGHBORS, EF = 8, 32, 12
QUERY = (0.74, 0.4)


def nsg(scene: Scene) -> Picture:
    """The links after pruning, and the path from the entry point to a distant query."""
    scene = scene_of(scene.vectors, np.array([QUERY]), scene.metric)
    engine: Any = scene.built("nsg", {"links": LINKS, "neighbors": NEIGHBORS})
    index = engine.index
    links, entry = navigation_links(index), int(index.nsg.enterpoint)
    found = scene.best_of(scene.candidates(engine, {"ef": EF}))
    walk = walk_navigation(links, entry, -scene.scores(), EF)
    lines = [scene.vectors[[row, end]] for row, ends in links.items() for end in ends]

    def draw_links(axes: Axes) -> None:
        axes.add_collection(
            LineCollection(lines, colors=[tint(QUIET, 0.45)], linewidths=0.7, zorder=1)
        )

    def structure(axes: Axes) -> None:
        prepare(axes)
        draw_links(axes)
        draw_vectors(axes, scene.vectors)
        dots(
            axes,
            scene.vectors[[entry]],
            s=110,
            marker="*",
            color=SECOND,
            ec=PAPER,
            linewidths=0.9,
            zorder=7,
        )
        draw_query(axes, scene)

    def search(axes: Axes) -> None:
        prepare(axes)
        draw_links(axes)
        draw_expanded(axes, scene, walk.tree, walk.expanded)
        draw_search(axes, scene, walk.compared, found)
        dots(
            axes,
            scene.vectors[[entry]],
            s=110,
            marker="*",
            color=SECOND,
            ec=PAPER,
            linewidths=0.9,
            zorder=7,
        )

    return Picture(
        "nsg", "NSG: one sparse graph",
        "A link is pruned if a kept neighbor is nearer. A search starts at the entry point (star).",
        f"links = {LINKS}, neighbors = {NEIGHBORS}, ef = {EF}", scene, structure, search,
        f"{len(lines) / len(links):.1f} links a vector remain",
        "brown: links that the search took · green: all compared",
        walk.compared, walk.compared, found,
    )  # fmt: skip
