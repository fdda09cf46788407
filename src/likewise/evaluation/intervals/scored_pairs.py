"""Pairs with their scores and identities, the input of a bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.data.labels import checked_labels
from likewise.errors import InputError
from likewise.evaluation.verification.roc import checked_scores

__all__ = ["ScoredPairs", "scored_pairs"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs of photos with their scores, ground truth and identities.

    Args:
        scores: float64 [N], higher for more similar.
        same: bool [N], whether the pair shows one person.
        left: the identity of the first photo, a number from 0 to ``identities`` - 1, [N].
        right: the identity of the second photo.
        identities: their number.
        weight: how many pairs each one represents, float64 [N]; 1 if None.
    """

    scores: Floats
    same: NDArray[np.bool_]
    left: Numbers
    right: Numbers
    identities: int
    weight: Floats | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> ScoredPairs:
        """The chosen pairs; identities keep their numbers."""
        weight = None if self.weight is None else self.weight[rows]
        return ScoredPairs(
            self.scores[rows],
            self.same[rows],
            self.left[rows],
            self.right[rows],
            self.identities,
            weight,
        )


def scored_pairs(
    scores: ArrayLike, same: ArrayLike, left: ArrayLike, right: ArrayLike
) -> ScoredPairs:
    """Combine scores with the identities of both photos.

    Args:
        scores: [N], higher for more similar.
        same: bool [N], whether the pair shows one person.
        left: the identity of each pair's first photo, [N], numbers or names.
        right: likewise of the second.

    Raises:
        InputError: see ``checked_scores``; the numbers of identities and scores differ; a genuine
            pair has two identities (names it).

    Example:
        >>> from likewise.evaluation.intervals.scored_pairs import scored_pairs
        >>> scored_pairs([0.9, 0.1], [True, False], ["anna", "anna"], ["anna", "bob"]).identities
        2
    """
    values, truth = checked_scores(scores, same)
    first, second = checked_labels(left, "left"), checked_labels(right, "right")
    if first.shape != values.shape or second.shape != values.shape:
        raise InputError(
            f"left, right: {first.shape} and {second.shape} identities for {len(values)} pairs"
        )
    names, numbers = np.unique(np.concatenate([first, second]), return_inverse=True)
    a, b = np.split(numbers.astype(np.int64), 2)
    wrong = np.flatnonzero(truth & (a != b))
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"pairs: pair {row + 1} is marked as the same person, but its photos are of "
            f"{first[row]} and {second[row]}"
        )
    return ScoredPairs(values, truth, a, b, len(names))
