"""Runs of ``likewise train`` as child processes: started, killed, resumed, compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.processes import Processes
from tests.conftest import quick_recipe

__all__ = ["Run", "same_end", "write_recipe"]

CLOCK = ("images_per_s", "data_wait", "seconds_left")


def write_recipe(path: Path, *settings: str) -> Path:
    """A recipe with a checkpoint after every step, and everything that has a state."""
    recipe = quick_recipe(
        "training.checkpoint_minutes=1e-9",
        "training.ema=0.9",
        "model.dropout=0.3",
        "data.val_identities=2",
        *settings,
    )
    path.write_text(recipe.to_yaml())
    return path


class Run:
    """One attempt at a run, as a process."""

    def __init__(
        self,
        photos: Path,
        out: Path,
        *arguments: str,
        module: str = "likewise",
        new_group: bool = False,
    ) -> None:
        self.out = out
        starter = [sys.executable, "-m", *module.split()]
        command = [*starter, "train", str(photos), "--out", str(out), *arguments]
        environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE")}
        self.process = subprocess.Popen(
            command,
            env={**environment, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=new_group,
        )

    def end(self, timeout: float = 120) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        finally:
            self.process.kill()
        return self.process.returncode, out, err

    def steps(self) -> int:
        """The newest step of which there is a checkpoint."""
        return newest_step(self.out)

    def until(self, condition: Callable[[], bool], timeout: float = 90) -> bool:
        """Wait for it; False if the process ended before."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            if self.process.poll() is not None:
                return condition()
            time.sleep(0.005)
        return True

    def children(self) -> list[int]:
        """The process ids of its children, in the order of their ranks."""
        threads = Path(f"/proc/{self.process.pid}/task")  # a child is listed with its thread
        try:
            found = [
                int(p) for t in threads.iterdir() for p in (t / "children").read_text().split()
            ]
        except OSError:
            return []
        return sorted(found)


def newest_step(out: Path) -> int:
    return max((int(path.name[5:13]) for path in whole(out)), default=0)


def whole(out: Path) -> list[Path]:
    return Checkpoints(out / "checkpoints", Processes()).present()


def reports(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in CLOCK} for line in lines]


def tensors(out: Path) -> dict[str, torch.Tensor]:
    """All tensors of the newest checkpoint, by file and name."""
    newest = Checkpoints(out / "checkpoints", Processes()).newest()
    assert newest is not None
    return {
        f"{file}:{name}": tensor
        for file in newest.files
        for name, tensor in load_file(newest.folder / file).items()
    }


def same_end(one: Path, other: Path) -> None:
    """Both runs ended with the same bits: checkpoint, model and log."""
    left, right = tensors(one), tensors(other)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name
    assert reports(one) == reports(other)
    models = [load_file(run / "model" / "model.safetensors") for run in (one, other)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
