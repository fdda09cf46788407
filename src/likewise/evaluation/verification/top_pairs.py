"""The highest of many scores, with the pairs that they are of, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tail"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


class Tail:
    """Keeps the pairs that score above ``cut``, which rises so that they are at most ``size``.

    Scores that tie are kept together or left out together: kept is exactly what is above ``cut``.

    Args:
        size: the most pairs that are kept.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.verification.top_pairs import Tail
        >>> tail = Tail(2)
        >>> tail.add(np.array([[0.1, 0.9], [0.5, 0.5]]), row=0, column=10)
        >>> tail.finish()
        >>> tail.scores, tail.left, tail.right, tail.cut
        (array([0.9]), array([0]), array([11]), 0.5)
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.cut = -np.inf
        self.scores: Floats = np.empty(0)
        self.left: Numbers = np.empty(0, np.int64)
        self.right: Numbers = np.empty(0, np.int64)
        self._waiting: list[tuple[Floats, Numbers, Numbers]] = []
        self._count = 0

    def add(self, scores: Floats, row: int, column: int) -> None:
        """Consider a tile [n,m] that begins at this row and column; NaN is left out."""
        flat = scores.ravel()
        above = np.flatnonzero(flat > self.cut)
        if not len(above):
            return
        i, j = np.divmod(above, scores.shape[1])
        self._waiting.append((flat[above], i + row, j + column))
        self._count += len(above)
        if self._count > self.size + max(self.size, 2**20):
            self._settle()

    @classmethod
    def of(cls, scores: Floats, left: Numbers, right: Numbers, size: int, cut: float) -> Tail:
        """One tail of several that each saw a part of the scores.

        Above the highest of their cuts nothing is missing, and the cut of all is no lower: some
        part alone has more than ``size`` scores there or at that cut.

        Args:
            scores: what they kept, in the order in which one alone would have met it, [K].
            left: the row of each, [K].
            right: the column of each, [K].
            size: the most pairs that are kept, the same in each.
            cut: the highest of their cuts.
        """
        tail = cls(size)
        tail.cut = cut
        above = scores > cut
        tail._waiting = [(scores[above], left[above], right[above])]
        tail.finish()
        return tail

    def finish(self) -> None:
        """Settle what is kept, best first."""
        self._settle()
        order = np.argsort(-self.scores, kind="stable")
        self.scores = self.scores[order]
        self.left, self.right = self.left[order], self.right[order]

    def _settle(self) -> None:
        parts = [(self.scores, self.left, self.right), *self._waiting]
        scores, left, right = (np.concatenate(part) for part in zip(*parts, strict=True))
        if len(scores) > self.size:
            place = len(scores) - self.size - 1
            self.cut = float(np.partition(scores, place)[place])
            kept = scores > self.cut
            scores, left, right = scores[kept], left[kept], right[kept]
        self.scores, self.left, self.right = scores, left, right
        self._waiting, self._count = [], len(scores)
