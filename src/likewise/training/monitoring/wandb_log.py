"""Logging to Weights & Biases: an optional extra, off by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from likewise.errors import MissingExtra
from likewise.storage import write_text
from likewise.training.monitoring.tracker import numbers_of

__all__ = ["WandbLog"]

RUN_ID = "wandb-run.txt"


class WandbLog:
    """Sends the numbers of each report to a project; a resumed run keeps its id.

    Only numbers and the recipe leave the machine: no photos, no names, no code. The settings of
    wandb decide whether and where they are sent (``WANDB_MODE=offline`` keeps them local).

    Args:
        folder: of the run.
        project: its name.
        config: the recipe as plain values.

    Raises:
        MissingExtra: wandb is not installed.
    """

    def __init__(self, folder: Path, project: str, config: dict[str, Any]) -> None:
        try:
            import wandb
        except ImportError as error:
            raise MissingExtra("training.wandb", "wandb") from error
        known = folder / RUN_ID
        if not known.exists():
            write_text(known, uuid4().hex[:16] + "\n")
        self._run = wandb.init(
            project=project,
            name=folder.name,
            dir=str(folder),
            id=known.read_text(encoding="utf-8").strip(),
            resume="allow",
            config=config,
            settings=wandb.Settings(disable_code=True, disable_git=True, console="off"),
        )

    def report(self, step: int, values: dict[str, Any]) -> None:
        """Send the numbers of a report."""
        self._run.log(numbers_of(values), step=step)

    def close(self, *, finished: bool) -> None:  # noqa: ARG002  # it knows no stopped runs
        """Finish the run at Weights & Biases."""
        self._run.finish()
