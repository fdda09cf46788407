"""Two people under one name: identities whose photos fall into two groups that are strangers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.inspection.strangers import Strangers
from likewise.inspection.templates import size_factor

__all__ = ["TwoPeople", "two_people"]

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

FEWEST = 2  # photos of a group: one odd photo is a mislabel, not a person
ROUNDS = 20


@dataclass(frozen=True)
class TwoPeople:
    """An identity that looks like two people.

    Args:
        identity: its label.
        first: the rows of the larger group.
        second: the rows of the other.
        score: the corrected cosine of the two groups' templates; about 0 for strangers.
        chance: the part of strangers that are at least as alike: high for two people.
    """

    identity: int
    first: list[int]
    second: list[int]
    score: float
    chance: float


def two_people(
    vectors: Vectors, labels: Rows, strangers: Strangers, *, false_alarms: float = 0.01
) -> list[TwoPeople]:
    """Split each identity of at least four photos in two, and keep the splits into strangers.

    Spherical 2-means from the sign of the first principal component; the groups' templates must
    be no more alike than all but the part ``false_alarms`` of strangers. The least alike first.

    Args:
        vectors: unit length, float32 [N,D].
        labels: int64 [N].
        strangers: the law of strangers' scores.
        false_alarms: strangers that count as one person.
    """
    from scipy.stats import norm

    order = np.argsort(labels, kind="stable")
    bounds = np.flatnonzero(np.diff(labels[order])) + 1
    found = []
    for rows in np.split(order, bounds):
        if len(rows) < 2 * FEWEST:
            continue
        second = _halved(vectors[rows])
        if min(second.sum(), (~second).sum()) < FEWEST:
            continue
        sums = [vectors[rows[part]].sum(axis=0) for part in (~second, second)]
        cosine = float(sums[0] @ sums[1] / (np.linalg.norm(sums[0]) * np.linalg.norm(sums[1])))
        chance = float(norm.sf((cosine - strangers.mean) / strangers.deviation))
        if chance < false_alarms:
            continue
        groups = sorted((rows[~second].tolist(), rows[second].tolist()), key=len, reverse=True)
        factor = np.prod([size_factor(len(group), strangers.ratio) for group in groups])
        found.append(
            TwoPeople(int(labels[rows[0]]), groups[0], groups[1], cosine * float(factor), chance)
        )
    return sorted(found, key=lambda split: (split.score, split.identity))


def _halved(vectors: Vectors) -> NDArray[np.bool_]:
    """Which of the photos of an identity belong to the second of two groups."""
    centred = vectors - vectors.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    second: NDArray[np.bool_] = centred @ axis > 0
    for _ in range(ROUNDS):
        if not second.any() or second.all():
            break
        means = np.stack([vectors[part].sum(axis=0) for part in (~second, second)])
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
        likeness = vectors @ means.T
        moved = likeness[:, 1] > likeness[:, 0]
        if (moved == second).all():
            break
        second = moved
    return second
