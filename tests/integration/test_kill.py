"""SIGKILL in the middle of an epoch: the resumed run ends with the same bits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from likewise.training.checkpoint import load_checkpoint
from tests.conftest import make_photos, quick_recipe


def command(photos: Path, run: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "likewise", "train", str(photos), "--out", str(run), *more]


@pytest.mark.parametrize("steps_before", [5, 23])
def test_a_killed_run_resumes_to_the_same_weights(steps_before: int, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=8)
    recipe = tmp_path / "recipe.yaml"
    # A checkpoint after every step; 15 epochs of 4 steps, so that the kill comes within them.
    recipe.write_text(
        quick_recipe(
            "schedule.epochs=15",
            "training.checkpoint_minutes=1e-9",
            "training.ema=0.9",
            "model.dropout=0.3",
            "data.val_identities=2",
        ).to_yaml()
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole = command(photos, tmp_path / "whole", "--recipe", str(recipe))
    subprocess.run(whole, check=True, capture_output=True, env=environment)

    killed = tmp_path / "killed"
    process = subprocess.Popen(
        command(photos, killed, "--recipe", str(recipe)),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    checkpoint = killed / "checkpoint.safetensors"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if checkpoint.exists() and load_checkpoint(checkpoint)[1]["step"] >= steps_before:
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    at = load_checkpoint(checkpoint)[1]["step"]
    assert steps_before <= at < 60

    out = subprocess.run(
        [*command(photos, killed, "--resume"), "--json"],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert json.loads(out.stdout)["finished"] is True
    runs = (tmp_path / "whole", killed)
    left, right = (load_file(run / "checkpoint.safetensors") for run in runs)
    assert all(torch.equal(left[name], right[name]) for name in left)
    logs = [
        [
            {k: v for k, v in json.loads(line).items() if k != "images_per_s"}
            for line in (run / "log.jsonl").read_text().splitlines()
        ]
        for run in runs
    ]
    assert logs[0] == logs[1]
    models = [load_file(r / "model" / "model.safetensors") for r in runs]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
