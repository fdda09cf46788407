"""Whether scores have moved: what queries find now, against what they found when it was tuned.

Source: Massey, The Kolmogorov-Smirnov test for goodness of fit, 1951.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.search.tuning.worth import independent_groups

__all__ = ["Shift", "groups_worth", "shift_of"]

RARE = 1e-3  # chance of so large a distance without any shift
SHARES = 41  # of known people, that are tried
LARGE = 0.1  # a smaller distance changes nothing, however sure


@dataclass(frozen=True)
class Shift:
    """The distance of two distributions of scores.

    Args:
        distance: the largest gap between the two cumulative distributions, in [0, 1].
        chance: of so large a one where both are the same.
        before: the median score then.
        now: the median score now.
    """

    distance: float
    chance: float
    before: float
    now: float

    @property
    def matters(self) -> bool:
        """It is sure, and large enough to change what is found."""
        return self.chance < RARE and self.distance > LARGE


def groups_worth(groups: NDArray[np.int64], unknown: NDArray[np.bool_] | None = None) -> float:
    """How many independent scores those of these groups are worth: one person's move together.

    Args:
        groups: int64 [Q].
        unknown: bool [Q]; known and unknown people are counted apart, then added up. All are known
            if None.

    Example:
        >>> groups_worth(np.array([3, 3, 3, 8, 8, 8]))
        2.0
    """
    apart = np.zeros(len(groups), np.bool_) if unknown is None else unknown
    parts = [groups[apart == side] for side in (False, True)]
    counts = [np.unique(part, return_counts=True)[1].astype(float) for part in parts if len(part)]
    return sum(map(independent_groups, counts))


def shift_of(
    parts: Sequence[Sequence[float]],
    drawn: float,
    scores: NDArray[np.float32],
    groups: NDArray[np.int64] | None = None,
    unknown: NDArray[np.bool_] | None = None,
) -> Shift | None:
    """The shift of scores from those whose quantiles are known; None if there are none.

    Where known and unknown people were told apart then, today's shares of them are not known: the
    mixture of both that lies nearest is taken, so that more strangers alone are no shift.

    Args:
        parts: the quantiles of each part of the scores then, from the least to the greatest; an
            empty part does not count.
        drawn: how many independent scores these are worth.
        scores: now, [Q].
        groups: int64 [Q], which hang together (one person's): they are worth as many scores as
            there are groups, fewer where these are unequal. Each by itself if None.
        unknown: bool [Q], whose people are unknown; none if None.

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
    worth = float(len(now)) if groups is None else groups_worth(groups, unknown)
    size = drawn * worth / (drawn + worth)
    scaled = (np.sqrt(size) + 0.12 + 0.11 / np.sqrt(size)) * distances[best]
    return Shift(distances[best], float(kolmogorov(scaled)), median, float(np.median(now)))
