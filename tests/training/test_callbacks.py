"""Callbacks: when they are called, what they see, and how they stop a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import likewise
from likewise.errors import InputError, LikewiseError
from likewise.training.callbacks import Callback, TrainingRun, check_callbacks
from tests.conftest import make_photos, quick_recipe
from tests.gloo import together

STEPS = ("before_step", "after_step")
SHORT = ("schedule.epochs=2", "data.val_identities=2")
AVERAGED = quick_recipe(*SHORT, "training.ema=0.5")


class Diary(Callback):
    """Writes down each call, and fails or stops the run at one of them."""

    def __init__(self, at: str = "", number: int = 1, *, stop: bool = False) -> None:
        self.calls: list[str] = []
        self.places: list[tuple[str, int, int]] = []
        self.losses: list[float | None] = []
        self.rates: list[float] = []
        self.metrics: list[set[str]] = []
        self.at, self.number, self.stop = at, number, stop

    def _note(self, name: str, run: TrainingRun) -> None:
        self.calls.append(name)
        self.places.append((name, run.step, run.epoch))
        if name == self.at and self.calls.count(name) == self.number:
            if not self.stop:
                raise ValueError("no more paper")
            run.stop("enough is written")

    def before_run(self, run: TrainingRun) -> None:
        self._note("before_run", run)

    def before_epoch(self, run: TrainingRun) -> None:
        self._note("before_epoch", run)

    def before_step(self, run: TrainingRun) -> None:
        self._note("before_step", run)

    def after_step(self, run: TrainingRun) -> None:
        self.losses.append(run.loss)
        self.rates.append(run.lr)
        self._note("after_step", run)

    def before_validation(self, run: TrainingRun) -> None:
        self._note("before_validation", run)

    def after_validation(self, run: TrainingRun) -> None:
        self.metrics.append(set(run.metrics))
        self._note("after_validation", run)

    def after_epoch(self, run: TrainingRun) -> None:
        self._note("after_epoch", run)

    def after_run(self, run: TrainingRun) -> None:
        self._note("after_run", run)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos", people=5)


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_the_order_of_the_calls_and_what_they_see(people: Path, tmp_path: Path) -> None:
    diary = Diary()
    likewise.train(people, tmp_path / "run", quick_recipe(*SHORT), callbacks=[diary])
    validated = ["before_validation", "after_validation"]
    epoch = ["before_epoch", *STEPS * 2, *validated, "after_epoch"]
    assert diary.calls == ["before_run", *epoch * 2, "after_run"]
    steps = [place for place in diary.places if place[0] in STEPS]
    assert steps == [
        (name, step + (name == "after_step"), step // 2) for step in range(4) for name in STEPS
    ]
    assert ("before_validation", 2, 1) in diary.places
    assert ("after_epoch", 4, 2) in diary.places
    first, second = (line for line in lines(tmp_path / "run") if line["epoch"])
    losses = [loss for loss in diary.losses if loss is not None]
    assert first["train/loss"] == pytest.approx(sum(losses[:2]) / 2)
    assert second["lr"] == diary.rates[3]
    for metrics in diary.metrics:
        assert {"epoch", "train/loss", "val/auc", "val/auc_low", "val/eer", "lr"} <= metrics


def test_the_run_is_the_same_with_and_without(people: Path, tmp_path: Path) -> None:
    class Looks(Callback):
        def __init__(self) -> None:
            self.shapes: list[tuple[int, ...]] = []

        def after_epoch(self, run: TrainingRun) -> None:
            self.shapes.append(run.embedder().embed_pixels(torch.zeros(2, 3, 32, 32).byte()).shape)
            assert run.trainer.module.training
            assert (run.steps, run.epochs, run.rank) == (4, 2, 0)

    looks = Looks()
    for name, callbacks in (("bare", []), ("looked", [looks, Diary()])):
        likewise.train(people, tmp_path / name, quick_recipe(*SHORT), callbacks=callbacks)
    bare, looked = (
        load_file(tmp_path / name / "model" / "model.safetensors") for name in ("bare", "looked")
    )
    assert looks.shapes == [(2, 32), (2, 32)]
    assert all(torch.equal(bare[key], looked[key]) for key in bare)


def test_a_run_without_validation_has_no_such_calls(photos: Path, tmp_path: Path) -> None:
    diary = Diary()
    likewise.train(photos, tmp_path / "run", quick_recipe(), callbacks=[diary])
    assert diary.calls.count("after_epoch") == 2
    assert "before_validation" not in diary.calls
    assert "after_validation" not in diary.calls


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without callbacks."""
    folder = tmp_path_factory.mktemp("whole")
    return likewise.train(make_photos(folder / "photos", people=5), folder / "run", AVERAGED).folder


@pytest.mark.parametrize(
    ("at", "number", "steps"),
    [("before_run", 1, 0), ("before_epoch", 2, 3), ("before_step", 2, 2), ("after_step", 1, 1),
     ("after_step", 2, 2), ("before_validation", 1, 2), ("after_validation", 1, 2),
     ("after_epoch", 1, 2)],
)  # fmt: skip
@pytest.mark.parametrize("stop", [False, True], ids=["raises", "stops"])
def test_a_stop_or_an_error_keeps_the_steps_and_the_run_can_be_resumed(
    people: Path, tmp_path: Path, whole: Path, at: str, number: int, steps: int, stop: bool
) -> None:
    run, recipe = tmp_path / "run", AVERAGED
    diary, after = Diary(at, number, stop=stop), Diary()
    if stop:
        found = likewise.train(people, run, recipe, callbacks=[diary, after])
        assert (found.finished, found.stopped_by, found.steps) == (False, None, steps)
        assert ": enough is written" in (run / "train.log").read_text()
    else:
        with pytest.raises(ValueError, match="^no more paper\n") as caught:
            likewise.train(people, run, recipe, callbacks=[diary, after])
        assert f"Raised by Diary.{at}, after step" in caught.value.__notes__[0]
    assert diary.calls[-1] == after.calls[-1] == "after_run"
    if not stop:  # no callback is called after an error, but to end
        assert diary.calls[-2] == at
    resumed = Diary()
    finished = likewise.train(people, run, resume=True, callbacks=[resumed])
    assert finished.finished
    assert resumed.places[0] == ("before_run", steps, (steps >= 2) * 1)
    assert resumed.calls.count("after_step") == 4 - steps
    one, other = (load_file(folder / "model" / "model.safetensors") for folder in (whole, run))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_an_error_at_the_very_end_is_raised_after_the_model_is_saved(
    people: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="no more paper"):
        likewise.train(
            people, tmp_path / "run", quick_recipe(*SHORT), callbacks=[Diary("after_run")]
        )
    assert likewise.load(tmp_path / "run" / "model").identities is not None


def test_only_what_is_overridden_is_called_in_a_step(photos: Path, tmp_path: Path) -> None:
    class Quiet(Callback):
        def after_epoch(self, run: TrainingRun) -> None:
            seen.append((run.trainer.before_step, run.trainer.after_step))

    seen: list[tuple[Any, Any]] = []
    likewise.train(photos, tmp_path / "run", quick_recipe(), callbacks=[Quiet()])
    assert seen == [(None, None)] * 2


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([print], "^callbacks: 0 is of type builtin_function_or_method, which is no subclass"),
        ([Callback(), Callback], "^callbacks: 1 is the class Callback; make an object"),
        (Callback(), "^callbacks: a list is expected; got Callback"),
    ],
)
def test_what_is_no_callback_is_refused(
    photos: Path, tmp_path: Path, callbacks: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        likewise.train(photos, tmp_path / "run", quick_recipe(), callbacks=callbacks)
    assert not (tmp_path / "run").exists()


def _two_processes(rank: int, world: int) -> dict[str, Any]:
    """A callback of rank 1 fails after its third step; rank 0 has others."""
    folder = Path(os.environ["LIKEWISE_TEST_FOLDER"])
    diary = Diary("after_step", 3) if rank else Diary()
    try:
        likewise.train(folder / "photos", folder / "run", quick_recipe(*SHORT), callbacks=[diary])
    except (ValueError, LikewiseError) as error:
        message = f"{type(error).__name__}: {error}"
    return {"message": message, "metrics": diary.metrics, "calls": diary.calls}


@pytest.mark.slow
def test_each_process_calls_its_own_and_all_stop_if_one_fails(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKEWISE_TEST_FOLDER", str(tmp_path))
    zero, one = together(_two_processes, 2, tmp_path, met=False)
    assert one["message"] == "ValueError: no more paper"
    assert zero["message"].startswith("LikewiseError: training: a callback failed on rank 1 (Value")
    assert zero["calls"].count("after_validation") == one["calls"].count("after_validation") == 1
    assert zero["metrics"] == one["metrics"]
    assert "val/auc" in one["metrics"][0]
    resumed = likewise.train(people, tmp_path / "run", resume=True)
    assert resumed.finished


@pytest.mark.parametrize(
    ("name", "meant"), [("after_stp", "after_step"), ("on_epoch_end", "after_epoch")]
)
def test_a_method_that_is_never_called_is_named(name: str, meant: str) -> None:
    wrong = type("Wrong", (Callback,), {name: lambda _self, _run: None})()
    with pytest.raises(InputError, match=f"Wrong.{name} is never called; did you mean {meant}?"):
        check_callbacks([wrong])
