"""The picture of LSH: random lines give each point a code, and similar codes are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
from numpy.typing import NDArray

from docs.figures.search.picture import Picture
from docs.figures.search.plane import draw_query, draw_search, draw_vectors, prepare
from docs.figures.search.regions import EDGE, draw_regions, soft_colors
from docs.figures.search.scene import Scene, scene_of
from likewise.lab.figures.palette import FIRST, INK, tint
from likewise.search.engines.engine import Vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["codes_of", "differing", "lsh", "normals_of"]

BITS, RERANK, COUNT = 16, 2, 160
FAR = 7  # different bits from which on the tint is white
BOX = (-1.15, 1.15, -1.15, 1.15)


def lsh(scene: Scene) -> Picture:
    """Sixteen lines, and the vectors whose codes differ least from that of the query.

    The family compares angles only, so vectors have unit length; there are fewer, for clarity.
    """
    scene = scene_of(scene.vectors[:COUNT], scene.query, "cosine")
    engine: Any = scene.built("lsh", {"bits": BITS})
    index = engine.index
    all_rows = np.arange(len(scene.vectors))
    exact = scene.candidates(engine, {"rerank": RERANK})
    found = scene.best_of(exact)

    def structure(axes: Axes) -> None:
        prepare(axes, BOX)
        draw_regions(
            axes, lambda spots: _numbered(codes_of(index, spots)), soft_colors(8191, 0.15), box=BOX
        )
        for normal in normals_of(index):
            along = np.array([-normal[1], normal[0]]) / np.linalg.norm(normal) * 2
            axes.plot(*np.stack((-along, along)).T, color=tint(INK, 0.7), lw=1.1, zorder=2)
        draw_vectors(axes, scene.vectors, dot=9)
        draw_query(axes, scene)

    def search(axes: Axes) -> None:
        prepare(axes, BOX)
        own = codes_of(index, scene.query)
        colors = [tint(FIRST, max(0.0, 0.42 * (1 - bits / FAR))) for bits in range(BITS + 1)]
        draw_regions(
            axes, lambda spots: differing(codes_of(index, spots), own), colors, edge=EDGE, box=BOX
        )
        draw_search(axes, scene, exact, found)

    return Picture(
        "lsh", "LSH: locality-sensitive hashing",
        "One bit for the side of each random line; few different bits mean a small angle.",
        f"bits = {BITS}, rerank = {RERANK}", scene, structure, search,
        f"unit vectors and {BITS} lines; each wedge has its own code",
        "the darker, the fewer bits differ from the query's code",
        all_rows, exact, found,
    )  # fmt: skip


def codes_of(index: Any, points: Vectors) -> NDArray[np.uint8]:
    """The codes of points by faiss, as zeros and ones [P,B]."""
    packed = index.sa_encode(np.ascontiguousarray(points, np.float32))
    bits: NDArray[np.uint8] = np.unpackbits(packed, axis=1, bitorder="little")[:, : index.nbits]
    return bits


def differing(codes: NDArray[np.uint8], own: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The Hamming distance of each code [P,B] from one code [1,B]."""
    return np.asarray((codes != own).sum(axis=1), np.int64)


def normals_of(index: Any) -> NDArray[np.float64]:
    """The normals of the lines [B,2]; a bit is set where ``normal·x`` is positive."""
    rotation = index.rrot
    normals = faiss.vector_to_array(rotation.A).reshape(rotation.d_out, rotation.d_in)
    return np.asarray(normals, np.float64)


def _numbered(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """A number for each code, equal for equal codes and spread over the tints."""
    weights = np.int64(1) << np.arange(codes.shape[1], dtype=np.int64)
    return np.asarray(codes.astype(np.int64) @ weights * 2654435761 % 8191, np.int64)
