"""Read faiss's RaBitQ: the rotation, the centroids, the signs, and the distance estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from likewise.search.engines.engine import Rows, Vectors

__all__ = ["Signs", "estimates", "signs_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Signs:
    """The codes of vectors.

    Args:
        rotation: the matrix [D,D] that is applied to vectors first.
        centers: of the cells, in rotated coordinates [L,D].
        cells: of each vector [N].
        lengths: ‖r‖ of the residuals to the centroids [N].
        directions: the unit vectors ±1/√D of the signs of r [N,D].
        agreement: the cosine between r and its direction [N].
        inverted: the faiss index inside, whose lists are the cells.
    """

    rotation: Floats
    centers: Floats
    cells: Rows
    lengths: Floats
    directions: Floats
    agreement: Floats
    inverted: Any

    def snapped(self) -> Floats:
        """The points that the codes represent, in original coordinates [N,D]."""
        away = self.lengths[:, None] * self.directions
        places: Floats = (self.centers[self.cells] + away) @ self.rotation
        return places

    def corners(self) -> Floats:
        """The centroids in original coordinates [L,D]."""
        back: Floats = self.centers @ self.rotation
        return back


def signs_of(index: Any, vectors: Vectors) -> Signs:
    """The codes of vectors [N,D] by a faiss index (a rotation, then IVF with RaBitQ)."""
    matrix = faiss.downcast_VectorTransform(index.chain.at(0))
    rotation = faiss.vector_to_array(matrix.A).reshape(index.d, index.d).astype(np.float64)
    inverted = faiss.downcast_index(index.index)
    centers = np.asarray(inverted.quantizer.reconstruct_n(0, inverted.nlist), np.float64)
    turned = matrix.apply(vectors)
    cells = np.asarray(inverted.quantizer.search(turned, 1)[1][:, 0], np.int64)
    rest = turned - centers[cells]
    lengths = np.linalg.norm(rest, axis=1)
    directions = np.where(rest > 0, 1.0, -1.0) / np.sqrt(index.d)
    agreement = (rest * directions).sum(axis=1) / np.maximum(lengths, 1e-30)
    return Signs(rotation, centers, cells, lengths, directions, agreement, inverted)


def estimates(signs: Signs, query: Vectors) -> Floats:
    """The squared distances from a query [1,D], estimated by the codes [N].

    ‖r‖² + ‖q‖² - 2‖r‖·⟨x̄,q⟩ / ⟨x̄,r/‖r‖⟩, with r and q relative to the centroid and x̄ the
    direction of the signs: unbiased over random rotations.

    Source: Gao, Long, RaBitQ, 2024, equation 20 and theorem 3.2.
    """
    away = query.astype(np.float64) @ signs.rotation.T - signs.centers[signs.cells]
    along = (signs.directions * away).sum(axis=1) / signs.agreement
    squared: Floats = signs.lengths**2 + (away**2).sum(axis=1) - 2 * signs.lengths * along
    return np.maximum(squared, 0.0)
