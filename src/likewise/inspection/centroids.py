"""Centroids: the mean embedding of each identity, and similarities corrected for its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.distances import Dot
from likewise.errors import InputError
from likewise.evaluation.nearest.neighbors import nearest

__all__ = ["Centroids", "make_centroids", "nearest_identities", "noise_ratio", "size_factor"]

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Centroids:
    """One vector per identity.

    Args:
        sums: sums of the unit-length embeddings, float32 [K,D].
        directions: the sums at unit length, float32 [K,D].
        sizes: number of photos of each identity, int64 [K].
    """

    sums: Vectors
    directions: Vectors
    sizes: Rows

    def __len__(self) -> int:
        return len(self.sizes)


def make_centroids(vectors: Vectors, labels: Rows, count: int) -> Centroids:
    """The centroids of the identities 0 … count-1; one without photos gets size 0 and zeros.

    Args:
        vectors: unit length, float32 [N,D].
        labels: int64 [N].
        count: K.
    """
    if len(vectors) != len(labels):
        raise InputError(f"labels: {len(labels)} for {len(vectors)} vectors")
    sizes = np.bincount(labels, minlength=count).astype(np.int64)
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    if len(labels):
        order = np.argsort(labels, kind="stable")
        here = np.flatnonzero(sizes)
        starts = np.cumsum(sizes[here]) - sizes[here]
        sums[here] = np.add.reduceat(vectors[order], starts, axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return Centroids(sums, sums / np.maximum(lengths, 1e-9), sizes)


def noise_ratio(*sets: Centroids) -> float:
    """ρ: the variance of photos around their identity, relative to the identity's squared length.

    With x = u + e, two photos of one identity have the cosine g = 1/(1 + ρ) on average, so
    ρ = 1/g - 1. g is the median over identities of their mean cosine: wrong labels hardly move
    a median. 0 where no identity has two photos.
    """
    found = []
    for people in sets:
        several = people.sizes > 1
        n = people.sizes[several].astype(np.float64)
        squared = (people.sums[several].astype(np.float64) ** 2).sum(axis=1)
        found.append((squared - n) / (n * (n - 1)))
    cosines = np.concatenate(found) if found else np.empty(0)
    if len(cosines) == 0:
        return 0.0
    return 1 / float(np.clip(np.median(cosines), 0.05, 1.0)) - 1


def size_factor(sizes: Rows | int, ratio: float) -> NDArray[np.float64]:
    """√(1 + ρ/n): the factor that corrects a cosine for the noise in a centroid of n photos.

    Spearman's correction for attenuation ("The Proof and Measurement of Association between Two
    Things", 1904): the cosine of two centroids of one person is 1 / (√(1+ρ/n) √(1+ρ/m)), so
    its product with both factors is about 1 for any n and m.
    """
    factor: NDArray[np.float64] = np.sqrt(1 + ratio / np.maximum(sizes, 1))
    return factor


def nearest_identities(
    queries: Vectors, sizes: Rows, people: Centroids, ratio: float, k: int, own: Rows | None = None
) -> tuple[NDArray[np.float64], Rows]:
    """The identities with the highest corrected scores, best first.

    Args:
        queries: unit-length vectors, float32 [Q,D].
        sizes: number of photos behind each query, int64 [Q].
        people: the identities to search.
        ratio: ρ, see ``noise_ratio``.
        k: number of identities per query.
        own: for each query the identity to leave out, int64 [Q].

    Returns:
        Corrected scores [Q,k'] and identities [Q,k'], k' = min(k, identities available). Missing
        results have the score -inf and the identity -1.
    """
    weighted = people.directions * size_factor(people.sizes, ratio)[:, None].astype(np.float32)
    found = nearest(queries, weighted, k, distance=Dot(), own_rows=own)
    rows = found.rows
    scores = found.scores.astype(np.float64) * size_factor(sizes, ratio)[:, None]
    absent = people.sizes[rows] == 0
    scores[absent], rows[absent] = -np.inf, -1
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
