"""The pace of searches, on a clock that only searching moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from likewise.search.index import Index
from likewise.search.tuning import timing
from likewise.search.tuning.timing import FEWEST, LOST, MOST, SLOW, Pace

QUERIES = np.zeros((4, 2), np.float32)


class Clocked:
    """A search that takes so many seconds, and counts."""

    def __init__(self, clock: list[float], seconds: float) -> None:
        self.clock, self.seconds, self.calls = clock, seconds, 0

    def search(self, *_: Any) -> None:
        self.clock[0] += self.seconds
        self.calls += 1


@pytest.mark.parametrize(("seconds", "turns"), [(0.001, MOST), (0.08, FEWEST), (1.0, SLOW)])
def test_a_slow_search_takes_few_turns(
    seconds: float, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    now = SimpleNamespace(perf_counter=lambda: clock[0], process_time=lambda: clock[0])
    monkeypatch.setattr(timing, "time", now)
    reference, index = Clocked(clock, 0.001), Clocked(clock, seconds)
    pace = Pace(cast(Index, reference), QUERIES, 1, 4)
    assert pace.seconds(cast(Index, index), budget=0.3) == pytest.approx(seconds / 4)
    assert index.calls == turns + 1  # and once to warm it


@pytest.mark.parametrize(
    ("seconds", "turns"), [(0.19, FEWEST), (0.21, LOST), (0.39, LOST), (5.0, 1)]
)
def test_what_has_lost_is_not_timed_closely(
    seconds: float, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two turns beyond the bound say that it is; within, as many are taken as without one."""
    clock = [0.0]
    now = SimpleNamespace(perf_counter=lambda: clock[0], process_time=lambda: clock[0])
    monkeypatch.setattr(timing, "time", now)
    reference, index = Clocked(clock, 0.001), Clocked(clock, seconds)
    pace = Pace(cast(Index, reference), QUERIES, 1, 4).bounded(0.05)
    assert pace.seconds(cast(Index, index), budget=0.8) == pytest.approx(seconds / 4)
    assert index.calls == turns + 1
