"""A run shows itself: its result, and its log as a table and as curves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot

from likewise.errors import InputError
from likewise.training.result import TrainingResult
from tests.pages.test_shown import assert_on_a_screen


@pytest.fixture
def result(tmp_path: Path) -> TrainingResult:
    lines: list[dict[str, object]] = [
        {"step": 3, "train/loss": 2.0},
        {"step": 6, "train/loss": 1.0, "val/auc": 0.75},
        {"step": 9, "train/loss": 0.5, "val/auc": 0.875},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "log.jsonl").write_text(text + '{"step": 12, "trai')  # cut off by a crash
    return TrainingResult(tmp_path, 3, True, 0.875, [], 5, 20, steps=9, validation_people=3)


def test_the_log_is_a_table(result: TrainingResult) -> None:
    table = result.to_pandas()
    assert table["step"].tolist() == [3, 6, 9]
    assert table["val/auc"].isna().tolist() == [True, False, False]


def test_the_curves_are_those_of_the_log(result: TrainingResult) -> None:
    (loss,), (auc,) = result.plot_loss().lines, result.plot_validation(label="mine").lines
    assert np.asarray(loss.get_xydata()).tolist() == [[3, 2.0], [6, 1.0], [9, 0.5]]
    assert np.asarray(auc.get_xydata()).tolist() == [[6, 0.75], [9, 0.875]]
    pyplot.close("all")
    with pytest.raises(InputError, match="its log has no val/teacher"):
        replace(result, measure="teacher").plot_validation()


def test_a_run_shows_itself(result: TrainingResult) -> None:
    shown = assert_on_a_screen(result)
    assert shown.tags.count("svg") == 2
    assert "validation AUC on 3 unseen identities: 0.8750" in repr(result)
    stopped = replace(result, finished=False, validation=None, folder=result.folder / "moved")
    assert "continue it with resume=True" in repr(stopped)
    assert "compared with nothing" in repr(stopped)
    assert assert_on_a_screen(stopped).tags.count("svg") == 0
