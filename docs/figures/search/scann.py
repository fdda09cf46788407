"""The pictures of ScaNN: anisotropic quantization, and the leaves of its tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from docs.figures.search.picture import Contrast, Picture
from docs.figures.search.plane import dots, draw_query, draw_search, prepare
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

    ScaNN keeps no leaf of fewer than fifty vectors, so the scene has more vectors.
    """
    scene = draw_scene(metric="dot", count=COUNT)
    engine = scene.built("scann", {"leaves": LEAVES})
    parts = parts_of(engine)
    leaves = visited_leaves(parts, scene, VISITS)
    compared = np.flatnonzero(np.isin(parts.leaves, leaves))
    exact = scene.candidates(engine, {"visits": VISITS, "rerank": RERANK})
    found = scene.best_of(exact)

    def structure(axes: Axes) -> None:
        prepare(axes)
        colors = _apart(parts.centers[:, :2])
        dots(
            axes,
            scene.vectors,
            s=7,
            c=[colors[leaf] for leaf in parts.leaves],
            alpha=0.75,
            linewidths=0,
            zorder=3,
        )
        _draw_centers(axes, parts, np.unique(parts.leaves), INK)
        draw_query(axes, scene)

    def search(axes: Axes) -> None:
        prepare(axes)
        draw_search(axes, scene, compared, found)
        _draw_centers(axes, parts, np.array(leaves), FIRST)

    return Picture(
        "scann",
        "ScaNN: leaves, and codes within",
        "Visit the leaves with the largest product of centroid and query; scan their codes.",
        f"leaves = {LEAVES}, visits = {VISITS}, rerank = {RERANK}",
        scene,
        structure,
        search,
        "leaves by color, and their centroids",
        "by inner product: the largest lie beyond the dashed line",
        compared,
        exact,
        found,
    )


def scann_codes(scene: Scene) -> Contrast:
    """Two codebooks by ScaNN: sixteen entries for Euclidean distance, and for inner products.

    A parallel error weighs η = (D-1)·t² / (‖x‖² - t²) times an orthogonal one, with t = 0.2. The
    vectors are short, so that η has the value of unit vectors in a hundred dimensions.
    """
    plain, dot = shortened(scene, "euclidean"), shortened(scene, "dot")
    usual = parts_of(plain.built("scann", {"leaves": 0}))
    skewed = parts_of(dot.built("scann", {"leaves": 0}))
    errors = []
    for parts in (usual, skewed):
        along, across = errors_of(dot.vectors, parts.decoded())
        errors.append(f"{along / SHORT:.3f} parallel, {across / SHORT:.3f} orthogonal")

    return Contrast(
        "scann", "ScaNN: anisotropic quantization",
        "A parallel error changes the product with a near query; an orthogonal one hardly does.",
        "16 entries each",
        lambda axes: _draw_codes(axes, plain, usual),
        lambda axes: _draw_codes(axes, dot, skewed),
        "for distances: all directions count equally",
        "for products: parallel errors are smaller (cross: the origin)",
        f"mean error: {errors[0]} on the left; {errors[1]} on the right",
    )  # fmt: skip


def shortened(scene: Scene, metric: str) -> Scene:
    """A scene of more and shorter vectors, in another metric."""
    return scene_of(SHORT * draw_scene(count=COUNT).vectors, SHORT * scene.query, metric)


def visited_leaves(parts: ScannParts, scene: Scene, visits: int) -> list[int]:
    """The leaves that a search by inner product visits, the best first."""
    products = parts.centers[:, :2] @ scene.query[0]
    best: list[int] = np.argsort(-products, kind="stable")[:visits].tolist()
    return best


def errors_of(vectors: NDArray[np.floating], decoded: NDArray[np.floating]) -> tuple[float, float]:
    """The mean parallel and orthogonal error of codes of vectors [N,2]."""
    rest = (vectors - decoded).astype(np.float64)
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    along = np.abs((rest * units).sum(axis=1))
    across = np.sqrt(np.maximum((rest**2).sum(axis=1) - along**2, 0.0))
    return float(along.mean()), float(across.mean())


def _apart(centers: NDArray[np.floating]) -> list[str]:
    """A color for each centroid [L,2]; equal colors are far from each other."""
    colors: list[str] = []
    for number, center in enumerate(centers):
        away = np.linalg.norm(centers[:number] - center, axis=1)
        free = {
            color: min((float(a) for a, c in zip(away, colors, strict=True) if c == color),
                       default=np.inf)
            for color in CLASSES
        }  # fmt: skip
        colors.append(max(free, key=lambda color: free[color]))
    return colors


def _draw_centers(axes: Axes, parts: ScannParts, leaves: Rows, color: str) -> None:
    dots(
        axes,
        parts.centers[leaves, :2],
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
