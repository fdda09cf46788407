"""Time searches as they will be used: one query at a time, or in batches.

The smaller of wall-clock time and processor time is counted. On a quiet machine with one thread
they are equal; with several threads, the wall-clock time is smaller; and where other processes take
the processor, the processor time is smaller.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from likewise.search.contents.read_only import ReadOnlyIndex

__all__ = ["ReferenceTimer", "paired_seconds"]

SINGLES = 16  # queries of a round, if they come one at a time
MIN_ROUNDS, MAX_ROUNDS = 7, 25
SLOW_ROUNDS = 3  # rounds are enough once twice the budget is spent: they are long
LOST_ROUNDS = 2  # stop if all of at least this many rounds exceed the bound
FAR = 2.0  # stop after one round that exceeds the bound by this factor
LARGE_BATCH = 100  # warming up for such batches would take as long as a round
QUIET_ROUNDS = 9  # of the reference, to measure its time


class ReferenceTimer:
    """Times searches against one fixed small search that runs after each round.

    A machine is rarely quiet for long: two indexes timed one after the other may differ only
    because of other processes. So every round is followed by a round of the reference, and the
    ratio of the two is used.

    Args:
        reference: a small exact index.
        queries: float32 [Q,D]; repeated if they do not fill a batch.
        k: how many neighbors.
        batch: how many queries come at a time.

    Attributes:
        bound: seconds a query; a slower search is not measured any more precisely.
    """

    def __init__(
        self, reference: ReadOnlyIndex, queries: NDArray[np.float32], k: int, batch: int
    ) -> None:
        self._reference = reference
        self._rounds = _Rounds(queries, k, batch)
        self._rounds.seconds(reference, 0, warmup=True)
        quiet = [self._rounds.seconds(reference, number) for number in range(QUIET_ROUNDS)]
        self._seconds = float(np.quantile(quiet, 0.25))
        self.bound = math.inf

    def bounded(self, bound: float) -> ReferenceTimer:
        """The same timer with a bound, in seconds a query."""
        other = copy(self)
        other.bound = bound
        return other

    def seconds(self, index: ReadOnlyIndex, *, budget: float = 0.3) -> float:
        """The seconds of a query, measured for about ``budget`` seconds.

        The result is for a machine as quiet as it was when the timer was made.
        """
        if self._rounds.batch < LARGE_BATCH:  # larger batches ran just before, for the recall
            self._rounds.seconds(index, 0, warmup=True)
        ratios: list[float] = []
        begin = time.perf_counter()
        while len(ratios) < MAX_ROUNDS:
            spent = time.perf_counter() - begin
            enough = SLOW_ROUNDS if spent >= 2 * budget else MIN_ROUNDS
            if len(ratios) >= enough and spent >= budget:
                break
            if ratios:
                slack = 1.0 if len(ratios) >= LOST_ROUNDS else FAR
                if min(ratios) * self._seconds > slack * self.bound:
                    break
            own = self._rounds.seconds(index, len(ratios))
            ratios.append(own / self._rounds.seconds(self._reference, len(ratios)))
        return float(np.median(ratios)) * self._seconds


def paired_seconds(
    indexes: Sequence[ReadOnlyIndex],
    queries: NDArray[np.float32],
    k: int,
    batch: int,
    *,
    rounds: int = 15,
) -> NDArray[np.float64]:
    """Seconds a query of each index in each round: [indexes, rounds].

    In each round all indexes search for the same queries, every other round in reverse order, so
    that disturbances affect them equally: compare times within a round.
    """
    timed = _Rounds(queries, k, batch)
    for index in indexes:
        timed.seconds(index, 0, warmup=True)
    found = np.empty((len(indexes), rounds))
    for number in range(rounds):
        order = range(len(indexes)) if number % 2 == 0 else reversed(range(len(indexes)))
        for place in order:
            found[place, number] = timed.seconds(indexes[place], number)
    return found


class _Rounds:
    """Queries split into rounds: one batch each, or some single queries."""

    def __init__(self, queries: NDArray[np.float32], k: int, batch: int) -> None:
        self.queries, self.k, self.batch = queries, k, batch

    def seconds(self, index: ReadOnlyIndex, number: int, *, warmup: bool = False) -> float:
        """Seconds a query of round ``number``."""
        count = SINGLES if self.batch == 1 else self.batch
        if warmup and self.batch == 1:
            count = 4
        places = (np.arange(count) + number * count) % len(self.queries)
        rows = np.ascontiguousarray(self.queries[places])
        wall, cpu = time.perf_counter(), time.process_time()
        for start in range(0, count, self.batch):
            index.search(rows[start : start + self.batch], self.k)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return min(wall, cpu) / count
