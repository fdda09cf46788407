"""The time of searches, on a clock that only searches advance."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from likewise.search.index import Index
from likewise.search.tuning import timing
from likewise.search.tuning.timing import (
    LOST_ROUNDS,
    MAX_ROUNDS,
    MIN_ROUNDS,
    SLOW_ROUNDS,
    ReferenceTimer,
)

QUERIES = np.zeros((4, 2), np.float32)


class Clocked:
    """A search that takes so many seconds, and counts."""

    def __init__(self, clock: list[float], seconds: float) -> None:
        self.clock, self.seconds, self.calls = clock, seconds, 0

    def search(self, *_: Any) -> None:
        self.clock[0] += self.seconds
        self.calls += 1


@pytest.mark.parametrize(
    ("seconds", "rounds"), [(0.001, MAX_ROUNDS), (0.08, MIN_ROUNDS), (1.0, SLOW_ROUNDS)]
)
def test_a_slow_search_takes_few_rounds(
    seconds: float, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    now = SimpleNamespace(perf_counter=lambda: clock[0], process_time=lambda: clock[0])
    monkeypatch.setattr(timing, "time", now)
    reference, index = Clocked(clock, 0.001), Clocked(clock, seconds)
    timer = ReferenceTimer(cast(Index, reference), QUERIES, 1, 4)
    assert timer.seconds(cast(Index, index), budget=0.3) == pytest.approx(seconds / 4)
    assert index.calls == rounds + 1  # and once to warm it


@pytest.mark.parametrize(
    ("seconds", "rounds"), [(0.19, MIN_ROUNDS), (0.21, LOST_ROUNDS), (0.39, LOST_ROUNDS), (5.0, 1)]
)
def test_a_search_that_exceeds_the_bound_is_not_timed_precisely(
    seconds: float, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rounds beyond the bound end it; within the bound, it changes nothing."""
    clock = [0.0]
    now = SimpleNamespace(perf_counter=lambda: clock[0], process_time=lambda: clock[0])
    monkeypatch.setattr(timing, "time", now)
    reference, index = Clocked(clock, 0.001), Clocked(clock, seconds)
    timer = ReferenceTimer(cast(Index, reference), QUERIES, 1, 4).bounded(0.05)
    assert timer.seconds(cast(Index, index), budget=0.8) == pytest.approx(seconds / 4)
    assert index.calls == rounds + 1
