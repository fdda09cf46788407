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


def shift_of(quantiles: Sequence[float], drawn: int, scores: NDArray[np.float32]) -> Shift | None:
    """The shift of scores from those whose quantiles are known; None if either has none.

    Args:
        quantiles: of the scores then, evenly spaced from the least to the greatest.
        drawn: how many scores these were taken of.
        scores: now, [Q].

    Example:
        >>> import numpy as np
        >>> from likewise.search.drift import shift_of
        >>> then = np.linspace(0, 1, 201)
        >>> shift_of(then, 1000, np.float32(np.linspace(0.5, 1, 500))).distance.__round__(2)
        0.5
    """
    from scipy.special import kolmogorov

    if len(quantiles) < 2 or not len(scores) or drawn < 1:
        return None
    then, now = np.asarray(quantiles, np.float64), np.sort(scores.astype(np.float64))
    places = np.concatenate([then, now])
    before = np.searchsorted(then, places, "right") / len(then)
    after = np.searchsorted(now, places, "right") / len(now)
    distance = float(np.abs(before - after).max())
    size = drawn * len(now) / (drawn + len(now))
    chance = float(kolmogorov((np.sqrt(size) + 0.12 + 0.11 / np.sqrt(size)) * distance))
    return Shift(distance, chance, float(np.median(then)), float(np.median(now)))
