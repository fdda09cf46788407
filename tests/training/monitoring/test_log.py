"""The log: JSON lines, text, quiet ranks, and Weights & Biases on request."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import likewise
from likewise.errors import MissingExtra
from likewise.terminal import TerminalHandler
from likewise.training.monitoring.log import RunLog
from tests.conftest import quick_recipe


class FakeWandb:
    """Records what is sent, as wandb's own functions take it."""

    def __init__(self) -> None:
        self.began: list[dict[str, Any]] = []
        self.sent: list[tuple[int, dict[str, Any]]] = []
        self.finished = 0

    def init(self, **options: Any) -> SimpleNamespace:
        self.began.append(options)
        return SimpleNamespace(log=self._log, finish=self._finish)

    def Settings(self, **options: Any) -> dict[str, Any]:  # noqa: N802  # wandb's name
        return options

    def _log(self, values: dict[str, Any], step: int) -> None:
        self.sent.append((step, values))

    def _finish(self) -> None:
        self.finished += 1


def test_the_throughput_of_an_epoch_is_logged(photos: Path, tmp_path: Path) -> None:
    likewise.train(photos, tmp_path / "run", quick_recipe("schedule.epochs=3"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    for line in lines:
        assert line["images_per_s"] > 0
        assert 0 <= line["data_wait"] <= 1
        assert line["train/skipped_steps"] == 0
    assert lines[0]["seconds_left"] > 0
    assert lines[-1]["seconds_left"] == 0
    text = (tmp_path / "run" / "train.log").read_text()
    assert "epoch 3/3: loss " in text
    assert "of the time waiting for photos, 0 s left" in text


def test_reports_go_to_wandb_and_a_resumed_run_to_the_same(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    recipe = quick_recipe("schedule.epochs=6", "training.wandb=faces")
    likewise.train(photos, tmp_path / "run", recipe, profile=1)
    likewise.train(photos, tmp_path / "run", resume=True)
    first, second = fake.began
    assert first["project"] == "faces"
    assert first["name"] == "run"
    assert first["config"]["schedule"]["epochs"] == 6
    assert first["id"] == second["id"]
    assert first["settings"]["disable_code"]
    assert fake.finished == 2
    assert [step for step, _ in fake.sent] == [2, 4, 6, 8, 10, 12]
    for _, values in fake.sent:
        assert {"train/loss", "images_per_s", "data_wait", "lr"} <= set(values)
        assert all(isinstance(value, int | float) for value in values.values())


def test_wandb_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    before = list(logging.getLogger("likewise").handlers)
    with pytest.raises(MissingExtra, match=r"training.wandb needs .*likewise\[wandb\]"):
        RunLog(tmp_path, wandb="faces")
    assert logging.getLogger("likewise").handlers == before


def test_a_quiet_rank_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    log = RunLog(tmp_path, wandb="faces", quiet=True)
    logging.getLogger("likewise.training").warning("not for you")
    log.report(1, {"train/loss": 1.0})
    log.close()
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""
    assert logging.getLogger("likewise").propagate


def test_a_warning_is_shown_once_under_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [TerminalHandler()])
    for quiet in (False, True):  # the first process, and another one under torchrun
        log = RunLog(tmp_path, quiet=quiet)
        logging.getLogger("likewise.training.monitoring.watch").warning("for everyone")
        log.close()
    assert capsys.readouterr().err == "warning: for everyone\n"


def test_warnings_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog(tmp_path)
    logger = logging.getLogger("likewise.training.monitoring.watch")
    logger.info("for the file")
    logger.warning("for everyone")
    log.close()
    assert capsys.readouterr().err == "warning: for everyone\n"
    text = (tmp_path / "train.log").read_text()
    assert "INFO for the file" in text
    assert "WARNING for everyone" in text
