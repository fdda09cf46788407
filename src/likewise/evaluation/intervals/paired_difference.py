"""Is one system better than another? Both judged on the same pairs, and the same draws of people.

What is hard for both cancels out: the interval of the difference is much narrower than those of
the two numbers would make one think.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from likewise.errors import InputError
from likewise.evaluation.intervals.bootstrap import (
    LEVEL,
    REPLICATES,
    Interval,
    at_far,
    draws,
    interval_of,
    require_level,
)
from likewise.evaluation.intervals.scored_pairs import ScoredPairs
from likewise.evaluation.intervals.weighted_metrics import Weighed, WeightedPairs
from likewise.evaluation.verification.metrics import FARS
from likewise.evaluation.verification.roc import too_few
from likewise.progress import progress

__all__ = ["Difference", "paired_difference"]


@dataclass(frozen=True)
class Difference:
    """How much more the first system has than the second.

    Args:
        level: the confidence of the intervals.
        replicates: how many times the identities were drawn.
        auc: the difference of the AUCs; above 0, the first is better.
        eer: of the equal error rates; below 0, the first is better.
        tar_at_far: of the TARs at each FAR asked for, each system at its own threshold; None at
            one that so few impostor pairs cannot show.
    """

    level: float
    replicates: int
    auc: Interval
    eer: Interval
    tar_at_far: tuple[tuple[float, Interval | None], ...]

    def at(self, target: float) -> Interval | None:
        """The difference of the TARs at this FAR.

        Raises:
            InputError: it was not measured there; says where it was.
        """
        return at_far(dict(self.tar_at_far), target)


def paired_difference(
    first: ScoredPairs,
    second: ArrayLike,
    fars: Sequence[float] = FARS,
    *,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> Difference:
    """The differences of AUC, EER and TAR at FAR between two systems, with intervals.

    An interval that does not hold 0 says that the difference is more than the choice of people.

    Args:
        first: the pairs with the first system's scores.
        second: the second system's score of each of these pairs, [N], on any scale.
        fars: see ``verification``.
        replicates: see ``bootstrap``.
        level: see ``bootstrap``.
        seed: see ``bootstrap``.

    Raises:
        InputError: the second scores are not finite or not as many; see ``bootstrap``.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.intervals.paired_difference import paired_difference
        >>> from likewise.evaluation.intervals.scored_pairs import scored_pairs
        >>> people = np.repeat(np.arange(20), 3)
        >>> i, j = np.triu_indices(60, 1)
        >>> scores = np.random.default_rng(0).normal(size=len(i)) + (people[i] == people[j])
        >>> pairs = scored_pairs(scores, people[i] == people[j], people[i], people[j])
        >>> paired_difference(pairs, 2 * scores + 1, replicates=20).auc  # the order is the same
        Interval(value=0.0, low=0.0, high=0.0)
    """
    scores = np.asarray(second, np.float64)
    if scores.shape != first.scores.shape:
        raise InputError(f"second: {scores.shape} scores for {len(first)} pairs")
    if not np.isfinite(scores).all():
        raise InputError(f"second: entry {int(np.argmin(np.isfinite(scores)))} is not finite")
    require_level(level, replicates, first.identities)
    impostor = int((~first.same).sum())
    wanted = [far for far in fars if not too_few(far, impostor)]
    sides = WeightedPairs(first), WeightedPairs(replace(first, scores=scores))

    def read(experiment: Weighed) -> list[float]:
        tars = [experiment.tar_at(far)[0] for far in wanted]
        return [experiment.auc(), experiment.eer()[0], *tars]

    def gap(weights: np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None) -> list[float] | None:
        found = [side.weigh(weights) for side in sides]
        if found[0] is None or found[1] is None:
            return None
        return [a - b for a, b in zip(read(found[0]), read(found[1]), strict=True)]

    values = gap(None)
    assert values is not None  # scored pairs hold both kinds
    rows = []
    with progress("drawing identities", replicates, unit="draws") as advance:
        for weights in draws(first.identities, replicates, seed):
            rows.append(gap(weights))
            advance(1)
    table = np.array([row for row in rows if row is not None])
    if len(table) < replicates / 2:
        raise InputError(
            "bootstrap: most draws of the identities leave no genuine pair; "
            "more identities with two photos are needed"
        )
    ranges = [interval_of(value, table[:, k], level) for k, value in enumerate(values)]
    at_far = tuple((far, ranges[2 + wanted.index(far)] if far in wanted else None) for far in fars)
    return Difference(level, replicates, ranges[0], ranges[1], at_far)
