"""The time of a search, as it will be asked: one query after another, or in batches."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from likewise.search.index import Index

__all__ = ["paired_seconds", "seconds_a_query"]

SINGLES = 32  # queries in a turn that asks one by one
FEWEST, MOST = 3, 25  # turns


def seconds_a_query(
    index: Index, queries: NDArray[np.float32], k: int, batch: int, *, budget: float = 0.3
) -> float:
    """The time of a query, in seconds, measured for about ``budget`` seconds.

    It is the lower quartile of some turns: neighbours on the machine can only add to it. Times of
    two indexes that lie near to each other are told apart by ``paired_seconds`` alone.

    Args:
        index: what is searched.
        queries: float32 [Q,D]; used again from the start where they do not fill a batch.
        k: how many neighbours.
        batch: how many queries come at one time.
        budget: seconds; three turns are always taken.
    """
    turn = _Turns(queries, k, batch)
    turn.take(index, 0, warm=True)
    found: list[float] = []
    begin = time.perf_counter()
    while len(found) < FEWEST or (len(found) < MOST and time.perf_counter() - begin < budget):
        found.append(turn.take(index, len(found)))
    return float(np.quantile(found, 0.25))


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
        begin = time.perf_counter()
        for start in range(0, count, self.batch):
            index.search(rows[start : start + self.batch], self.k)
        return (time.perf_counter() - begin) / count
