"""Progress: a bar on a terminal, lines from time to time elsewhere."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import likewise
from likewise.progress import progress
from tests.conftest import make_photos, quick_recipe


class Clock:
    """A clock that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_lines_come_after_ten_seconds_at_growing_intervals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    told: list[float] = []
    with progress("embedding", total=1_000_000) as advance:
        for _ in range(100_000):
            clock.now += 1
            advance(10)
            if err := capsys.readouterr().err:
                told.append(clock.now - 100)
                if len(told) == 1:
                    assert err == (
                        "embedding: 100 of 1,000,000 images, 10 images/s, 27 h 46 min left\n"
                    )
    assert told[:10] == list(range(10, 101, 10))
    assert told[10:13] == [112, 125, 139]  # a tenth of the time so far
    assert told[-1] - told[-2] == 600
    assert len(told) < 210


def test_short_work_prints_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with progress("reading", total=9) as advance:
        for _ in range(9):
            clock.now += 1
            advance(1)
    assert capsys.readouterr() == ("", "")


def test_items_done_before_do_not_count_for_the_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with progress("training", total=1000, done=900) as advance:
        advance.show("epoch 10/10, loss 0.5")
        clock.now += 10
        advance(20)
    assert capsys.readouterr().err == (
        "training: epoch 10/10, loss 0.5; 920 of 1,000 images, 2 images/s, 40 s left\n"
    )


def test_only_rank_0_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setenv("RANK", "1")
    with progress("training", total=100) as advance:
        advance.say("hello")
        clock.now += 60
        advance(50)
    assert capsys.readouterr() == ("", "")


def trained(tmp_path: Path) -> Path:
    photos = make_photos(tmp_path / "photos", people=6)
    return likewise.train(photos, tmp_path / "run", quick_recipe("data.val_identities=2")).folder


def test_a_run_prints_its_state_and_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("likewise.progress.LEAST", 0.0)
    monkeypatch.setattr("likewise.progress.MOST", 0.0)
    run = trained(tmp_path)
    first, *lines = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("training")
    ]
    assert first == f"training on 16 photos of 4 identities; log: {run / 'train.log'}"
    assert lines[0].startswith("training: epoch 1/2, loss ")
    assert "; 6 of 24 images, " in lines[0]
    assert lines[-1].startswith("training: epoch 2/2, loss ")
    assert ", validation AUC " in lines[-1]
    assert lines[-1].endswith(" left")


def test_the_bar_on_a_terminal_shows_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")

    def isatty(_: Any) -> bool:
        return True

    monkeypatch.setattr(type(sys.stderr), "isatty", isatty)
    run = trained(tmp_path)
    shown = capsys.readouterr().err
    assert str(run / "train.log") in shown.replace("\n", "")  # a long path is broken
    assert "images/s" in shown
    auc = json.loads((run / "log.jsonl").read_text().splitlines()[-1])["val/auc"]
    last = [line for line in shown.splitlines() if "epoch 2/2, loss " in line][-1]
    assert last.endswith(f", validation AUC {auc:.4f}")  # in one line, and of the last epoch
