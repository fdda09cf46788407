"""Duplicate photos: by their pixels, by perceptual hash (near-duplicates), and by embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.inspection.census import Census
from likewise.inspection.hashes import near_hashes, perceptual_hashes, pixel_correlations

__all__ = [
    "Duplicate",
    "embedding_duplicates",
    "exact_duplicates",
    "near_duplicates",
    "pairs_above",
]

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

MOST_PAIRS = 1_000_000
ROWS, COLUMNS = 1024, 16_384  # a block of scores takes 64 MiB


@dataclass(frozen=True)
class Duplicate:
    """Two photos of the same shot.

    Args:
        left: the smaller row.
        right: the larger row.
        kind: ``exact`` (same pixels), ``near`` (by perceptual hash), ``embedding``.
        score: correlation of the grey thumbnails (exact, near), or cosine (embedding).
    """

    left: int
    right: int
    kind: str
    score: float


def exact_duplicates(census: Census) -> list[Duplicate]:
    """Photos with the same pixels, each paired with the first photo that has them."""
    if census.digests is None:
        return []
    rows = census.readable
    digests = np.ascontiguousarray(census.digests[rows]).view("V32").reshape(-1)
    _, first, which = np.unique(digests, return_index=True, return_inverse=True)
    original = first[which]
    again = np.flatnonzero(original != np.arange(len(rows)))
    return [Duplicate(int(rows[original[n]]), int(rows[n]), "exact", 1.0) for n in again]


def near_duplicates(
    census: Census, exact: list[Duplicate], *, similarity: float = 0.95
) -> list[Duplicate]:
    """Photos whose hashes differ in at most 7 of 64 bits and whose thumbnails correlate.

    The hash gives the candidates, the pixels decide: on aligned faces, a hash of 64 bits alone
    would match different people. Of exact duplicates only the first is compared.

    Args:
        census: with thumbnails.
        exact: the exact duplicates.
        similarity: the least correlation of two near-duplicates.
    """
    if census.grey is None:
        return []
    rows = _first_copies(census, exact)
    hashes = perceptual_hashes(census.grey[rows])
    # Blank pictures all look the same, so they are no evidence of a duplicate.
    shown = np.flatnonzero(np.asarray(census.grey[rows]).std(axis=1) >= 1)
    left, right, _ = near_hashes(hashes[shown])
    left, right = rows[shown[left]], rows[shown[right]]
    scores = pixel_correlations(census.grey, left, right)
    kept = np.flatnonzero(scores >= similarity)
    return [
        Duplicate(int(left[n]), int(right[n]), "near", float(min(scores[n], 1.0))) for n in kept
    ]


def embedding_duplicates(
    vectors: Vectors,
    rows: Rows,
    census: Census,
    known: list[Duplicate],
    *,
    threshold: float,
    similarity: float,
) -> tuple[list[Duplicate], bool]:
    """Photos that are similar both in their embeddings and in their pixels.

    Args:
        vectors: unit length, float32 [M,D].
        rows: the photo of each vector, int64 [M].
        census: with thumbnails.
        known: duplicates found before, which are not reported again.
        threshold: the least cosine, see ``likewise.inspection.copy_thresholds``.
        similarity: the least correlation of the thumbnails.

    Returns:
        The duplicates, and whether there were more pairs than could be kept.
    """
    if census.grey is None:
        return [], False
    fresh = np.isin(rows, _first_copies(census, [d for d in known if d.kind == "exact"]))
    chosen = np.flatnonzero(fresh)
    left, right, scores, more = pairs_above(vectors[chosen], threshold)
    left, right = rows[chosen[left]], rows[chosen[right]]
    left, right = np.minimum(left, right), np.maximum(left, right)
    if len(left):
        seen = pixel_correlations(census.grey, left, right) >= similarity
        left, right, scores = left[seen], right[seen], scores[seen]
    reported = {(d.left, d.right) for d in known}
    found = [
        Duplicate(a, b, "embedding", min(score, 1.0))
        for a, b, score in zip(left.tolist(), right.tolist(), scores.tolist(), strict=True)
        if (a, b) not in reported
    ]
    return found, more


def pairs_above(
    vectors: Vectors, threshold: float, *, most: int = MOST_PAIRS
) -> tuple[Rows, Rows, Vectors, bool]:
    """All pairs of rows whose inner product is at least ``threshold``: first < second, scores.

    Costs N²·D/2 multiplications (BLAS) and the memory of one block of scores.

    Args:
        vectors: float32 [N,D].
        threshold: an inner product; for unit vectors the cosine.
        most: the most pairs kept; of more pairs, those with the highest scores are kept.

    Returns:
        first [P], second [P], scores [P], and whether pairs were discarded.
    """
    first, second, scores = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    more = False
    for start in range(0, len(vectors), ROWS):
        some = vectors[start : start + ROWS]
        for column in range(start, len(vectors), COLUMNS):  # each pair is computed once
            block = some @ vectors[column : column + COLUMNS].T
            left, right = np.nonzero(block >= threshold)
            upper = start + left < column + right
            left, right = left[upper], right[upper]
            first = np.concatenate([first, start + left])
            second = np.concatenate([second, column + right])
            scores = np.concatenate([scores, block[left, right]])
            if len(first) > most:
                best = np.argpartition(-scores, most)[:most]
                first, second, scores, more = first[best], second[best], scores[best], True
    order = np.lexsort((second, first))
    return first[order], second[order], scores[order], more


def _first_copies(census: Census, exact: list[Duplicate]) -> Rows:
    """The readable rows without the later copies of exact duplicates."""
    again = [d.right for d in exact]
    return np.setdiff1d(census.readable, np.array(again, np.int64))
