"""A stop during a validation does not wait for its end, and the run resumes exactly."""

from __future__ import annotations

import json
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import likewise
from likewise.models import inference
from likewise.training.result import TrainingResult
from likewise.training.selection.model_selection import ModelSelection
from tests.conftest import make_photos, quick_recipe
from tests.gloo import free_port, together
from tests.integration.runs import reports, same_end

SETTINGS = ("schedule.epochs=3", "training.ema=0.9", "model.dropout=0.3", "data.val_identities=2")
FORWARD = inference.forward
USERS = ("likewise.models.embedder.forward", "likewise.models.inference.forward")


def stopped_at(
    validation: int, monkeypatch: pytest.MonkeyPatch, photos: Path, run: Path, *settings: str
) -> tuple[TrainingResult, int]:
    """A run with a stop at the start of a validation (from 1), and the number of forward passes."""
    begun = embedded = 0

    def forward(*given: Any, **options: Any) -> Any:
        nonlocal begun, embedded
        begun += 1
        if begun == validation:
            signal.raise_signal(signal.SIGINT)
        vectors = FORWARD(*given, **options)
        embedded += 1
        return vectors

    with monkeypatch.context() as patch:
        for name in USERS:
            patch.setattr(name, forward)
        return likewise.train(photos, run, quick_recipe(*SETTINGS, *settings)), embedded


@pytest.mark.parametrize("settings", [(), ("data.keep_mib=0",)])
@pytest.mark.parametrize("validation", [2, 3])
def test_a_stopped_validation_is_repeated(
    validation: int, settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_photos(tmp_path / "photos", people=6)
    likewise.train(photos, tmp_path / "whole", quick_recipe(*SETTINGS, *settings))
    part = tmp_path / "part"
    result, embedded = stopped_at(validation, monkeypatch, photos, part, *settings)
    assert (result.finished, result.stopped_by) == (False, signal.SIGINT)
    assert embedded == validation - 1
    assert result.epochs == validation
    assert [line["epoch"] for line in reports(part)] == list(range(validation))
    torch.manual_seed(999)
    assert likewise.train(photos, part, resume=True).finished
    same_end(tmp_path / "whole", part)


def test_a_crash_after_a_validation_leaves_one_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validated and reported, but not yet saved: the next attempt reports it again."""
    photos = make_photos(tmp_path / "photos", people=6)
    likewise.train(photos, tmp_path / "whole", quick_recipe(*SETTINGS))
    part = tmp_path / "part"
    stopped_at(2, monkeypatch, photos, part)
    after = ModelSelection.after_epoch

    def crash(self: ModelSelection, report: dict[str, float], *given: Any) -> bool:
        after(self, report, *given)
        with (part / "log.jsonl").open("a") as stream:
            stream.write(json.dumps({"step": self.trainer.step_number, "epoch": 2}) + "\n")
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(ModelSelection, "after_epoch", crash)
        with pytest.raises(ZeroDivisionError):
            likewise.train(photos, part, resume=True)
    assert likewise.train(photos, part, resume=True).finished
    same_end(tmp_path / "whole", part)


def stopped_and_resumed(folder: Path, ports: list[int], rank: int, world: int) -> list[int | None]:
    """A whole run; one in which rank 0 sends rank 1 a signal to stop; and its continuation."""
    (folder / f"{rank}.pid").write_text(str(os.getpid()))
    begun = 0

    def forward(*given: Any, **options: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun == 2:
            os.kill(int((folder / "1.pid").read_text()), signal.SIGTERM)
            time.sleep(1.0)
        return FORWARD(*given, **options)

    stopped = []
    for port, name, resume in zip(ports, ("whole", "part", "part"), (0, 0, 1), strict=True):
        os.environ["MASTER_PORT"] = str(port)
        recipe = None if resume else quick_recipe(*SETTINGS, "schedule.epochs=2")
        with pytest.MonkeyPatch.context() as patch:
            for user in USERS:
                patch.setattr(user, forward if len(stopped) == 1 else FORWARD)
            run = likewise.train(folder / "photos", folder / name, recipe, resume=bool(resume))
        assert run.finished == (run.stopped_by is None)
        stopped.append(run.stopped_by)
    return stopped


def test_any_rank_can_request_the_stop(tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", people=6)
    work = partial(stopped_and_resumed, tmp_path, [free_port() for _ in range(3)])
    assert together(work, 2, tmp_path, met=False) == [[None, 15, None]] * 2
    same_end(tmp_path / "whole", tmp_path / "part")
