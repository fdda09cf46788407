"""What is kept of the tiles of all pairs as they stream by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.evaluation.verification.histogram import Histogram
from likewise.evaluation.verification.tiles import Tiles
from likewise.evaluation.verification.top_pairs import Tail
from likewise.progress import progress

__all__ = ["PairStream", "empty_histogram", "streamed"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class PairStream:
    """The genuine pairs, and of the others the highest, a histogram and sums.

    Args:
        scores: of the genuine pairs, float64 [G].
        left: the sorted row on one side of each, [G].
        right: likewise on the other.
        tail: the highest impostor pairs.
        histogram: of all impostor scores.
        sums: of the impostor scores and of their squares, for each tile: float64 [T,2].
    """

    scores: Floats
    left: Numbers
    right: Numbers
    tail: Tail
    histogram: Histogram
    sums: Floats

    def moments(self, impostor: int) -> tuple[float, float]:
        """The mean and the variance of the impostor scores, whichever tile came first."""
        mean = math.fsum(self.sums[:, 0]) / impostor
        return mean, max(0.0, math.fsum(self.sums[:, 1]) / impostor - mean**2)


def streamed(tiles: Tiles, keep: int, *, rank: int = 0, count: int = 1) -> PairStream:
    """Go through the tiles that process ``rank`` of ``count`` gets.

    Args:
        tiles: of all pairs.
        keep: so many of the highest impostor pairs are kept, at most.
        rank: which process this is.
        count: how many there are.
    """
    histogram, tail = empty_histogram(tiles), Tail(keep)
    kept: list[tuple[Floats, Numbers, Numbers]] = []
    sums: list[tuple[float, float]] = []
    with progress("comparing", (tiles.genuine + tiles.impostor) // count, "pairs") as advance:
        for tile in tiles.dealt(rank, count):
            scores = tile.scores
            if tile.later is not None:
                scores[~tile.later] = np.nan  # this row with itself, or a pair that had its turn
            if tile.same is not None:
                i, j = np.nonzero(tile.same & ~np.isnan(scores))
                kept.append((scores[i, j], i + tile.row, j + tile.column))
                scores[i, j] = np.nan
            mixed = tile.later is not None or tile.same is not None
            impostor = scores[~np.isnan(scores)] if mixed else scores.ravel()
            histogram.add(impostor)
            tail.add(scores, tile.row, tile.column)
            sums.append((float(impostor.sum()), float(impostor @ impostor)))
            advance(len(impostor) + (len(i) if tile.same is not None else 0))
    tail.finish()
    none = np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64)
    genuine, left, right = (np.concatenate(part) for part in zip(none, *kept, strict=True))
    return PairStream(genuine, left, right, tail, histogram, np.array(sums).reshape(-1, 2))


def empty_histogram(tiles: Tiles) -> Histogram:
    """One whose range a sample of the scores tells: the same for the same tiles."""
    sample = tiles.sample()
    low, high = float(sample.min()), float(sample.max())
    margin = (high - low) / 2  # for what the sample did not see
    return Histogram(low - margin, high + margin)
