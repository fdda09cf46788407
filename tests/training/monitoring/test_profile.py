"""The profile: its table adds up, its trace is readable, and the run can be resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import likewise
from likewise.data.photos import Batch
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.profile import PHASES, StepProfile
from likewise.training.monitoring.throughput import Throughput
from tests.conftest import quick_recipe

CPU = torch.device("cpu")


def test_a_profile_stops_the_run_which_then_continues(photos: Path, tmp_path: Path) -> None:
    recipe = quick_recipe("schedule.epochs=6", "loss.name=triplet")
    result = likewise.train(photos, tmp_path / "run", recipe, profile=3)
    assert not result.finished
    found = result.profile
    assert found is not None
    assert found.steps == 3
    assert list(found.phases) == [*PHASES, "other"]
    assert sum(found.phases.values()) == pytest.approx(found.seconds)
    assert found.phases["network"] > 0
    assert found.phases["backward"] > 0
    events = json.loads((tmp_path / "run" / "trace.json").read_text())["traceEvents"]
    names = {event["name"] for event in events}
    assert set(PHASES) <= names
    assert any("conv" in name for name, *_ in found.operators)
    assert json.dumps(found.to_dict())
    assert [row[0] for row in found.rows()][:3] == ["waiting for photos", "network", "loss"]

    likewise.train(photos, tmp_path / "whole", recipe)
    resumed = likewise.train(photos, tmp_path / "run", resume=True)
    assert resumed.finished
    assert resumed.profile is None
    kernels = [likewise.load(tmp_path / name / "model").module.state_dict()["body.0.weight"]
               for name in ("whole", "run")]  # fmt: skip
    assert torch.equal(*kernels)


def test_a_short_run_reports_the_steps_it_has(photos: Path, tmp_path: Path) -> None:
    recipe = quick_recipe("schedule.epochs=2")
    result = likewise.train(photos, tmp_path / "run", recipe, profile=50)
    assert result.finished
    assert result.profile is not None
    assert result.profile.steps == 1
    recipe = quick_recipe("schedule.epochs=1")
    assert likewise.train(photos, tmp_path / "shorter", recipe, profile=50).profile is None


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def time(self) -> float:
        return self.now


def test_phases_are_measured_as_they_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(
        "likewise.training.monitoring.profile.time", SimpleNamespace(perf_counter=clock.time)
    )
    one = StepProfile(2, CPU, tmp_path / "trace.json")
    for _ in range(5):
        with one.phase("network"):
            clock.sleep(5)
        with one.phase("loss"):
            clock.sleep(1)
        clock.sleep(2)
        one.end_step()
        one.collect(False)
        clock.sleep(1000)  # validation
        one.collect(True)
    assert one.result is not None
    assert one.result.steps == 2
    assert one.result.step_seconds == 8
    told = {name: seconds for name, seconds in one.result.phases.items() if seconds}
    assert told == {"network": 10, "loss": 2, "other": 4}
    assert ("network", "5000.00", "62.5%") in one.result.rows()
    assert [path.name for path in tmp_path.iterdir()] == ["trace.json"]


def test_waiting_time_is_measured_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(
        "likewise.training.monitoring.throughput.time", SimpleNamespace(monotonic=clock.time)
    )

    def loader() -> Iterator[Batch]:
        for _ in range(4):
            clock.sleep(3)
            yield Batch(torch.zeros(8, 3, 2, 2), torch.zeros(8, dtype=torch.int64), [])

    idle = StepProfile(0, CPU, tmp_path / "none")
    two = Processes()
    two.count = 2
    monkeypatch.setattr(two, "sum", lambda values: [2 * value for value in values])
    for processes in (Processes(), two):
        pace = Throughput(processes, idle)
        for _ in pace.batches_of(loader()):
            clock.sleep(1)
        assert pace.report(batches_left=8) == {
            "images_per_s": processes.count * 2.0,
            "data_wait": 0.75,
            "seconds_left": 32.0,
        }
