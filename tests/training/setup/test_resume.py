"""A run is resumed with more or fewer epochs than it started with."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import pytest

import likewise
from likewise.cli.app import main
from likewise.errors import InputError
from likewise.training.trainer import Trainer
from tests.conftest import make_photos, quick_recipe
from tests.integration.runs import reports, same_end

SETTINGS = ("training.ema=0.9", "model.dropout=0.3", "data.val_identities=2")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos", people=6)


def recipe_file(path: Path, *settings: str) -> Path:
    path.write_text(quick_recipe(*SETTINGS, *settings).to_yaml())
    return path


def test_more_epochs_equal_a_longer_run(photos: Path, tmp_path: Path) -> None:
    """With a constant learning rate, two epochs and one more equal three."""
    constant = (*SETTINGS, "schedule.name=constant")
    likewise.train(photos, tmp_path / "three", quick_recipe(*constant, "schedule.epochs=3"))
    likewise.train(photos, tmp_path / "more", quick_recipe(*constant, "schedule.epochs=2"))
    longer = likewise.train(photos, tmp_path / "more", resume=True, epochs=3)
    assert (longer.finished, longer.epochs) == (True, 3)
    same_end(tmp_path / "three", tmp_path / "more")
    texts = [(tmp_path / run / "recipe.yaml").read_text() for run in ("three", "more")]
    assert texts[0] == texts[1]


def test_learning_rates_follow_the_new_schedule(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    recipe = recipe_file(tmp_path / "r.yaml", "schedule.warmup_epochs=0", "schedule.final=0",
                         "optimizer.lr=0.01", "schedule.epochs=2")  # fmt: skip
    given = ["train", str(photos), "--out", str(run)]
    for more in (["--recipe", str(recipe)], ["--resume", "--epochs", "4"]):
        with pytest.raises(SystemExit) as ended:
            main([*given, *more])
        assert ended.value.code == 0
    line = "continues to 4 epochs instead of 2: the learning rate is now 0.005, not 0"
    assert line in capsys.readouterr().err
    steps = reports(run)[-1]["step"]
    rates = [report["lr"] for report in reports(run)[1:]]  # the first holds the baselines
    for rate, epoch, epochs in zip(rates, (1, 2, 3, 4), (2, 2, 4, 4), strict=True):
        last = epoch * steps // 4 - 1  # the step that the report tells the rate of
        assert rate == pytest.approx(
            0.01 * 0.5 * (1 + math.cos(math.pi * last / (epochs * steps // 4)))
        )


def test_a_stopped_run_can_be_shortened(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, steps = tmp_path / "run", Trainer.step

    def step_then_stop(self: Trainer, *given: Any) -> Any:
        outcome = steps(self, *given)
        if self.step_number in (1, 3):
            signal.raise_signal(signal.SIGTERM)
        return outcome

    monkeypatch.setattr(Trainer, "step", step_then_stop)
    assert not likewise.train(photos, run, quick_recipe(*SETTINGS, "schedule.epochs=9")).finished
    assert not likewise.train(photos, run, resume=True, epochs=2).finished
    assert likewise.load_recipe(run / "recipe.yaml").schedule.epochs == 2
    assert likewise.train(photos, run, resume=True).epochs == 2


def test_wrong_use(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    likewise.train(photos, run, quick_recipe(*SETTINGS, "schedule.epochs=9"), epochs=2)
    text = (run / "recipe.yaml").read_text()
    assert "epochs: 2 " in text
    assert likewise.train(photos, run, resume=True, epochs=2).epochs == 2  # no news
    with pytest.raises(InputError, match="epochs: 1; the run has completed 2"):
        likewise.train(photos, run, resume=True, epochs=1)
    with pytest.raises(InputError, match="epochs: 0; must be a whole number of at least 1"):
        likewise.train(photos, run, resume=True, epochs=0)
    with pytest.raises(SystemExit) as ended:
        main(["train", str(photos), "--out", str(run), "--resume", "--epochs", "3",
              "--set", "optimizer.lr=1"])  # fmt: skip
    assert ended.value.code == 2
    assert "of which only the length may change" in capsys.readouterr().err
    assert (run / "recipe.yaml").read_text() == text


def test_a_run_ended_by_patience_is_not_resumed(tmp_path: Path) -> None:
    photos, run = make_photos(tmp_path / "photos", people=13, each=2), tmp_path / "run"
    recipe = quick_recipe("data.val_identities=10", "schedule.epochs=9", "training.patience=1",
                          "optimizer.lr=1e-9", "augment.flip=0")  # fmt: skip
    ended = likewise.train(photos, run, recipe).epochs
    assert ended < 9
    with pytest.raises(InputError, match=rf"patience=1 ended the run after epoch {ended}"):
        likewise.train(photos, run, resume=True, epochs=20)
