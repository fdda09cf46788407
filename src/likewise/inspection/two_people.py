"""Identities whose photos form two groups that look like two different people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from likewise.inspection.centroids import size_factor
from likewise.inspection.impostor_scores import ImpostorScores

__all__ = ["TwoPeople", "two_people"]

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]

FEWEST = 2  # photos of a group: a single odd photo is a mislabeled photo, not a second person
ROUNDS = 20


@dataclass(frozen=True)
class TwoPeople:
    """An identity that looks like two people.

    Args:
        identity: its label.
        first: the rows of the larger group.
        second: the rows of the smaller group.
        score: the corrected cosine of the two groups' centroids; about 0 for two people.
        p_value: share of impostor scores that are at least as high: large for two people.
    """

    identity: int
    first: list[int]
    second: list[int]
    score: float
    p_value: float


def two_people(
    vectors: Vectors, labels: Rows, impostors: ImpostorScores, *, false_alarms: float = 0.01
) -> list[TwoPeople]:
    """Split each identity of at least four photos in two; report the splits into two people.

    Spherical 2-means, started from the sign of the first principal component. A split is reported
    if the cosine of the two centroids is below the 1 - ``false_alarms`` quantile of impostor
    scores. The least similar groups come first.

    Args:
        vectors: unit length, float32 [N,D].
        labels: int64 [N].
        impostors: the distribution of impostor scores.
        false_alarms: share of impostor scores that would pass as one person.
    """
    order = np.argsort(labels, kind="stable")
    bounds = np.flatnonzero(np.diff(labels[order])) + 1
    found = []
    for rows in np.split(order, bounds):
        if len(rows) < 2 * FEWEST:
            continue
        second = _split(vectors[rows])
        if min(second.sum(), (~second).sum()) < FEWEST:
            continue
        sums = [vectors[rows[part]].sum(axis=0) for part in (~second, second)]
        cosine = float(sums[0] @ sums[1] / (np.linalg.norm(sums[0]) * np.linalg.norm(sums[1])))
        p_value = float(norm.sf((cosine - impostors.mean) / impostors.deviation))
        if p_value < false_alarms:
            continue
        groups = sorted((rows[~second].tolist(), rows[second].tolist()), key=len, reverse=True)
        factor = np.prod([size_factor(len(group), impostors.ratio) for group in groups])
        found.append(
            TwoPeople(int(labels[rows[0]]), groups[0], groups[1], cosine * float(factor), p_value)
        )
    return sorted(found, key=lambda split: (split.score, split.identity))


def _split(vectors: Vectors) -> NDArray[np.bool_]:
    """The photos of an identity that belong to the second of two groups."""
    centred = vectors - vectors.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    second: NDArray[np.bool_] = centred @ axis > 0
    for _ in range(ROUNDS):
        if not second.any() or second.all():
            break
        means = np.stack([vectors[part].sum(axis=0) for part in (~second, second)])
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
        similarity = vectors @ means.T
        moved = similarity[:, 1] > similarity[:, 0]
        if (moved == second).all():
            break
        second = moved
    return second
