"""SIGKILL in the middle of a comparison: resumed, it gives the same table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.conftest import make_photos
from tests.lab.compare.setups import LOSSES, run, timeless, tiny_recipe

RUNS = len(LOSSES) * 2 * 3  # folds and seeds


def test_a_killed_comparison_resumes_to_the_same_table(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=12)
    whole = timeless(run(photos, tmp_path / "whole", trials=1, seeds=3))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(tiny_recipe().to_yaml())
    killed = tmp_path / "killed"
    command = [
        sys.executable, "-m", "likewise", "compare", str(photos), "--losses", ",".join(LOSSES),
        "--recipe", str(recipe), "--seeds", "3", "--folds", "2", "--trials", "1",
        "--out", str(killed), "--json",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if len(list((killed / "runs").rglob("fold*.json"))) >= RUNS // 2:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {
        path: path.read_bytes()
        for path in (killed / "runs").rglob("*.json")
        if not path.name.startswith(".")
    }
    assert RUNS // 2 <= len(kept) < RUNS

    out = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert all(path.read_bytes() == content for path, content in kept.items())
    again: dict[str, Any] = json.loads(out.stdout)
    for row in again["rows"]:
        row["images_per_s"] = None
    assert again["rows"] == json.loads(json.dumps(whole["rows"]))
    assert (killed / "compare.html").exists()
