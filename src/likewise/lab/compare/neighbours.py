"""Whether the nearest photos are of the same identity: Recall@1 and MAP@R."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neighbours", "neighbours"]

BLOCK = 2**22  # cosines held at one time


@dataclass(frozen=True)
class Neighbours:
    """Two numbers of retrieval, means over the photos that are not alone in their identity.

    Args:
        recall_at_1: share of them whose nearest is of the same identity.
        map_at_r: MAP@R: with R others of the same identity, the mean over the R nearest of the
            precision up to each that is right, 0 for each that is wrong (Musgrave et al., arXiv
            2003.08505).
    """

    recall_at_1: float
    map_at_r: float


def neighbours(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Neighbours:
    """Search each of the unit vectors [N,D] among all the others, by the cosine.

    A photo is left out of its own search by its row, not by its distance; of equal scores the
    first row comes first.

    Raises:
        ValueError: every photo is alone in its identity.
    """
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    others = counts[classes] - 1
    most = int(others.max())
    if most == 0:
        raise ValueError("no identity has two photos")
    ranks = np.arange(1, most + 1)
    first = average = 0.0
    step = max(1, BLOCK // len(vectors))
    for start in range(0, len(vectors), step):
        rows = np.arange(start, min(start + step, len(vectors)))
        scores = vectors[rows] @ vectors.T
        scores[np.arange(len(rows)), rows] = -np.inf
        found = np.argsort(-scores, axis=1, kind="stable")[:, :most]
        right = classes[found] == classes[rows, None]
        wanted = others[rows]
        counted = right & (ranks <= wanted[:, None])
        precision = np.cumsum(right, axis=1) / ranks
        first += float(right[wanted > 0, 0].sum())
        average += float(((precision * counted).sum(axis=1) / np.maximum(wanted, 1)).sum())
    searched = int((others > 0).sum())
    return Neighbours(first / searched, average / searched)
