"""Whether scores have moved: what queries find now, against what they found when it was tuned.

Source: Massey, The Kolmogorov-Smirnov test for goodness of fit, 1951.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shift", "shift_of"]

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


def shift_of(
    parts: Sequence[Sequence[float]], drawn: int, scores: NDArray[np.float32]
) -> Shift | None:
    """The shift of scores from those whose quantiles are known; None if there are none.

    Where known and unknown people were told apart then, today's shares of them are not known: the
    mixture of both that lies nearest is taken, so that more strangers alone are no shift.

    Args:
        parts: the quantiles of each part of the scores then, from the least to the greatest; an
            empty part does not count.
        drawn: how many scores these were taken of.
        scores: now, [Q].

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
    size = drawn * len(now) / (drawn + len(now))
    scaled = (np.sqrt(size) + 0.12 + 0.11 / np.sqrt(size)) * distances[best]
    return Shift(distances[best], float(kolmogorov(scaled)), median, float(np.median(now)))
