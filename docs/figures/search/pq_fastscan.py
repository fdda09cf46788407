"""The picture of product quantization: two codebooks of one number each, and their product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from docs.figures.search.picture import Picture
from docs.figures.search.plane import dots, draw_query, draw_search, mark, prepare
from docs.figures.search.scene import REACH, Scene
from likewise.lab.figures.palette import CLASSES, INK, PAPER, QUIET, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["borders_of", "codebooks_of", "draw_errors", "draw_product", "pq_fastscan"]

PARTS, RERANK, ENLARGED = 2, 2, 0.3
FIRST_BOOK, SECOND_BOOK = CLASSES[2], CLASSES[3]


def pq_fastscan(scene: Scene) -> Picture:
    """Two codebooks of sixteen values each: 256 points."""
    engine: Any = scene.built("pq_fastscan", {"parts": PARTS, "refine": "none"})
    index = engine.index
    books = codebooks_of(index.pq)[:, :, 0]
    decoded = index.sa_decode(index.sa_encode(scene.vectors))
    exact = scene.candidates(engine, {"rerank": RERANK})
    found = scene.best_of(exact)
    all_rows = np.arange(len(scene.vectors))

    def structure(axes: Axes) -> None:
        prepare(axes)
        draw_product(axes, books)
        draw_errors(axes, scene.vectors, decoded)
        draw_query(axes, scene)
        mark(axes, scene.around(ENLARGED))

    def search(axes: Axes) -> None:
        box = scene.around(ENLARGED)
        prepare(axes, box)
        _draw_borders(axes, books)
        draw_errors(axes, scene.vectors, decoded, dot=22)
        draw_search(axes, scene, exact, found, dot=2.4)

    return Picture(
        "pq_fastscan", "PQ: product quantization",
        "Each part of a vector is replaced by the nearest entry of its own small codebook.",
        f"parts = {PARTS}, refine = none, rerank = {RERANK}", scene, structure, search,
        "bars: 16 values a part · lines: from a vector to its code",
        f"enlarged · green: the {len(exact)} nearest codes, compared exactly",
        all_rows, exact, found,
    )  # fmt: skip


def codebooks_of(quantizer: Any) -> NDArray[np.float32]:
    """The centroids of each part, float32 [M,K,D/M].

    Args:
        quantizer: a faiss ``ProductQuantizer`` of M parts with K centroids each.
    """
    centroids: NDArray[np.float32] = faiss.vector_to_array(quantizer.centroids)
    return centroids.reshape(quantizer.M, quantizer.ksub, quantizer.dsub)


def borders_of(levels: NDArray[np.floating]) -> NDArray[np.float64]:
    """The borders between codes: midway between consecutive levels [K] → [K-1]."""
    ordered = np.sort(levels.astype(np.float64))
    middles: NDArray[np.float64] = (ordered[1:] + ordered[:-1]) / 2
    return middles


def draw_product(axes: Axes, books: NDArray[np.floating]) -> None:
    """The values of both codebooks at the edges, and the rectangles with the same code."""
    _draw_borders(axes, books)
    for value in books[0]:
        axes.plot([value, value], [-REACH, -REACH + 0.07], color=FIRST_BOOK, lw=2.2, zorder=6)
    for value in books[1]:
        axes.plot([-REACH, -REACH + 0.07], [value, value], color=SECOND_BOOK, lw=2.2, zorder=6)


def draw_errors(
    axes: Axes, vectors: NDArray[np.floating], decoded: NDArray[np.floating], *, dot: float = 8
) -> None:
    """A line from each vector to the point that its code represents."""
    lines = np.stack((vectors, decoded), axis=1)
    axes.add_collection(
        LineCollection(list(lines), colors=[tint(INK, 0.55)], linewidths=0.8, zorder=2)
    )
    places = np.unique(decoded, axis=0)
    dots(axes, places, s=dot * 1.6, marker="s", color=PAPER, ec=INK, linewidths=0.8, zorder=3)
    dots(axes, vectors, s=dot * 0.6, color=INK, linewidths=0, alpha=0.7, zorder=3)


def _draw_borders(axes: Axes, books: NDArray[np.floating]) -> None:
    style: dict[str, Any] = {"color": tint(QUIET, 0.35), "lw": 0.7, "zorder": 1}
    for border in borders_of(books[0]):
        axes.axvline(border, **style)
    for border in borders_of(books[1]):
        axes.axhline(border, **style)
