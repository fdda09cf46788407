"""CPU seconds of a training, and accuracies at set times in the middle of it.

A budget is in CPU seconds, so that other work on the machine takes nothing of it.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> float:
    """The CPU seconds of this process and of its children, living or ended (Linux)."""
    spent = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        spent += used.ru_utime + used.ru_stime
    return spent + sum(of_process(child) for child in children())


def children() -> list[str]:
    """The numbers of the living child processes; RUSAGE_CHILDREN counts only ended ones."""
    found: list[str] = []
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            found += task.read_text().split()
        except OSError:  # the thread has ended
            continue
    return found


def of_process(number: str) -> float:
    """The CPU seconds of a process, 0 if it has ended."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


_left_out = 0.0


def working_seconds() -> float:
    """CPU seconds, without those that were spent in ``not_counted``."""
    return cpu_seconds() - _left_out


@contextmanager
def not_counted() -> Iterator[None]:
    """What is done in this block is in no budget, and on no clock."""
    global _left_out  # one process, one clock
    before = cpu_seconds()
    try:
        yield
    finally:
        _left_out += cpu_seconds() - before


def budgets_in_cpu_seconds() -> None:
    """From now on the library's own clock, by which it fits a run into its time, is this one."""
    time.monotonic = time.perf_counter = working_seconds


class Clock:
    """CPU seconds since it was made, without those spent in ``not_counted``."""

    def __init__(self) -> None:
        self._start = working_seconds()

    @property
    def seconds(self) -> float:
        """So far."""
        return working_seconds() - self._start


class Curve:
    """The accuracy at set times of a training.

    Args:
        clock: of the training.
        marks: CPU seconds, rising.
        judge: the accuracy of the network as it is now; its time is not counted.
    """

    def __init__(self, clock: Clock, marks: Sequence[float], judge: Callable[[], float]) -> None:
        self.clock, self.judge = clock, judge
        self.open = list(marks)
        self.points: list[tuple[float, float]] = []

    def step(self) -> None:
        """Called after every step of the training."""
        if not self.open or (now := self.clock.seconds) < self.open[0]:
            return
        while self.open and self.open[0] <= now:
            self.open.pop(0)
        with not_counted():
            self.points.append((round(now, 2), self.judge()))


def marks_until(budget: float) -> list[float]:
    """15, 30, 60 … seconds, below the budget; of a budget below 30 seconds a half."""
    found = [15.0 * 2**n for n in range(12) if 15.0 * 2**n < budget]
    return found if budget >= 30 else [budget / 2]
