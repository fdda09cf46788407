"""Identities that are one person: within a set, and between two sets (training and test)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from likewise.inspection.centroids import Centroids, nearest_identities
from likewise.inspection.impostor_scores import ImpostorScores, fit_impostor_scores, q_values

__all__ = ["SamePerson", "duplicate_identities", "identity_overlap"]

CANDIDATES = 3  # matches considered for one identity


@dataclass(frozen=True)
class SamePerson:
    """Two identities that look like one person.

    Args:
        left: an identity of the first set.
        right: an identity of the second set, or of the same set.
        score: the corrected cosine of their centroids; about 1 for one person.
        p_value: the probability that the best impostor compared scores as high.
        q_value: the false discovery rate among pairs with at most this p-value.
    """

    left: int
    right: int
    score: float
    p_value: float
    q_value: float


def identity_overlap(
    people: Centroids, others: Centroids, false_alarms: float = 0.01
) -> list[SamePerson]:
    """Identities of ``others`` that are also in ``people``, under the same name or another.

    The share ``false_alarms`` of the identities of ``others`` that are not in ``people`` is
    matched wrongly. The p-values account for how many identities were compared, and how many
    photos each has. The impostor distribution is fitted within both sets, where identities are
    different people.

    Args:
        people: the set that is searched (training).
        others: the set whose identities are the queries (test).
        false_alarms: significance level.

    Returns:
        Pairs by ascending p-value; an identity may be in several.

    Raises:
        InputError: both sets together have fewer than 20 identities.

    Example:
        >>> import numpy as np
        >>> from likewise.inspection.same_person import identity_overlap
        >>> from likewise.inspection.centroids import make_centroids
        >>> random = np.random.default_rng(0)
        >>> person = random.normal(size=(60, 32))
        >>> def photos_of(chosen):
        ...     x = person[chosen] + 0.5 * random.normal(size=(len(chosen), 32))
        ...     return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
        >>> left, right = np.repeat(np.arange(40), 3), np.repeat(np.arange(38, 60), 3)
        >>> train = make_centroids(photos_of(left), left, 40)
        >>> test = make_centroids(photos_of(right), right - 38, 22)
        >>> sorted((pair.left, pair.right) for pair in identity_overlap(train, test))
        [(38, 0), (39, 1)]
    """
    impostors = fit_impostor_scores(people, others)
    return _pairs(others, people, impostors, false_alarms, within=False)


def duplicate_identities(
    people: Centroids, impostors: ImpostorScores, share_false: float = 0.1
) -> list[SamePerson]:
    """Pairs of identities of one set that are one person; each pair once, left < right.

    Every identity is a query, and few have a match: at a fixed p-value most matches would be
    false. So the threshold is a q-value.

    Args:
        people: the set.
        impostors: the distribution fitted on it.
        share_false: false discovery rate among the pairs reported.
    """
    found: dict[tuple[int, int], SamePerson] = {}
    for pair in _pairs(people, people, impostors, share_false, within=True):
        ends = min(pair.left, pair.right), max(pair.left, pair.right)
        if pair.q_value <= share_false and ends not in found:  # the lowest p-value comes first
            found[ends] = SamePerson(*ends, pair.score, pair.p_value, pair.q_value)
    return list(found.values())


def _pairs(
    queries: Centroids,
    people: Centroids,
    impostors: ImpostorScores,
    false_alarms: float,
    *,
    within: bool,
) -> list[SamePerson]:
    asked = np.flatnonzero(queries.sizes)
    if not len(asked):
        return []
    sizes = queries.sizes[asked]
    own = asked if within else None
    scores, rows = nearest_identities(
        queries.directions[asked], sizes, people, impostors.ratio, min(CANDIDATES, len(people)), own
    )
    p = np.stack([impostors.p_values(column, sizes, people.sizes) for column in scores.T], axis=1)
    q = q_values(p, p[:, 0])
    found = []
    for query, rank in zip(*np.nonzero((p <= false_alarms) & (rows >= 0)), strict=True):
        found.append(
            SamePerson(
                int(rows[query, rank]), int(asked[query]), float(scores[query, rank]),
                float(p[query, rank]), float(q[query, rank]),
            )
        )  # fmt: skip
    return sorted(found, key=lambda pair: (pair.p_value, -pair.score, pair.left, pair.right))
