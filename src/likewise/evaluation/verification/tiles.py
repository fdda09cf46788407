"""All pairs of rows as tiles of scores: rows sorted by identity, so that few tiles mix kinds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.data.labels import checked_labels
from likewise.distances import Cosine, Distance
from likewise.distances.resolution import round_cosines
from likewise.errors import InputError
from likewise.evaluation.verification.metrics import directed

__all__ = ["Tile", "Tiles"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
ROWS, COLUMNS = 512, 4096  # of a tile: 16 MiB of scores
SAMPLE = 512


@dataclass(frozen=True)
class Tile:
    """The scores of some sorted rows against some later ones.

    Args:
        row: where the rows begin.
        column: where the columns begin.
        scores: float64 [n,m].
        same: bool [n,m], whether a pair is genuine; None where none is.
        later: bool [n,m], whether the column comes after the row, so that it is a pair; None
            where all do.
    """

    row: int
    column: int
    scores: Floats
    same: NDArray[np.bool_] | None
    later: NDArray[np.bool_] | None


class Tiles:
    """Every pair of rows once.

    Args:
        vectors: [N,D].
        labels: [N].
        distance: the cosine if None.

    Raises:
        InputError: there is no genuine pair, or no impostor pair; a row is zero under the cosine.
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
            raise InputError("evaluation: no identity has two rows, so no two rows are the same")
        if self.impostor == 0:
            raise InputError("evaluation: only one identity, so no two rows are different")
        self.order: Numbers = np.argsort(classes, kind="stable")
        self.classes = classes[self.order]
        self.distance = None if isinstance(distance, Cosine) else distance
        self.vectors = vectors
        if self.distance is None:
            self.lengths = directed(vectors, np.arange(len(vectors)))

    def __iter__(self) -> Iterator[Tile]:
        return self.dealt(0, 1)

    def dealt(self, rank: int, count: int) -> Iterator[Tile]:
        """The tiles that process ``rank`` of ``count`` gets: every ``count``-th of all."""
        total, number = len(self.vectors), -1
        for row in range(0, total, ROWS):
            end = min(row + ROWS, total)
            rows: Floats | None = None
            own = int(np.searchsorted(self.classes, self.classes[end - 1], side="right"))
            for column in range(row, total, COLUMNS):
                number += 1
                if number % count != rank:
                    continue
                if rows is None:
                    rows = self._rows(slice(row, end))
                last = min(column + COLUMNS, total)
                scores = self._scores(rows, self._rows(slice(column, last)))
                same = later = None
                if column < own:
                    same = self.classes[row:end, None] == self.classes[column:last]
                if column < end:
                    later = np.arange(row, end)[:, None] < np.arange(column, last)
                yield Tile(row, column, scores, same, later)

    def order_of(self, left: Numbers, right: Numbers) -> Numbers:
        """The order in which one process that takes all tiles comes across these pairs, [P]."""
        band = left // ROWS
        return np.lexsort((right, left, (right - band * ROWS) // COLUMNS, band))

    def sample(self) -> Floats:
        """Scores of some rows with each other, spread over the set; seeded."""
        random = np.random.default_rng(0)
        chosen = random.permutation(len(self.vectors))[: 2 * SAMPLE]
        half = len(chosen) // 2
        return self._scores(self._of(chosen[:half]), self._of(chosen[half:])).ravel()

    def _rows(self, rows: slice) -> Floats:
        return self._of(self.order[rows])

    def _of(self, rows: Numbers) -> Floats:
        found: Floats = self.vectors[rows].astype(np.float64)
        if self.distance is None:
            found /= self.lengths[rows, None]
        return found

    def _scores(self, x: Floats, y: Floats) -> Floats:
        if self.distance is not None:
            return self.distance.score_pairwise(x, y)
        scores = x @ y.T
        return round_cosines(np.clip(scores, -1.0, 1.0, out=scores))
