"""One person under two names: within a set, and between two sets (training and test)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from likewise.inspection.strangers import Strangers, learn_strangers, share_false
from likewise.inspection.templates import Templates, nearest_people

__all__ = ["SamePerson", "overlap", "same_within"]

CANDIDATES = 3  # names of one person that are found at once


@dataclass(frozen=True)
class SamePerson:
    """Two identities that look like one person.

    Args:
        left: an identity of the (first) set.
        right: one of the (other) set.
        score: the corrected cosine of their templates; about 1 for one person.
        chance: that the best of the strangers compared would score as high.
        share_false: the q-value, the share of false pairs among those at least as sure.
    """

    left: int
    right: int
    score: float
    chance: float
    share_false: float


def overlap(people: Templates, others: Templates, false_alarms: float = 0.01) -> list[SamePerson]:
    """Which identities of ``others`` are a person of ``people`` under another name.

    Of a hundred identities of ``others`` that are not among ``people``, ``false_alarms`` · 100
    are named wrongly: the chance takes into account how many were compared with, and of how many
    photos each template is. The law of strangers is learnt within both sets, where identities
    are different people.

    Args:
        people: the set that is searched (training).
        others: the set whose identities are looked for in it (test).
        false_alarms: the chance at which a stranger is still called the same.

    Returns:
        Pairs, the surest first; an identity may have several.

    Raises:
        InputError: both sets together have fewer than 20 identities.

    Example:
        >>> import numpy as np
        >>> from likewise.inspection.same_person import overlap
        >>> from likewise.inspection.templates import make_templates
        >>> random = np.random.default_rng(0)
        >>> person = random.normal(size=(60, 32))
        >>> def photos_of(chosen):
        ...     x = person[chosen] + 0.5 * random.normal(size=(len(chosen), 32))
        ...     return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
        >>> left, right = np.repeat(np.arange(40), 3), np.repeat(np.arange(38, 60), 3)
        >>> train = make_templates(photos_of(left), left, 40)
        >>> test = make_templates(photos_of(right), right - 38, 22)
        >>> sorted((pair.left, pair.right) for pair in overlap(train, test))
        [(38, 0), (39, 1)]
    """
    strangers = learn_strangers(people, others)
    return _pairs(others, people, strangers, false_alarms, within=False)


def same_within(
    people: Templates, strangers: Strangers, most_false: float = 0.1
) -> list[SamePerson]:
    """Which identities of a set are one person under two names; each pair once, left < right.

    Few are, and every identity is asked: at a fixed chance most answers would be false ones. So
    the line is drawn by the q-value.

    Args:
        people: the set.
        strangers: the law learnt on it.
        most_false: of the pairs named, the part that may be false.
    """
    found: dict[tuple[int, int], SamePerson] = {}
    for pair in _pairs(people, people, strangers, most_false, within=True):
        ends = min(pair.left, pair.right), max(pair.left, pair.right)
        if pair.share_false <= most_false and ends not in found:  # the surest comes first
            found[ends] = SamePerson(*ends, pair.score, pair.chance, pair.share_false)
    return list(found.values())


def _pairs(
    queries: Templates, people: Templates, law: Strangers, false_alarms: float, *, within: bool
) -> list[SamePerson]:
    asked = np.flatnonzero(queries.sizes)
    sizes = queries.sizes[asked]
    own = asked if within else None
    scores, rows = nearest_people(
        queries.units[asked], sizes, people, law.ratio, min(CANDIDATES, len(people)), own
    )
    chances = np.stack(
        [law.chance(scores[:, place], sizes, people.sizes) for place in range(scores.shape[1])],
        axis=1,
    )
    share = share_false(chances, chances[:, 0])
    found = []
    for query, place in zip(*np.nonzero((chances <= false_alarms) & (rows >= 0)), strict=True):
        found.append(
            SamePerson(
                int(rows[query, place]), int(asked[query]), float(scores[query, place]),
                float(chances[query, place]), float(share[query, place]),
            )
        )  # fmt: skip
    return sorted(found, key=lambda pair: (pair.chance, -pair.score, pair.left, pair.right))
