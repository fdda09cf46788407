"""The pictures of ScaNN: codes whose error runs across the vector, and the leaves of its tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from docs.figures.search.picture import Contrast, Picture
from docs.figures.search.plane import dots, draw_answer, draw_query, prepare
from docs.figures.search.scann_parts import ScannParts, parts_of
from docs.figures.search.scene import Scene, draw_scene, scene_of
from likewise.lab.figures.palette import CLASSES, FIRST, INK, PAPER, QUIET, SECOND, tint
from likewise.search.engines.engine import Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["errors_of", "scann", "scann_codes", "shortened", "visited_leaves"]

COUNT, LEAVES, VISITS, RERANK = 1000, 12, 2, 2
SHORT = 0.35
SHOWN = 160  # vectors whose errors are drawn


def scann(scene: Scene) -> Picture:
    """The leaves of a tree, and a search for the largest inner products.

    ScaNN keeps no leaf of fewer than fifty vectors, so that more of them are drawn.
    """
    scene = draw_scene(metric="dot", count=COUNT)
    engine = scene.built("scann", {"leaves": LEAVES})
    parts = parts_of(engine)
    leaves = visited_leaves(parts, scene, VISITS)
    looked = np.flatnonzero(np.isin(parts.leaves, leaves))
    exact = scene.candidates(engine, {"visits": VISITS, "rerank": RERANK})
    found = scene.best_of(exact)

    def structure(axes: Axes) -> None:
        prepare(axes)
        colors = _apart(parts.centres[:, :2])
        dots(
            axes,
            scene.vectors,
            s=7,
            c=[colors[leaf] for leaf in parts.leaves],
            alpha=0.75,
            linewidths=0,
            zorder=3,
        )
        _draw_centres(axes, parts, np.unique(parts.leaves), INK)
        draw_query(axes, scene)

    def search(axes: Axes) -> None:
        prepare(axes)
        draw_answer(axes, scene, looked, found)
        _draw_centres(axes, parts, np.array(leaves), FIRST)

    return Picture(
        "scann",
        "ScaNN: leaves, and codes within",
        "Visit the leaves whose centres have the largest product with the query; scan their codes.",
        f"leaves = {LEAVES}, visits = {VISITS}, rerank = {RERANK}",
        scene,
        structure,
        search,
        "leaves by colour, and their centres",
        "by inner product: the largest lie beyond the dashed line",
        looked,
        exact,
        found,
    )


def scann_codes(scene: Scene) -> Contrast:
    """Sixteen entries placed for Euclidean distance, and for inner products, by ScaNN both times.

    An error along a vector weighs η = (D-1)·t² / (‖x‖² - t²) times one across it, with t = 0.2.
    The vectors are made short, so that it weighs on the plane what it weighs among vectors of
    unit length in a hundred dimensions.
    """
    plain, dot = shortened(scene, "euclidean"), shortened(scene, "dot")
    usual = parts_of(plain.built("scann", {"leaves": 0}))
    skewed = parts_of(dot.built("scann", {"leaves": 0}))
    told = []
    for parts in (usual, skewed):
        along, across = errors_of(dot.vectors, parts.decoded())
        told.append(f"{along / SHORT:.3f} along, {across / SHORT:.3f} across")

    return Contrast(
        "scann", "ScaNN: errors where they do no harm",
        "An error along a vector changes its product with a near query; one across hardly does.",
        "16 entries each",
        lambda axes: _draw_codes(axes, plain, usual),
        lambda axes: _draw_codes(axes, dot, skewed),
        "for distances: an error is an error",
        "for products: errors lie across the ray from the origin (cross)",
        f"mean error: {told[0]} on the left; {told[1]} on the right",
    )  # fmt: skip


def shortened(scene: Scene, metric: str) -> Scene:
    """More vectors like the scene's, made short, in another metric."""
    return scene_of(SHORT * draw_scene(count=COUNT).vectors, SHORT * scene.query, metric)


def visited_leaves(parts: ScannParts, scene: Scene, visits: int) -> list[int]:
    """The leaves that a search by inner product looks into, the best centre first."""
    products = parts.centres[:, :2] @ scene.query[0]
    best: list[int] = np.argsort(-products, kind="stable")[:visits].tolist()
    return best


def errors_of(vectors: NDArray[np.floating], decoded: NDArray[np.floating]) -> tuple[float, float]:
    """The mean error of codes along the vectors [N,2], and across them."""
    rest = (vectors - decoded).astype(np.float64)
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    along = np.abs((rest * units).sum(axis=1))
    across = np.sqrt(np.maximum((rest**2).sum(axis=1) - along**2, 0.0))
    return float(along.mean()), float(across.mean())


def _apart(centres: NDArray[np.floating]) -> list[str]:
    """A colour for each centre [L,2]; those of one colour lie far from each other."""
    colors: list[str] = []
    for number, centre in enumerate(centres):
        away = np.linalg.norm(centres[:number] - centre, axis=1)
        free = {
            color: min((float(a) for a, c in zip(away, colors, strict=True) if c == color),
                       default=np.inf)
            for color in CLASSES
        }  # fmt: skip
        colors.append(max(free, key=lambda color: free[color]))
    return colors


def _draw_centres(axes: Axes, parts: ScannParts, leaves: Rows, color: str) -> None:
    dots(
        axes,
        parts.centres[leaves, :2],
        s=34,
        marker="s",
        color=PAPER,
        ec=color,
        linewidths=1.4,
        zorder=6,
    )


def _draw_codes(axes: Axes, scene: Scene, parts: ScannParts) -> None:
    """Some vectors, each with a line to its code."""
    prepare(axes)
    shown, decoded = scene.vectors[:SHOWN] / SHORT, parts.decoded()[:SHOWN] / SHORT
    angles = np.linspace(0, 2 * np.pi, 361)
    for radius in (0.25, 0.5, 0.75, 1.0, 1.25):
        axes.plot(radius * np.cos(angles), radius * np.sin(angles), color=tint(QUIET, 0.2), lw=0.7)
    lines = list(np.stack((shown, decoded), axis=1))
    axes.add_collection(LineCollection(lines, colors=[tint(SECOND, 0.6)], linewidths=0.9, zorder=2))
    dots(axes, shown, s=9, color=INK, alpha=0.75, linewidths=0, zorder=3)
    dots(axes, parts.book / SHORT, s=34, marker="s", color=PAPER, ec=INK, linewidths=1.3, zorder=5)
    axes.plot(0, 0, marker="+", ms=10, mew=1.6, color=INK, zorder=6)
