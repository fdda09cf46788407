"""CPU seconds are those of the training alone."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchmarks.accuracy.clock import (
    Clock,
    Curve,
    budgets_in_cpu_seconds,
    children,
    marks_until,
    not_counted,
)


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_sleep_and_pauses_are_not_counted() -> None:
    clock, own = Clock(), time.process_time()
    burn(0.05)
    counted = time.process_time() - own
    with not_counted():
        burn(0.1)
    time.sleep(0.05)
    assert clock.seconds == pytest.approx(counted, abs=0.04)


def test_the_librarys_clock_is_that_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("monotonic", "perf_counter"):
        monkeypatch.setattr(time, name, getattr(time, name))  # as they were, after this test
    budgets_in_cpu_seconds()
    began = time.monotonic()
    time.sleep(0.1)
    with not_counted():
        burn(0.1)
    assert time.monotonic() - began < 0.05
    burn(0.1)
    assert time.monotonic() - began == pytest.approx(0.1, abs=0.04)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_child_processes_are_counted_while_they_live_and_after() -> None:
    clock = Clock()
    code = "import time\nwhile time.process_time() < 0.4: pass\nprint(1, flush=True)\ninput()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    assert str(child.pid) in children()
    alive = clock.seconds
    child.communicate(b"\n")
    assert alive > 0.3
    assert clock.seconds > 0.3


def test_a_curve_has_a_point_after_each_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("benchmarks.accuracy.clock.cpu_seconds", lambda: now)
    clock = Clock()

    def judge() -> float:
        nonlocal now
        now += 5
        return 0.5

    curve = Curve(clock, [2, 3, 3.5, 6], judge)
    for _ in range(5):
        now += 2.5
        curve.step()
    # The second step passes two marks; the time of judging is not counted.
    assert curve.points == [(2.5, 0.5), (5.0, 0.5), (7.5, 0.5)]
    assert clock.seconds == 12.5


def test_marks_double_and_end_below_the_budget() -> None:
    assert marks_until(60) == [15.0, 30.0]
    assert marks_until(300) == [15.0, 30.0, 60.0, 120.0, 240.0]
    assert marks_until(4) == [2.0]
