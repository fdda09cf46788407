"""Is one system better than another? A paired bootstrap: same pairs, same resampled identities.

Variation that affects both systems alike cancels, so the confidence interval of the difference is
much narrower than the intervals of the two systems suggest.
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
    Weights,
    entry_at_far,
    replicated_intervals,
)
from likewise.evaluation.intervals.scored_pairs import ScoredPairs
from likewise.evaluation.intervals.weighted_metrics import Replicate, WeightedPairs
from likewise.evaluation.verification.metrics import FARS
from likewise.evaluation.verification.roc import too_few

__all__ = ["Difference", "paired_bootstrap"]


@dataclass(frozen=True)
class Difference:
    """The metrics of the first system minus those of the second.

    Args:
        level: the confidence of the intervals.
        replicates: of the bootstrap.
        auc: the difference of the AUCs; above 0, the first is better.
        eer: of the equal error rates; below 0, the first is better.
        tar_at_far: of the TARs at each FAR requested, each system at its own threshold; None at
            a FAR for which there are too few impostor pairs.
    """

    level: float
    replicates: int
    auc: Interval
    eer: Interval
    tar_at_far: tuple[tuple[float, Interval | None], ...]

    def at(self, target: float) -> Interval | None:
        """The difference of the TARs at this FAR.

        Raises:
            InputError: there is none at it; names the FARs that have one.
        """
        return entry_at_far(dict(self.tar_at_far), target)


def paired_bootstrap(
    first: ScoredPairs,
    second: ArrayLike,
    fars: Sequence[float] = FARS,
    *,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> Difference:
    """The differences of AUC, EER and TAR at FAR between two systems, with intervals.

    If an interval excludes 0, the difference is significant: resampling the people does not
    explain it.

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
        >>> from likewise.evaluation.intervals.paired_bootstrap import paired_bootstrap
        >>> from likewise.evaluation.intervals.scored_pairs import scored_pairs
        >>> people = np.repeat(np.arange(20), 3)
        >>> i, j = np.triu_indices(60, 1)
        >>> scores = np.random.default_rng(0).normal(size=len(i)) + (people[i] == people[j])
        >>> pairs = scored_pairs(scores, people[i] == people[j], people[i], people[j])
        >>> paired_bootstrap(pairs, 2 * scores + 1, replicates=20).auc  # the order is the same
        Interval(value=0.0, low=0.0, high=0.0)
    """
    scores = np.asarray(second, np.float64)
    if scores.shape != first.scores.shape:
        raise InputError(f"second: {scores.shape} scores for {len(first)} pairs")
    if not np.isfinite(scores).all():
        raise InputError(f"second: entry {int(np.argmin(np.isfinite(scores)))} is not finite")
    impostor = int((~first.same).sum())
    wanted = [far for far in fars if not too_few(far, impostor)]
    sides = WeightedPairs(first), WeightedPairs(replace(first, scores=scores))

    def metrics(replicate: Replicate) -> list[float]:
        tars = [replicate.tar_at(far)[0] for far in wanted]
        return [replicate.auc(), replicate.eer()[0], *tars]

    def differences(weights: Weights | None) -> list[float] | None:
        one, other = (side.replicate(weights) for side in sides)
        if one is None or other is None:
            return None
        return [a - b for a, b in zip(metrics(one), metrics(other), strict=True)]

    auc, eer, *tars = replicated_intervals(differences, first.identities, replicates, level, seed)
    at_far = tuple((far, tars[wanted.index(far)] if far in wanted else None) for far in fars)
    return Difference(level, replicates, auc, eer, at_far)
