"""The time of a search, as it will be asked: one query after another, or in batches.

What is counted is the smaller of the time that passed and the processor time that it took. On a
quiet machine with one thread both are the same; with several, less time passes than is worked; and
where neighbours take the processor away, more time passes than the search needed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import NDArray

from likewise.search.index import Index

__all__ = ["Pace", "paired_seconds"]

SINGLES = 16  # queries in a turn that asks one by one
FEWEST, MOST = 7, 25  # turns
SLOW = 3  # turns of what has taken twice its budget: they are long, so few will do
LOST = 2  # turns of what was beyond the bound in each of them: how far beyond is of no account
FAR = 2.0  # times the bound: one turn beyond it will do
MANY = 100  # in a batch: to warm up for these takes as long as a turn
FEWEST_QUIET = 9  # of the reference, to know its time


class Pace:
    """Times searches against one fixed small search that takes its turn beside them.

    A machine is never quiet for long: two indexes timed one after the other may differ by the
    neighbours alone. So every turn is followed by one of the reference, and what counts is the
    ratio of the two.

    Args:
        reference: a small exact index.
        queries: float32 [Q,D]; used again from the start where they do not fill a batch.
        k: how many neighbours.
        batch: how many queries come at one time.

    Attributes:
        beyond: seconds a query from which on a search has lost, and is not timed any more closely.
    """

    def __init__(self, reference: Index, queries: NDArray[np.float32], k: int, batch: int) -> None:
        self._reference = reference
        self._turns = _Turns(queries, k, batch)
        self._turns.take(reference, 0, warm=True)
        quiet = [self._turns.take(reference, number) for number in range(FEWEST_QUIET)]
        self._seconds = float(np.quantile(quiet, 0.25))
        self.beyond = math.inf

    def bounded(self, beyond: float) -> Pace:
        """The same with a bound: ``beyond`` seconds."""
        other = copy(self)
        other.beyond = beyond
        return other

    def seconds(self, index: Index, *, budget: float = 0.3) -> float:
        """The time of a query, in seconds, measured for about ``budget`` seconds.

        It is that of a machine as quiet as when the pace was made.
        """
        if self._turns.batch < MANY:  # larger ones answered all the probes just before
            self._turns.take(index, 0, warm=True)
        ratios: list[float] = []
        begin = time.perf_counter()
        while len(ratios) < MOST:
            spent = time.perf_counter() - begin
            if len(ratios) >= (SLOW if spent >= 2 * budget else FEWEST) and spent >= budget:
                break
            if ratios:
                slack = 1.0 if len(ratios) >= LOST else FAR
                if min(ratios) * self._seconds > slack * self.beyond:
                    break
            own = self._turns.take(index, len(ratios))
            ratios.append(own / self._turns.take(self._reference, len(ratios)))
        return float(np.median(ratios)) * self._seconds


def paired_seconds(
    indexes: Sequence[Index], queries: NDArray[np.float32], k: int, batch: int, *, rounds: int = 15
) -> NDArray[np.float64]:
    """Seconds a query of each index in each round: [indexes, rounds].

    In a round all take their turn with the same queries, every other round in reverse, so that
    what disturbs the machine disturbs them alike: compare within a round.
    """
    turn = _Turns(queries, k, batch)
    for index in indexes:
        turn.take(index, 0, warm=True)
    found = np.empty((len(indexes), rounds))
    for number in range(rounds):
        order = range(len(indexes)) if number % 2 == 0 else reversed(range(len(indexes)))
        for place in order:
            found[place, number] = turn.take(indexes[place], number)
    return found


class _Turns:
    """Queries cut into turns: one batch, or some single ones."""

    def __init__(self, queries: NDArray[np.float32], k: int, batch: int) -> None:
        self.queries, self.k, self.batch = queries, k, batch

    def take(self, index: Index, number: int, *, warm: bool = False) -> float:
        """Seconds a query of turn ``number``."""
        count = SINGLES if self.batch == 1 else self.batch
        if warm and self.batch == 1:
            count = 4
        places = (np.arange(count) + number * count) % len(self.queries)
        rows = np.ascontiguousarray(self.queries[places])
        begin, worked = time.perf_counter(), time.process_time()
        for start in range(0, count, self.batch):
            index.search(rows[start : start + self.batch], self.k)
        passed, worked = time.perf_counter() - begin, time.process_time() - worked
        return min(passed, worked) / count
