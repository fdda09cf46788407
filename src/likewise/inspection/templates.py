"""Identities as templates: the mean of their embeddings, and how much one photo's noise weighs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError
from likewise.inspection.neighbours import nearest

__all__ = ["Templates", "make_templates", "nearest_people", "noise_ratio", "size_factor"]

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Templates:
    """One vector an identity.

    Args:
        sums: of the unit-length embeddings, float32 [K,D].
        units: their directions, float32 [K,D].
        sizes: photos of each, int64 [K].
    """

    sums: Vectors
    units: Vectors
    sizes: Rows

    def __len__(self) -> int:
        return len(self.sizes)


def make_templates(vectors: Vectors, labels: Rows, count: int) -> Templates:
    """The templates of the identities 0 … count-1; one without photos gets size 0 and zeros.

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
    return Templates(sums, sums / np.maximum(lengths, 1e-9), sizes)


def noise_ratio(*sets: Templates) -> float:
    """The variance of photos about their person, in units of the person's own length squared.

    With x = u + e, two photos of one person have the cosine g = 1/(1 + ρ) on average, so
    ρ = 1/g - 1; g is the median over the identities of their mean cosine, which wrong labels
    move little. 0 where no identity has two photos.
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
    """By how much a template of few photos makes a true cosine too small: √(1 + ρ/n).

    Spearman's correction for attenuation ("The Proof and Measurement of Association between Two
    Things", 1904): the cosine of two templates of one person is 1 / (√(1+ρ/n) √(1+ρ/m)), so
    their product with both factors is about 1 whatever n and m are.
    """
    factor: NDArray[np.float64] = np.sqrt(1 + ratio / np.maximum(sizes, 1))
    return factor


def nearest_people(
    queries: Vectors, sizes: Rows, people: Templates, ratio: float, k: int, own: Rows | None = None
) -> tuple[NDArray[np.float64], Rows]:
    """The identities with the highest corrected score, best first.

    Args:
        queries: directions, float32 [Q,D].
        sizes: photos behind each query, int64 [Q].
        people: whom to search.
        ratio: ρ.
        k: how many.
        own: an identity that is not to be found by its query, int64 [Q].

    Returns:
        Corrected scores [Q,k'] and identities [Q,k'], k' = min(k, those there are). A place that
        could not be filled has the score -inf and the identity -1.
    """
    weighted = people.units * size_factor(people.sizes, ratio)[:, None].astype(np.float32)
    extra = 0 if own is None else 1
    found, rows = nearest(queries, weighted, k + extra)
    scores = found.astype(np.float64) * size_factor(sizes, ratio)[:, None]
    absent = people.sizes[rows] == 0
    if own is not None:
        absent |= rows == own[:, None]
    scores[absent], rows[absent] = -np.inf, -1
    order = np.argsort(-scores, axis=1, kind="stable")[:, : max(found.shape[1] - extra, 0)]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
