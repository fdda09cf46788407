"""A fine histogram of scores: counts without the scores."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "Histogram"]

Floats = NDArray[np.float64]
BINS = 2**20


class Histogram:
    """Scores counted in 2²⁰ bins of one width, a power of two, so that edges are exact numbers.

    Scores outside the range are counted in the first or the last bin.

    Args:
        low: where the range begins at the latest.
        high: where it ends at the earliest.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.verification.histogram import Histogram
        >>> histogram = Histogram(-1.0, 1.0)
        >>> histogram.add(np.array([0.25, 0.25, 0.5]))
        >>> int(histogram.counts.sum()), int(histogram.counts.max())
        (3, 2)
    """

    def __init__(self, low: float, high: float) -> None:
        span = max(high - low, abs(low) * 1e-9, 1e-300)
        # Twice the span, where a range that starts at a multiple of the width would not fit.
        self.width = 2.0 ** math.ceil(math.log2(span / BINS))
        self.low = math.floor(low / self.width) * self.width
        if self.low + BINS * self.width < high:
            self.width *= 2
            self.low = math.floor(low / self.width) * self.width
        self.lowest = self.low
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)

    def add(self, scores: Floats) -> None:
        """Count scores [N]."""
        if len(scores):
            self.counts += np.bincount(self.bin_of(scores), minlength=BINS)
            self.lowest = min(self.lowest, float(scores.min()))

    def bin_of(self, scores: Floats) -> NDArray[np.int64]:
        """The bin that each score falls into, [N]."""
        place = scores - self.low
        place *= 1.0 / self.width
        # Before the conversion: an integer could not hold what lies far outside.
        np.clip(place, 0, BINS - 1, out=place)
        return place.astype(np.int64)

    def edges(self, bins: NDArray[np.int64]) -> Floats:
        """The lowest score that each of ``bins`` can hold."""
        edges: Floats = np.where(bins == 0, self.lowest, self.low + bins * self.width)
        return edges
