"""The length of a run in steps or in minutes: exact, resumable, and planned before training."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import likewise
from likewise.cli.app import main
from likewise.data.sampler import EpochSampler, PlainBatches, RunSampler
from likewise.errors import InputError
from likewise.training import fitting
from likewise.training.monitoring.pace import Pace
from likewise.training.recipe.length import with_length
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.recipe.unused_keys import refuse_unused_keys
from likewise.training.setup.budget import Costs, planned
from likewise.training.step.schedule import epochs_between_validations
from likewise.training.trainer import Trainer
from tests.conftest import make_photos, quick_recipe
from tests.gloo import free_port, together
from tests.integration.runs import reports, same_end, tensors

SETTINGS = ("training.ema=0.9", "model.dropout=0.3", "data.val_identities=2")
CONSTANT = (*SETTINGS, "schedule.name=constant", "schedule.warmup=0", "schedule.margin_warmup=0")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four people to train on and two to validate on: two steps an epoch."""
    return make_photos(tmp_path / "photos", people=6)


@pytest.mark.parametrize("workers", [0, 2])
def test_steps_of_whole_epochs_equal_the_epochs(workers: int, photos: Path, tmp_path: Path) -> None:
    more = (*SETTINGS, f"data.workers={workers}", "schedule.warmup=0.3", "schedule.margin_warmup=0")
    likewise.train(photos, tmp_path / "epochs", quick_recipe(*more, "schedule.epochs=3"))
    done = likewise.train(photos, tmp_path / "steps", quick_recipe(*more), steps=6)
    assert (done.steps, done.epochs, done.finished) == (6, 3, True)
    same_end(tmp_path / "epochs", tmp_path / "steps")


def test_a_short_epoch_ends_the_run_and_goes_on_when_resumed(photos: Path, tmp_path: Path) -> None:
    """With a constant learning rate, three steps and two more equal five."""
    five = likewise.train(photos, tmp_path / "five", quick_recipe(*CONSTANT), steps=5)
    assert (five.steps, five.epochs) == (5, 3)
    assert [line["epoch"] for line in reports(tmp_path / "five")[1:]] == [1, 2, 3]
    assert [line["step"] for line in reports(tmp_path / "five")[1:]] == [2, 4, 5]
    likewise.train(photos, tmp_path / "part", quick_recipe(*CONSTANT), steps=3)
    longer = likewise.train(photos, tmp_path / "part", resume=True, steps=5)
    assert (longer.steps, longer.epochs, longer.finished) == (5, 3, True)
    ends = [tensors(tmp_path / run) for run in ("five", "part")]
    for name, tensor in ends[0].items():
        if "/watch" not in name and ":watch" not in name:
            assert torch.equal(tensor, ends[1][name]), name
    texts = [(tmp_path / run / "recipe.yaml").read_text() for run in ("five", "part")]
    assert texts[0] == texts[1]
    with pytest.raises(InputError, match="steps: 4; the run has completed 5: set more"):
        likewise.train(photos, tmp_path / "part", resume=True, steps=4)


def test_a_stopped_run_by_steps_resumes_exactly(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    likewise.train(photos, tmp_path / "whole", quick_recipe(*SETTINGS), steps=5)
    steps = Trainer.step

    def step_then_stop(self: Trainer, *given: Any) -> Any:
        outcome = steps(self, *given)
        if self.step_number in (1, 4):
            signal.raise_signal(signal.SIGTERM)
        return outcome

    monkeypatch.setattr(Trainer, "step", step_then_stop)
    assert not likewise.train(photos, tmp_path / "part", quick_recipe(*SETTINGS), steps=5).finished
    assert not likewise.train(photos, tmp_path / "part", resume=True).finished
    assert likewise.train(photos, tmp_path / "part", resume=True).steps == 5
    same_end(tmp_path / "whole", tmp_path / "part")


def test_a_budget_gives_the_same_bits_as_its_steps(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The steps are timed for real, with the photos and dropout; then they are set to five."""
    measured = []

    def five(recipe: Recipe, costs: Costs, each: int, done: int) -> Recipe:
        measured.append((costs, each, done))
        return with_length(recipe, steps=done + 5)

    monkeypatch.setattr(fitting, "planned", five)
    monkeypatch.setattr("likewise.training.setup.budget.SHORTEST", 0.05)
    likewise.train(photos, tmp_path / "steps", quick_recipe(*SETTINGS), steps=5)
    budgeted = quick_recipe(*SETTINGS)
    likewise.train(photos, tmp_path / "budget", budgeted, budget_minutes=1)
    same_end(tmp_path / "steps", tmp_path / "budget")
    texts = [(tmp_path / run / "recipe.yaml").read_text() for run in ("steps", "budget")]
    assert texts[0] == texts[1]
    assert "5 steps fit into 60 s" in capsys.readouterr().err
    likewise.train(photos, tmp_path / "budget", resume=True, budget_minutes=1)
    assert likewise.load_recipe(tmp_path / "budget" / "recipe.yaml").schedule.steps == 10
    assert [entry[1:] for entry in measured] == [(2, 0), (2, 5)]
    for costs, *_ in measured:
        assert 0 < costs.step < 5
        assert 0 < costs.validation < 10
        assert 0 < costs.end < costs.spent + 5


def planned_together(folder: Path, port: int, rank: int, world: int) -> list[float]:
    """A run with a budget on several ranks; the plan is five steps. Returns what it is made of."""
    os.environ["MASTER_PORT"] = str(port)
    seen: list[float] = []

    def five(recipe: Recipe, costs: Costs, each: int, done: int) -> Recipe:
        seen.extend([costs.step, costs.validation, costs.spent])
        return with_length(recipe, steps=5)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "planned", five)
        patch.setattr("likewise.training.setup.budget.SHORTEST", 0.05)
        recipe = quick_recipe(*SETTINGS)
        run = likewise.train(folder / "photos", folder / "run", recipe, budget_minutes=1)
    return [*seen, run.steps]


def test_all_ranks_have_the_same_plan(photos: Path, tmp_path: Path) -> None:
    one, other = together(partial(planned_together, tmp_path, free_port()), 2, tmp_path, met=False)
    assert one == other
    assert one[-1] == 5
    assert likewise.load_recipe(tmp_path / "run" / "recipe.yaml").schedule.steps == 5


@pytest.mark.parametrize(("step", "validation", "each"), [(0.1, 0.5, 7), (0.02, 0.01, 50),
                                                         (2.0, 30.0, 400)])  # fmt: skip
def test_the_plan_fits_into_the_budget(step: float, validation: float, each: int) -> None:
    recipe, costs = with_length(Recipe(), budget_minutes=10), Costs(step, validation, 2.0, 20.0)
    found = planned(recipe, costs, each)
    steps = found.schedule.steps
    assert steps is not None
    assert found.training.budget_minutes is None
    epochs = -(-steps // each)
    every = epochs_between_validations(found.training.validate_every, epochs)
    validations = sum(epoch % every == 0 or epoch == epochs for epoch in range(1, epochs + 1))
    seconds = 22 + steps * step + validations * validation
    assert 0.9 * 600 < seconds <= 0.98 * 600
    assert validations == 1 or validations * validation <= 0.11 * 600
    assert (found.schedule.warmup, found.schedule.margin_warmup) == (0.05, 0.1)


def test_a_budget_that_is_too_small_says_what_would_do() -> None:
    recipe = with_length(Recipe(), budget_minutes=0.1)
    with pytest.raises(InputError, match=r"budget: 6 s is too short: a step .*; give 26 s or more"):
        planned(recipe, Costs(1.0, 2.0, 1.0, 10.0), 7)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only entry."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_run_that_is_late_plans_fewer_steps(clock: list[float]) -> None:
    """Twenty steps in the first 20 s of 60: forty more fit, not eighty."""
    deadline = fitting.Deadline(160.0, 60.0)
    deadline.begin(0)
    clock[0] = 110.0
    assert deadline.steps(10, 100) == 100  # less than a quarter of the time is over
    clock[0] = 120.0
    assert deadline.steps(20, 100) == 60
    assert deadline.steps(20, 62) == 62  # two seconds late: less than a twentieth of the budget
    assert deadline.steps(20, 30) == 30  # it ends in time anyway
    clock[0] = 200.0
    assert deadline.steps(50, 100) == 51  # too late already: one more step, and the validation


def test_what_was_slow_at_the_start_shortens_nothing(clock: list[float]) -> None:
    """Ten steps in 10 s while other programs ran, then ten steps a second: all 500 fit."""
    deadline = fitting.Deadline(160.0, 60.0)
    deadline.begin(0)
    clock[0] = 110.0
    assert deadline.steps(10, 500) == 500
    for done in range(60, 500, 50):
        clock[0] += 5.0
        assert deadline.steps(done, 500) == 500
    assert clock[0] <= 160


def test_a_run_that_gets_slower_is_shortened_a_few_times(clock: list[float]) -> None:
    """Twice as slow from the middle on: it ends within a twentieth of its budget."""
    deadline, plan, cuts, done = fitting.Deadline(1100.0, 1000.0), 1000, 0, 0
    deadline.begin(0)
    while done < plan:
        steps = min(20, plan - done)
        clock[0] += steps * (1 if clock[0] < 600 else 2)
        done += steps
        found = deadline.steps(done, plan)
        cuts, plan = cuts + (found != plan), found
    assert 1 <= cuts <= 6
    assert 1050 <= clock[0] <= 1150


def test_a_late_run_ends_early_and_its_recipe_says_so(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The plan says 1,000 steps. After the third epoch five more fit."""

    def plan(recipe: Recipe, costs: Costs, each: int, done: int) -> Recipe:
        return with_length(recipe, steps=1000)

    monkeypatch.setattr(fitting, "planned", plan)
    monkeypatch.setattr("likewise.training.setup.budget.SHORTEST", 0.05)
    late = lambda _, done, planned: 11 if done == 6 else planned  # noqa: E731  # one expression
    monkeypatch.setattr(fitting.Deadline, "steps", late)
    run = likewise.train(photos, tmp_path / "run", quick_recipe(*SETTINGS), budget_minutes=1)
    assert (run.finished, run.steps, run.epochs) == (True, 11, 6)
    assert likewise.load_recipe(tmp_path / "run" / "recipe.yaml").schedule.steps == 11
    assert reports(tmp_path / "run")[-1]["lr"] < reports(tmp_path / "run")[-2]["lr"]
    assert "slower than planned: 11 steps instead of 1,000" in capsys.readouterr().err


def test_lengths_exclude_each_other(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="epochs and steps: give one of them"):
        likewise.train(photos, tmp_path / "run", quick_recipe(), epochs=2, steps=3)
    with pytest.raises(InputError, match="steps: 0; must be a whole number of at least 1"):
        likewise.train(photos, tmp_path / "run", quick_recipe(), steps=0)
    with pytest.raises(InputError, match="budget_minutes: -1; must be"):
        likewise.train(photos, tmp_path / "run", quick_recipe(), budget_minutes=-1)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_command_line(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yaml").write_text(quick_recipe(*SETTINGS, "schedule.epochs=9").to_yaml())
    given = ["train", str(photos), "--out", str(tmp_path / "run")]
    for more in (["--steps", "3", "--epochs", "2"], ["--steps", "3", "--budget", "1min"]):
        code, _, err = said(capsys, *given, *more)
        assert (code, err.count("\n")) == (2, 1)
        assert "give one of them" in err
    code, _, err = said(capsys, *given, "--budget", "10")
    assert (code, "--budget: '10'; write 90s or 10min" in err) == (2, True)
    more = ["--recipe", str(tmp_path / "r.yaml"), "--steps", "3", "--json"]
    code, out, _ = said(capsys, *given, *more)
    assert code == 0
    assert (json.loads(out)["steps"], json.loads(out)["epochs"]) == (3, 2)
    kept = likewise.load_recipe(tmp_path / "run" / "recipe.yaml").schedule
    assert (kept.steps, kept.epochs) == (3, 20)
    assert kept.warmup == pytest.approx(1 / 9)
    code, _, err = said(capsys, *given, "--resume", "--epochs", "3")
    assert "continues to 3 epochs instead of 3 steps: the learning rate is now" in err
    assert code == 0
    assert reports(tmp_path / "run")[-1]["step"] == 6


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (["schedule.epochs=30", "schedule.steps=300"],
         "schedule.epochs=30: has no effect with schedule.steps=300; set schedule.steps=null"),
        (["training.budget_minutes=2", "schedule.epochs=30"], "schedule.epochs=30: has no effect"),
        (["schedule.warmup=0.1", "schedule.warmup_epochs=3"], "schedule.warmup_epochs=3"),
        (["schedule.margin_warmup=0.1", "schedule.margin_warmup_epochs=3"],
         "schedule.margin_warmup_epochs=3"),
    ],
)  # fmt: skip
def test_two_keys_for_one_thing_are_refused(settings: list[str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        refuse_unused_keys(recipe_with(Recipe(), settings))


def test_validations_are_some_twenty() -> None:
    assert [epochs_between_validations(None, n) for n in (1, 20, 29, 40, 200)] == [1, 1, 1, 2, 10]
    assert epochs_between_validations(3, 200) == 3


def test_a_long_run_is_validated_and_saved_less_often(photos: Path, tmp_path: Path) -> None:
    likewise.train(photos, tmp_path / "run", quick_recipe(*SETTINGS), steps=79)
    validated = [line["epoch"] for line in reports(tmp_path / "run") if "val/auc" in line]
    assert validated == [*range(2, 41, 2)]
    assert len(reports(tmp_path / "run")) == 41  # the baselines come first


def test_the_run_sampler_goes_through_the_epochs() -> None:
    sampler = EpochSampler(PlainBatches(np.arange(12), 4, 0), 5)
    expected: list[Sequence[tuple[int, int]]] = []
    for epoch in range(4):
        sampler.start_at(epoch, 0)
        expected += list(sampler)
    sampler.start_at(1, 2)
    found = iter(RunSampler(sampler, 11))
    first = list(islice(found, 2))
    sampler.start_at(3, 0)  # the next epoch of the run does not disturb the stream
    assert [*first, *found] == expected[5:11]


def test_the_time_is_said_once_and_a_slow_run_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    clock = "likewise.training.monitoring.pace.time"
    monkeypatch.setattr(clock, SimpleNamespace(monotonic=lambda: now[0]))
    lines: list[str] = []
    pace = Pace(100, 5, 6.0, lines.append)
    with caplog.at_level(logging.WARNING, "likewise"):
        for number in range(100):
            now[0] += 0.5 if number < 20 else 2.0
            pace.step()
    assert lines == ["about 55 s for 100 steps"]  # 100 steps, and 5 validations of 6/3 steps each
    assert [line for line in caplog.messages if "slower than expected" in line] == caplog.messages
    assert len(caplog.messages) == 1
