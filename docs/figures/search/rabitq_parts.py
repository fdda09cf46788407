"""faiss's RaBitQ, read: the rotation, the centres, the signs, and the estimate made from them."""

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
        rotation: the matrix [D,D] that turns the vectors first.
        centres: of the cells, in turned coordinates [L,D].
        cells: of each vector [N].
        lengths: ‖r‖ of what each lacks to its centre [N].
        directions: the unit vectors ±1/√D that the signs of r stand for [N,D].
        agreement: the cosine between r and its direction [N].
        inverted: the faiss index inside, whose lists are the cells.
    """

    rotation: Floats
    centres: Floats
    cells: Rows
    lengths: Floats
    directions: Floats
    agreement: Floats
    inverted: Any

    def snapped(self) -> Floats:
        """Where each code stands for, turned back: its length along its direction [N,D]."""
        away = self.lengths[:, None] * self.directions
        places: Floats = (self.centres[self.cells] + away) @ self.rotation
        return places

    def corners(self) -> Floats:
        """The centres, turned back [L,D]."""
        back: Floats = self.centres @ self.rotation
        return back


def signs_of(index: Any, vectors: Vectors) -> Signs:
    """The codes that a faiss index (a rotation, then IVF with RaBitQ) makes of vectors [N,D]."""
    matrix = faiss.downcast_VectorTransform(index.chain.at(0))
    rotation = faiss.vector_to_array(matrix.A).reshape(index.d, index.d).astype(np.float64)
    inverted = faiss.downcast_index(index.index)
    centres = np.asarray(inverted.quantizer.reconstruct_n(0, inverted.nlist), np.float64)
    turned = matrix.apply(vectors)
    cells = np.asarray(inverted.quantizer.search(turned, 1)[1][:, 0], np.int64)
    rest = turned - centres[cells]
    lengths = np.linalg.norm(rest, axis=1)
    directions = np.where(rest > 0, 1.0, -1.0) / np.sqrt(index.d)
    agreement = (rest * directions).sum(axis=1) / np.maximum(lengths, 1e-30)
    return Signs(rotation, centres, cells, lengths, directions, agreement, inverted)


def estimates(signs: Signs, query: Vectors) -> Floats:
    """The squared distances from a query [1,D] that the codes tell [N].

    ‖r‖² + ‖q‖² - 2‖r‖·⟨x̄,q⟩ / ⟨x̄,r/‖r‖⟩, with r and q taken from the cell's centre and x̄ the
    direction of the signs: right on average over random rotations.

    Source: Gao, Long, RaBitQ, 2024, equation 20 and theorem 3.2.
    """
    away = query.astype(np.float64) @ signs.rotation.T - signs.centres[signs.cells]
    along = (signs.directions * away).sum(axis=1) / signs.agreement
    told: Floats = signs.lengths**2 + (away**2).sum(axis=1) - 2 * signs.lengths * along
    return np.maximum(told, 0.0)
