"""Chaos: SIGKILL at random moments, many times; the result is that of a run without it.

The launcher, one of its processes, or all of them at once are killed, then the run is resumed.
With the same number of processes the result has the same bits as that of a run without it; with
other numbers in between, the loss curve agrees within noise. No unreadable file is ever left.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from likewise.training.checkpoints.reader import Checkpoint
from likewise.training.recipe.recipe import load_recipe
from tests.conftest import make_photos
from tests.integration.runs import Run, newest_step, reports, same_end, whole, write_recipe


def everything_is_readable(out: Path) -> None:
    """Every checkpoint that says it is one is one; the rest of the folder can be read too."""
    for folder in whole(out):
        checkpoint = Checkpoint.read(folder)
        checkpoint.verify()
        assert checkpoint.values["step"] == int(folder.name[5:13])
    load_recipe(out / "recipe.yaml")


def kill_somebody(run: Run, chance: random.Random) -> None:
    """The launcher, one of the processes, or everybody."""
    victims = [run.process.pid, *run.children()]
    for pid in victims if chance.random() < 0.3 else [chance.choice(victims)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert run.end()[0] != 0


def chaos(
    photos: Path, out: Path, start: list[str], kills: int, counts: list[int], last: int, seed: int
) -> int:
    """Kill so many times, each after some progress; returns how many hit a run at work."""
    chance = random.Random(seed)
    hits, arguments = 0, start
    for number in range(kills):
        run = Run(photos, out, *arguments, "--processes", str(counts[number % len(counts)]))
        before = newest_step(out)
        # Some way on, so that all kills find steps to interrupt, then a random moment.
        aim = before + max(1, (last - before) // (2 * (kills - number) + 1))
        if not run.until(lambda run=run, aim=aim: run.steps() >= aim):
            code, _, err = run.end()
            assert code == 0, err
            break
        time.sleep(chance.random() * 0.1)
        kill_somebody(run, chance)
        everything_is_readable(out)
        hits += 1
        arguments = ["--resume"]
    code, _, err = Run(photos, out, "--resume", "--processes", "2").end()
    assert code == 0, err
    return hits


def settings(epochs: int) -> list[str]:
    return [f"schedule.epochs={epochs}", "optimizer.lr=3e-4", "data.val_identities=2"]


@pytest.mark.parametrize(
    ("kills", "epochs"), [(2, 8), pytest.param(30, 120, marks=pytest.mark.slow)]
)
def test_the_end_has_the_same_bits(kills: int, epochs: int, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=8)
    recipe = write_recipe(tmp_path / "recipe.yaml", *settings(epochs))
    peaceful = Run(photos, tmp_path / "peace", "--recipe", str(recipe), "--processes", "2")
    code, _, err = peaceful.end(300)
    assert code == 0, err
    start = ["--recipe", str(recipe)]
    hits = chaos(photos, tmp_path / "chaos", start, kills, [2], 4 * epochs, seed=kills)
    assert hits == kills
    same_end(tmp_path / "peace", tmp_path / "chaos")


@pytest.mark.slow
def test_the_loss_curve_agrees_with_other_numbers_of_processes(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=8)
    # No dropout: its masks depend on how many processes draw them.
    recipe = write_recipe(tmp_path / "recipe.yaml", *settings(60), "model.dropout=0")
    start = ["--recipe", str(recipe)]
    code, _, err = Run(photos, tmp_path / "peace", *start, "--processes", "2").end(300)
    assert code == 0, err
    hits = chaos(photos, tmp_path / "chaos", start, 9, [2, 1, 3], 4 * 60, seed=1)
    assert hits == 9
    lines = [reports(tmp_path / n) for n in ("peace", "chaos")]
    assert lines[0][0] == lines[1][0]  # the baselines
    curves = [[line["train/loss"] for line in run[1:]] for run in lines]
    assert len(curves[0]) == len(curves[1]) == 60
    for one, other in zip(*curves, strict=True):
        assert abs(one - other) <= 0.02 + 0.02 * abs(one)
