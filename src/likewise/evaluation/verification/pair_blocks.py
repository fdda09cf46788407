"""The scores of all pairs of rows in blocks, with rows sorted by identity.

Sorted rows let most blocks hold impostor pairs only, which need no mask.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from likewise.data.labels import checked_labels
from likewise.distances import Cosine, Distance
from likewise.distances.resolution import round_cosines
from likewise.errors import InputError
from likewise.evaluation.nearest.score_blocks import ScoreBlock
from likewise.evaluation.verification.metrics import row_norms

__all__ = ["PairBlocks"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Masks = NDArray[np.bool_]
ROWS, COLUMNS = 512, 4096  # of a block: 16 MiB of scores
SAMPLE = 512


class PairBlocks:
    """All pairs of rows, each once.

    Args:
        vectors: [N,D].
        labels: [N].
        distance: the cosine if None.

    Raises:
        InputError: there is no genuine pair, or no impostor pair; a row is zero with the cosine.
    """

    def __init__(
        self, vectors: NDArray[np.float32], labels: NDArray[np.generic], distance: Distance | None
    ) -> None:
        names = checked_labels(labels, "labels")
        _, classes, counts = np.unique(names, return_inverse=True, return_counts=True)
        total = len(vectors) * (len(vectors) - 1) // 2
        self.genuine = int((counts * (counts - 1) // 2).sum())
        self.impostor = total - self.genuine
        if self.genuine == 0:
            raise InputError("evaluation: no identity has two rows, so there is no genuine pair")
        if self.impostor == 0:
            raise InputError("evaluation: only one identity, so there is no impostor pair")
        self.order: Numbers = np.argsort(classes, kind="stable")
        self.classes = classes[self.order]
        self.distance = None if isinstance(distance, Cosine) else distance
        self.vectors = vectors
        if self.distance is None:
            self.norms = row_norms(vectors, np.arange(len(vectors)))

    def blocks(self, rank: int = 0, count: int = 1) -> Iterator[ScoreBlock[Floats]]:
        """The blocks of process ``rank`` of ``count``: every ``count``-th one.

        Yields:
            float64 scores [n,m] of n sorted rows against m sorted rows; see ``masks``.
        """
        total, number = len(self.vectors), -1
        for row in range(0, total, ROWS):
            end = min(row + ROWS, total)
            rows: Floats | None = None
            for column in range(row, total, COLUMNS):
                number += 1
                if number % count != rank:
                    continue
                if rows is None:
                    rows = self._rows(slice(row, end))
                columns = slice(column, min(column + COLUMNS, total))
                scores = self._scores(rows, self._rows(columns))
                yield ScoreBlock(slice(row, end), columns, scores)

    def masks(self, block: ScoreBlock[Floats]) -> tuple[Masks | None, Masks | None]:
        """Which scores of a block are of genuine pairs, and which are of pairs at all, [n,m].

        A row with itself or with an earlier row does not count, so that each pair counts once.

        Returns:
            The two masks; the first is None if no pair is genuine, the second if all are pairs.
        """
        rows, columns = block.queries, block.rows
        genuine = pairs = None
        if self.classes[columns.start] <= self.classes[rows.stop - 1]:
            genuine = self.classes[rows, None] == self.classes[columns]
        if columns.start < rows.stop:
            pairs = np.arange(rows.start, rows.stop)[:, None] < np.arange(
                columns.start, columns.stop
            )
        return genuine, pairs

    def order_of(self, left: Numbers, right: Numbers) -> Numbers:
        """The order in which a single process would reach these pairs, [P]."""
        band = left // ROWS
        return np.lexsort((right, left, (right - band * ROWS) // COLUMNS, band))

    def sample(self) -> Floats:
        """The scores of a random sample of pairs; the seed is fixed."""
        random = np.random.default_rng(0)
        chosen = random.permutation(len(self.vectors))[: 2 * SAMPLE]
        half = len(chosen) // 2
        return self._scores(self._of(chosen[:half]), self._of(chosen[half:])).ravel()

    def _rows(self, rows: slice) -> Floats:
        return self._of(self.order[rows])

    def _of(self, rows: Numbers) -> Floats:
        found: Floats = self.vectors[rows].astype(np.float64)
        if self.distance is None:
            found /= self.norms[rows, None]
        return found

    def _scores(self, x: Floats, y: Floats) -> Floats:
        if self.distance is not None:
            return self.distance.score_pairwise(x, y)
        scores = x @ y.T
        return round_cosines(np.clip(scores, -1.0, 1.0, out=scores))
