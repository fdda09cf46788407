"""The highest of many scores with their pairs, and a histogram of all, in bounded memory."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "Histogram", "TopPairs"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
BINS = 2**20


class TopPairs:
    """Keeps the pairs that score above ``cut``, which rises so that at most ``size`` are kept.

    Tied scores are kept or dropped together: exactly the pairs above ``cut`` are kept.

    Args:
        size: the largest number of pairs kept.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.verification.top_pairs import TopPairs
        >>> top = TopPairs(2)
        >>> top.add(np.array([[0.1, 0.9], [0.5, 0.5]]), row=0, column=10)
        >>> top.finish()
        >>> top.scores, top.left, top.right, top.cut
        (array([0.9]), array([0]), array([11]), 0.5)
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.cut = -np.inf
        self.scores: Floats = np.empty(0)
        self.left: Numbers = np.empty(0, np.int64)
        self.right: Numbers = np.empty(0, np.int64)
        self._pending: list[tuple[Floats, Numbers, Numbers]] = []
        self._count = 0

    def add(self, scores: Floats, row: int, column: int) -> None:
        """Add the scores [n,m] of a block that starts at this row and column; NaN is ignored."""
        flat = scores.ravel()
        above = np.flatnonzero(flat > self.cut)
        if not len(above):
            return
        i, j = np.divmod(above, scores.shape[1])
        self._pending.append((flat[above], i + row, j + column))
        self._count += len(above)
        if self._count > self.size + max(self.size, 2**20):
            self._trim()

    @classmethod
    def merged(
        cls, scores: Floats, left: Numbers, right: Numbers, size: int, cut: float
    ) -> TopPairs:
        """The top pairs of several processes that each saw a part of the scores.

        No pair above the highest of their cuts is missing, and the merged cut is at least as high:
        one process alone has more than ``size`` scores at or above its cut.

        Args:
            scores: kept by all processes, in the order of a single process, [K].
            left: the row of each, [K].
            right: the column of each, [K].
            size: the largest number of pairs kept, the same in each process.
            cut: the highest of their cuts.
        """
        top = cls(size)
        top.cut = cut
        above = scores > cut
        top._pending = [(scores[above], left[above], right[above])]
        top.finish()
        return top

    def finish(self) -> None:
        """Trim, and sort the pairs by descending score."""
        self._trim()
        order = np.argsort(-self.scores, kind="stable")
        self.scores = self.scores[order]
        self.left, self.right = self.left[order], self.right[order]

    def _trim(self) -> None:
        parts = [(self.scores, self.left, self.right), *self._pending]
        scores, left, right = (np.concatenate(part) for part in zip(*parts, strict=True))
        if len(scores) > self.size:
            place = len(scores) - self.size - 1
            self.cut = float(np.partition(scores, place)[place])
            kept = scores > self.cut
            scores, left, right = scores[kept], left[kept], right[kept]
        self.scores, self.left, self.right = scores, left, right
        self._pending, self._count = [], len(scores)


class Histogram:
    """Counts of scores in 2²⁰ bins of equal width, a power of two, so that edges are exact.

    Scores outside the range are counted in the first or the last bin.

    Args:
        low: the range starts here or lower.
        high: the range ends here or higher.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.verification.top_pairs import Histogram
        >>> histogram = Histogram(-1.0, 1.0)
        >>> histogram.add(np.array([0.25, 0.25, 0.5]))
        >>> int(histogram.counts.sum()), int(histogram.counts.max())
        (3, 2)
    """

    def __init__(self, low: float, high: float) -> None:
        span = max(high - low, abs(low) * 1e-9, 1e-300)
        # The range starts at a multiple of the width; double the width if it ends too early.
        self.width = 2.0 ** math.ceil(math.log2(span / BINS))
        self.low = math.floor(low / self.width) * self.width
        if self.low + BINS * self.width < high:
            self.width *= 2
            self.low = math.floor(low / self.width) * self.width
        self.lowest = self.low
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)

    def add(self, scores: Floats) -> None:
        """Add scores [N]."""
        if len(scores):
            self.counts += np.bincount(self.bin_of(scores), minlength=BINS)
            self.lowest = min(self.lowest, float(scores.min()))

    def bin_of(self, scores: Floats) -> NDArray[np.int64]:
        """The bin of each score, [N]."""
        place = scores - self.low
        place *= 1.0 / self.width
        # Clipped before the conversion, since scores far outside would overflow an integer.
        np.clip(place, 0, BINS - 1, out=place)
        return place.astype(np.int64)

    def edges(self, bins: NDArray[np.int64]) -> Floats:
        """The lowest score in each of ``bins``."""
        edges: Floats = np.where(bins == 0, self.lowest, self.low + bins * self.width)
        return edges
