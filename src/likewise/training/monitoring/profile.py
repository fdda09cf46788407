"""Where the time of a training step goes: a table, and a trace for chrome://tracing or Perfetto."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.autograd.profiler import record_function
from torch.profiler import ProfilerActivity

from likewise.storage import new_file

__all__ = ["PHASES", "Profile", "StepProfile"]

# What a step consists of, in this order; what is left is told as "other".
PHASES = ("waiting for photos", "network", "loss", "backward", "optimiser")
WARMUP = 3  # steps: allocators, caches and compilers settle
OPERATORS = 10
NO_OPERATORS = ("Optimizer.", "enumerate(")  # torch's own names for whole stretches


@dataclass(frozen=True)
class Profile:
    """What was measured.

    Args:
        steps: how many.
        seconds: that they took.
        phases: seconds of each phase, "other" included; their sum is ``seconds``.
        operators: the costliest, each with its name, its seconds and how often it was called.
        trace: the file for chrome://tracing or https://ui.perfetto.dev.
    """

    steps: int
    seconds: float
    phases: dict[str, float]
    operators: list[tuple[str, float, int]]
    trace: Path

    @property
    def step_seconds(self) -> float:
        """Seconds a step."""
        return self.seconds / self.steps

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "trace": str(self.trace)}

    def rows(self) -> list[tuple[str, str, str]]:
        """The table: what, milliseconds a step, share of the step; operators stand indented."""
        parts = [*self.phases.items(), *((f"  {name}", s) for name, s, _ in self.operators)]
        return [
            (name, f"{1000 * s / self.steps:.2f}", f"{s / self.seconds:.1%}") for name, s in parts
        ]


class StepProfile:
    """Measures ``steps`` steps after three to warm up, then has enough.

    While it measures a GPU is waited for at the end of each phase, so that a phase pays for what
    it asked for; overlap between phases is lost meanwhile. With ``steps`` 0 it does nothing.

    Args:
        steps: how many to measure.
        device: where they run.
        trace: the file to write.
    """

    def __init__(self, steps: int, device: torch.device, trace: Path) -> None:
        self.steps = steps
        self.device = device
        self.trace = trace
        self.result: Profile | None = None
        self._done = 0
        self._profiler: Any = None
        self._began: float | None = None  # the step at hand
        self._total = 0.0
        self._seconds = dict.fromkeys(PHASES, 0.0)

    @property
    def enough(self) -> bool:
        """Whether all was measured that was asked for."""
        return self.result is not None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block's time to a phase, while measuring."""
        if self._profiler is None:
            yield
            return
        with record_function(name):
            start = time.perf_counter()
            self._began = start if self._began is None else self._began
            yield
            self._wait()
        self._seconds[name] += time.perf_counter() - start

    def end_step(self) -> None:
        """A step is over: begin to measure, go on, or come to the end."""
        if not self.steps or self.enough:
            return
        self._done += 1
        if self._profiler is not None and self._began is not None:
            self._total += time.perf_counter() - self._began
            self._began = None
        if self._done == WARMUP:
            self._begin()
        elif self._done == WARMUP + self.steps:
            self.finish()

    def _begin(self) -> None:
        activities = [ProfilerActivity.CPU]
        if self.device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        self._wait()
        self._profiler = torch.profiler.profile(activities=activities)
        self._profiler.start()

    def count(self, whether: bool) -> None:
        """Leave out what happens between epochs, such as validation, or count again."""
        if self._profiler is not None:
            self._profiler.toggle_collection_dynamic(whether, self._profiler.activities)
            self._began = None

    def finish(self) -> None:
        """End here, with the steps measured so far; nothing if there are none."""
        steps = self._done - WARMUP
        if self._profiler is None:
            return
        self._wait()
        seconds = self._total
        profiler, self._profiler = self._profiler, None
        profiler.stop()
        if steps < 1:
            return
        with new_file(self.trace) as temporary:
            profiler.export_chrome_trace(str(temporary))
        phases = {**self._seconds, "other": max(0.0, seconds - sum(self._seconds.values()))}
        operators = _operators(profiler, self.device)
        self.result = Profile(steps, seconds, phases, operators, self.trace)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _operators(profiler: Any, device: torch.device) -> list[tuple[str, float, int]]:
    """The operators with the most time of their own, on the device where the work is done."""
    kind = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    found = [
        (str(event.key), float(getattr(event, kind)) * 1e-6, int(event.count))
        for event in profiler.key_averages()
        if event.key not in PHASES and not event.key.startswith(NO_OPERATORS)
    ]
    return sorted(found, key=lambda each: -each[1])[:OPERATORS]
