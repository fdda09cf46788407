"""Drift: whether the scores of nearest neighbors have changed since the index was tuned.

Source: Massey, The Kolmogorov-Smirnov test for goodness of fit, 1951.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.search.tuning.effective_sample_size import effective_group_count

__all__ = ["Shift", "shift_of"]

SIGNIFICANCE = 1e-3  # the p-value below which a shift is certain
SHARES = 41  # mixture weights of known people that are tried
LARGE = 0.1  # a smaller distance is not reported, however certain


@dataclass(frozen=True)
class Shift:
    """The difference between two distributions of scores.

    Args:
        distance: the Kolmogorov-Smirnov statistic: the largest difference of the two cumulative
            distributions, in [0, 1].
        chance: the p-value: the probability of at least this distance for equal distributions.
        before: the median score when the index was tuned.
        now: the median score now.
    """

    distance: float
    chance: float
    before: float
    now: float

    @property
    def matters(self) -> bool:
        """Whether it is significant, and large enough to change search results."""
        return self.chance < SIGNIFICANCE and self.distance > LARGE


def shift_of(
    parts: Sequence[Sequence[float]],
    drawn: float,
    scores: NDArray[np.float32],
    groups: NDArray[np.int64] | None = None,
    unknown: NDArray[np.bool_] | None = None,
) -> Shift | None:
    """The shift of scores against earlier scores, given as quantiles; None if there are none.

    If known and unknown people were recorded separately, their shares today are not known: the
    mixture of both with the smallest distance is used, so that a larger share of
    unknown people is not a shift.

    Args:
        parts: the quantiles of each part of the earlier scores, ascending; empty parts are ignored.
        drawn: the effective number of earlier scores.
        scores: now, [Q].
        groups: int64 [Q], groups of correlated scores (of one person); each score is a group of its
            own if None.
        unknown: bool [Q], True for unknown people; none if None.

    Example:
        >>> import numpy as np
        >>> from likewise.search.tuning.drift import shift_of
        >>> then = np.linspace(0, 1, 201)
        >>> shift_of([then], 1000, np.float32(np.linspace(0.5, 1, 500))).distance.__round__(2)
        0.5
    """
    from scipy.special import kolmogorov

    known = [np.asarray(part, np.float64) for part in parts if len(part) > 1]
    if not known or not len(scores) or drawn < 1:
        return None
    now = np.sort(scores.astype(np.float64))
    places = np.concatenate([*known, now])
    after = np.searchsorted(now, places, "right") / len(now)
    steps = [np.searchsorted(part, places, "right") / len(part) for part in known]
    mixtures = [steps[0]]
    if len(steps) > 1:
        mixtures = [w * steps[0] + (1 - w) * steps[1] for w in np.linspace(0, 1, SHARES)]
    distances = [float(np.abs(before - after).max()) for before in mixtures]
    best = int(np.argmin(distances))
    median = float(np.sort(places)[np.searchsorted(np.sort(mixtures[best]), 0.5)])
    effective = float(len(now)) if groups is None else effective_group_count(groups, unknown)
    size = drawn * effective / (drawn + effective)
    scaled = (np.sqrt(size) + 0.12 + 0.11 / np.sqrt(size)) * distances[best]
    return Shift(distances[best], float(kolmogorov(scaled)), median, float(np.median(now)))
