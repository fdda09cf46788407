"""SIGKILL in the middle of an epoch: the resumed run ends with the same bits."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.conftest import make_photos
from tests.integration.runs import Run, same_end, write_recipe


@pytest.mark.parametrize("steps_before", [pytest.param(5, marks=pytest.mark.slow), 23])
def test_a_killed_run_resumes_to_the_same_weights(steps_before: int, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=8)
    # 15 epochs of 4 steps, so that the kill comes within them.
    recipe = write_recipe(tmp_path / "recipe.yaml", "schedule.epochs=15")
    whole = Run(photos, tmp_path / "whole", "--recipe", str(recipe))
    killed = Run(photos, tmp_path / "killed", "--recipe", str(recipe))
    assert killed.until(lambda: killed.steps() >= steps_before)
    killed.process.send_signal(signal.SIGKILL)
    assert killed.end()[0] == -signal.SIGKILL
    assert steps_before <= killed.steps() < 60

    code, out, _ = Run(photos, tmp_path / "killed", "--resume", "--json").end()
    assert code == 0
    assert json.loads(out)["finished"] is True
    assert whole.end()[0] == 0
    same_end(tmp_path / "whole", tmp_path / "killed")
