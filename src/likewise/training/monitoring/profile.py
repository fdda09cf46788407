"""Profile of a training step: time by phase, and a trace for chrome://tracing or Perfetto."""

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

# The phases of a step, in this order; the rest of its time is "other".
PHASES = ("waiting for photos", "network", "loss", "backward", "optimiser")
WARMUP = 3  # steps: allocators, caches and compilers settle
OPERATORS = 10
NO_OPERATORS = ("Optimizer.", "enumerate(")  # torch's names for groups of operators


@dataclass(frozen=True)
class Profile:
    """The measured times.

    Args:
        steps: the number of measured steps.
        seconds: that all of them took.
        phases: the seconds of each phase, "other" included; their sum is ``seconds``.
        operators: the slowest operators: name, seconds, number of calls.
        trace: the file for chrome://tracing or https://ui.perfetto.dev.
    """

    steps: int
    seconds: float
    phases: dict[str, float]
    operators: list[tuple[str, float, int]]
    trace: Path

    @property
    def step_seconds(self) -> float:
        """Seconds per step."""
        return self.seconds / self.steps

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "trace": str(self.trace)}

    def rows(self) -> list[tuple[str, str, str]]:
        """The table: name, milliseconds per step, share of the step; operators are indented."""
        parts = [*self.phases.items(), *((f"  {name}", s) for name, s, _ in self.operators)]
        return [
            (name, f"{1000 * s / self.steps:.2f}", f"{s / self.seconds:.1%}") for name, s in parts
        ]


class StepProfile:
    """Measures ``steps`` steps after three warm-up steps.

    While it measures, it synchronises the GPU at the end of each phase, so that each phase includes
    the work that it has started; phases then do not overlap. With ``steps`` 0 it does nothing.

    Args:
        steps: the number of steps to measure.
        device: of the training.
        trace: the file to write.
    """

    def __init__(self, steps: int, device: torch.device, trace: Path) -> None:
        self.steps = steps
        self.device = device
        self.trace = trace
        self.result: Profile | None = None
        self._done = 0
        self._profiler: Any = None
        self._began: float | None = None  # the start of the current step
        self._total = 0.0
        self._seconds = dict.fromkeys(PHASES, 0.0)

    @property
    def enough(self) -> bool:
        """Whether all steps are measured."""
        return self.result is not None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to a phase, while measuring."""
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
        """End a step: start measuring after the warm-up, finish after the last step."""
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

    def collect(self, on: bool) -> None:
        """Pause the profiler between epochs, as for validation, or continue."""
        if self._profiler is not None:
            self._profiler.toggle_collection_dynamic(on, self._profiler.activities)
            self._began = None

    def finish(self) -> None:
        """Finish with the steps measured so far, if there are any."""
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
    """The operators with the most time of their own, on the device of the training."""
    kind = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    found = [
        (str(event.key), float(getattr(event, kind)) * 1e-6, int(event.count))
        for event in profiler.key_averages()
        if event.key not in PHASES and not event.key.startswith(NO_OPERATORS)
    ]
    return sorted(found, key=lambda each: -each[1])[:OPERATORS]
