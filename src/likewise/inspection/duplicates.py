"""Photos that are there twice: to the pixel, to the eye, or to the embedder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.inspection.census import Census
from likewise.inspection.hashes import near_hashes, perceptual_hashes, pixel_likeness
from likewise.inspection.neighbours import pairs_above

__all__ = ["Duplicate", "embedding_duplicates", "exact_duplicates", "near_duplicates"]

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Duplicate:
    """Two photos that show the same shot.

    Args:
        left: the row of the one, the smaller.
        right: the row of the other.
        kind: ``exact`` (the same pixels), ``near`` (by perceptual hash), ``embedding``.
        score: correlation of the grey miniatures (exact, near), or cosine (embedding).
    """

    left: int
    right: int
    kind: str
    score: float


def exact_duplicates(census: Census) -> list[Duplicate]:
    """Photos with the same pixels, each paired with the first that has them."""
    if census.digests is None:
        return []
    rows = census.readable
    digests = np.ascontiguousarray(census.digests[rows]).view("V32").reshape(-1)
    _, first, which = np.unique(digests, return_index=True, return_inverse=True)
    original = first[which]
    again = np.flatnonzero(original != np.arange(len(rows)))
    return [Duplicate(int(rows[original[n]]), int(rows[n]), "exact", 1.0) for n in again]


def near_duplicates(
    census: Census, exact: list[Duplicate], *, likeness: float = 0.95
) -> list[Duplicate]:
    """Photos whose hashes differ in at most 7 of 64 bits and whose miniatures correlate.

    The hash proposes, the pixels decide: on aligned faces a hash of 64 bits alone would take
    strangers for doubles. Exact doubles stand for each other and are not paired again.

    Args:
        census: with miniatures.
        exact: the exact doubles.
        likeness: the correlation from which on two are the same shot.
    """
    if census.grey is None:
        return []
    rows = _once(census, exact)
    hashes = perceptual_hashes(census.grey[rows])
    # A blank picture is like every other blank one, and tells nothing.
    shown = np.flatnonzero(np.asarray(census.grey[rows]).std(axis=1) >= 1)
    left, right, _ = near_hashes(hashes[shown])
    left, right = rows[shown[left]], rows[shown[right]]
    scores = pixel_likeness(census.grey, left, right)
    kept = np.flatnonzero(scores >= likeness)
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
    likeness: float,
) -> tuple[list[Duplicate], bool]:
    """Photos alike both in their embeddings and in their pixels.

    Args:
        vectors: unit length, float32 [M,D].
        rows: of which photo each is, int64 [M].
        census: with miniatures.
        known: the doubles that are found already, not to be found again.
        threshold: the cosine from which on, see ``likewise.inspection.copies``.
        likeness: the correlation of the miniatures from which on, likewise.

    Returns:
        The doubles, and whether there were more pairs than could be kept.
    """
    if census.grey is None:
        return [], False
    fresh = np.isin(rows, _once(census, [d for d in known if d.kind == "exact"]))
    chosen = np.flatnonzero(fresh)
    left, right, scores, more = pairs_above(vectors[chosen], threshold)
    left, right = rows[chosen[left]], rows[chosen[right]]
    left, right = np.minimum(left, right), np.maximum(left, right)
    if len(left):
        seen = pixel_likeness(census.grey, left, right) >= likeness
        left, right, scores = left[seen], right[seen], scores[seen]
    named = {(d.left, d.right) for d in known}
    found = [
        Duplicate(a, b, "embedding", min(score, 1.0))
        for a, b, score in zip(left.tolist(), right.tolist(), scores.tolist(), strict=True)
        if (a, b) not in named
    ]
    return found, more


def _once(census: Census, exact: list[Duplicate]) -> Rows:
    """The readable rows, of exact doubles the first alone."""
    again = [d.right for d in exact]
    return np.setdiff1d(census.readable, np.array(again, np.int64))
