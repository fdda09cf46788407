"""The pictures of RaBitQ: four directions around each centroid, and the error by dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from docs.figures.search.ivf_flat import members
from docs.figures.search.picture import Contrast, Picture
from docs.figures.search.plane import dots, draw_query, draw_search, prepare
from docs.figures.search.rabitq_parts import Signs, estimates, signs_of
from docs.figures.search.regions import EDGE, draw_regions, soft_colors
from docs.figures.search.scene import Scene, scene_of
from likewise.lab.figures.palette import FIRST, INK, PAPER, QUIET, SECOND, tint
from likewise.search.engines.engine import Vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["rabitq", "rabitq_estimates"]

LISTS, PROBES, RERANK = 9, 3, 3
SPOKE = 0.11
WIDE, MANY = 256, 400


def rabitq(scene: Scene) -> Picture:
    """Nine cells, and the four directions that two bits represent."""
    engine: Any = scene.built("rabitq", {"lists": LISTS, "refine": "none"})
    signs = signs_of(engine.index, scene.vectors)
    query_signs = signs_of(engine.index, scene.query)
    turned = (scene.query @ signs.rotation.T).astype(np.float32)
    cells = query_signs.inverted.quantizer.search(turned, PROBES)[1][0].tolist()
    compared = np.concatenate([members(signs.inverted, cell) for cell in cells])
    exact = scene.candidates(engine, {"probes": PROBES, "rerank": RERANK, "query_bits": 0})
    found = scene.best_of(exact)

    def structure(axes: Axes) -> None:
        prepare(axes)
        draw_regions(axes, lambda spots: signs_of(engine.index, spots).cells, soft_colors(LISTS))
        lines = np.stack((scene.vectors, signs.snapped()), axis=1)
        axes.add_collection(
            LineCollection(list(lines), colors=[tint(QUIET, 0.55)], linewidths=0.6, zorder=2)
        )
        dots(axes, scene.vectors, s=6, color=INK, alpha=0.7, linewidths=0, zorder=3)
        dots(axes, signs.snapped(), s=7, color=SECOND, linewidths=0, zorder=4)
        _draw_centers(axes, signs)
        draw_query(axes, scene)

    def search(axes: Axes) -> None:
        prepare(axes)
        colors = [tint(FIRST, 0.2 if cell in cells else 0.0) for cell in range(LISTS)]
        draw_regions(axes, lambda spots: signs_of(engine.index, spots).cells, colors, edge=EDGE)
        draw_search(axes, scene, exact, found)

    return Picture(
        "rabitq",
        "RaBitQ: one bit a dimension",
        "After a random rotation, only the signs of the residual to the centroid are kept.",
        f"lists = {LISTS}, probes = {PROBES}, rerank = {RERANK}",
        scene,
        structure,
        search,
        "brown: the points that the codes represent",
        f"visited cells · green: the {len(exact)} nearest codes, compared exactly",
        compared,
        exact,
        found,
    )


def rabitq_estimates(scene: Scene) -> Contrast:
    """Estimated against true distances: in two dimensions, and in many."""
    plain = _estimated(scene.vectors, scene.query)
    numbers = np.random.default_rng(0)
    wide = numbers.normal(size=(MANY, WIDE)).astype(np.float32)
    # Near and far vectors, as in the plane.
    query = numbers.normal(size=(1, WIDE)).astype(np.float32)
    mixed = query * np.linspace(0.95, 0.0, MANY)[:, None] ** 2
    wide = ((wide + mixed) / np.sqrt(WIDE)).astype(np.float32)
    many = _estimated(wide, (query / np.sqrt(WIDE)).astype(np.float32))
    errors = [float(np.abs(guess - true).mean() / true.mean()) for true, guess in (plain, many)]

    return Contrast(
        "rabitq", "RaBitQ: the error shrinks with the dimension",
        "Estimated against true distances: each dot is a vector.",
        "lists = 1", lambda axes: _draw_estimates(axes, *plain),
        lambda axes: _draw_estimates(axes, *many),
        "2 dimensions, 2 bits: a rough guess",
        f"{WIDE} dimensions, {WIDE} bits: close to the truth",
        f"mean error {errors[0]:.0%} of the mean distance in 2 dimensions, "
        f"{errors[1]:.0%} in {WIDE}",
    )  # fmt: skip


def _estimated(vectors: Vectors, query: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True and estimated distances of each vector."""
    scene = scene_of(vectors, query, "euclidean")
    engine: Any = scene.built("rabitq", {"lists": 1, "refine": "none"})
    estimated = np.sqrt(estimates(signs_of(engine.index, scene.vectors), scene.query))
    return -scene.scores().astype(np.float64), estimated


def _draw_centers(axes: Axes, signs: Signs) -> None:
    """Each centroid, and the four directions around it."""
    directions = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) / np.sqrt(2) @ signs.rotation
    for center in signs.corners():
        for direction in directions:
            axes.plot(
                *np.stack((center, center + SPOKE * direction)).T, color=SECOND, lw=1.6, zorder=5
            )
    dots(axes, signs.corners(), s=30, marker="s", color=PAPER, ec=INK, linewidths=1.3, zorder=6)


def _draw_estimates(axes: Axes, true: NDArray[np.float64], estimated: NDArray[np.float64]) -> None:
    axes.set_box_aspect(1)
    most = 1.15 * float(true.max())
    axes.set_xlim(0, most)
    axes.set_ylim(0, most)
    axes.plot([0, most], [0, most], color=QUIET, lw=1.1, ls=(0, (4, 3)), zorder=2)
    axes.scatter(true, estimated, s=10, color=FIRST, alpha=0.6, linewidths=0, zorder=3)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)
    axes.text(0.98, 0.03, "true", transform=axes.transAxes, fontsize=9, color=INK, ha="right")
    axes.text(0.03, 0.97, "estimated", transform=axes.transAxes, fontsize=9, color=INK, va="top")
