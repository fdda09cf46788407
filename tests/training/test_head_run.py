"""Runs with sampled or memory-mapped class weights: they finish, and resume exactly."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import likewise
from likewise.errors import InputError
from likewise.training.trainer import Trainer
from tests.conftest import make_photos, quick_recipe

HEADS = {
    "sampled": ("head.sample=0.7",),
    "sampled with sgd": ("head.sample=0.7", "optimizer.name=sgd", "loss.name=arcface"),
    "on disk": ("head.sample=0.7", "head.storage=mmap", "head.moments=row"),
    "all on disk": ("head.storage=mmap",),
    "row moments": ("head.moments=row",),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_stopped_run_resumes_exactly(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    recipe = quick_recipe("schedule.epochs=3", *HEADS[name])
    likewise.train(photos, tmp_path / "whole", recipe)
    steps = Trainer.step

    def step_then_stop(self: Trainer, *args: Any) -> Any:
        outcome = steps(self, *args)
        if self.step_number == 4:
            signal.raise_signal(signal.SIGINT)
        return outcome

    monkeypatch.setattr(Trainer, "step", step_then_stop)
    assert not likewise.train(photos, tmp_path / "part", recipe).finished
    monkeypatch.setattr(Trainer, "step", steps)
    torch.manual_seed(999)
    assert likewise.train(photos, tmp_path / "part", resume=True).finished
    one, other = (
        load_file(tmp_path / run / "model" / "model.safetensors") for run in ("whole", "part")
    )
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert not [path for path in (tmp_path / "part").rglob("*rows-*") if path.is_file()]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (("loss.name=triplet", "head.sample=0.5"), "triplet: its classes cannot be sampled"),
        (("loss.name=softmax", "head.storage=mmap"), "softmax: its classes cannot be sampled"),
        (("optimizer.name=sgd", "head.moments=row"), "head.moments: row; sgd keeps no second"),
    ],
)
def test_useless_settings_are_refused(
    settings: tuple[str, ...], problem: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=problem) as error:
        likewise.train(photos, tmp_path / "run", quick_recipe(*settings))
    assert "\n" not in str(error.value)
