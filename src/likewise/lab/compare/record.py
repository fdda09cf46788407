"""The record of a run: one JSON file, written atomically."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from likewise.errors import InputError
from likewise.lab.compare.candidates import Choice
from likewise.lab.compare.metrics import RunMetrics
from likewise.storage import read_json, write_json

__all__ = ["CurvePoint", "Key", "Record", "file_name"]

Stage = Literal["trial", "run"]


def file_name(label: str) -> str:
    """A label as a valid name of a file or folder."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", label)


@dataclass(frozen=True)
class Key:
    """The key of a run: a trial of the tuning, or a final run.

    Args:
        label: of the candidate.
        fold: its number, from 1.
        stage: ``trial`` or ``run``.
        number: of the trial, or the seed of a final run.
    """

    label: str
    fold: int
    stage: Stage
    number: int

    def path(self, folder: Path) -> Path:
        """The path of the record."""
        return folder / file_name(self.label) / f"fold{self.fold}-{self.stage}{self.number}.json"

    def __str__(self) -> str:
        kind = "trial" if self.stage == "trial" else "seed"
        return f"{self.label}, fold {self.fold}, {kind} {self.number}"


@dataclass(frozen=True)
class CurvePoint:
    """A point of the learning curve.

    Args:
        epoch: number of epochs trained.
        loss: mean training loss of the last epoch.
        auc: verification AUC on the identities held out from this run.
    """

    epoch: int
    loss: float
    auc: float


@dataclass(frozen=True)
class Record:
    """A finished run, or one that failed.

    Args:
        key: of the run.
        choice: its hyperparameters.
        epochs: planned number of epochs.
        error: why it failed; empty if it did not.
        measured: its metrics; None if it failed.
        curve: the learning curve.
        images_per_s: training throughput, the median over epochs.
        step_bytes: peak tensor memory of one training step; None for a trial.
    """

    key: Key
    choice: Choice
    epochs: int
    error: str = ""
    measured: RunMetrics | None = None
    curve: tuple[CurvePoint, ...] = ()
    images_per_s: float | None = None
    step_bytes: int | None = None

    def save(self, folder: Path) -> None:
        """Write the record; a run without a record is run again."""
        write_json(self.key.path(folder), asdict(self))

    @classmethod
    def load(cls, folder: Path, key: Key, choice: Choice, epochs: int) -> Record | None:
        """The record of this run; None if there is none.

        Raises:
            InputError: the file is damaged, or belongs to a run with other settings.
        """
        path = key.path(folder)
        if not path.exists():
            return None
        values = read_json(path)
        try:
            found = _from_dict(values)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: not a record of a run; delete it to run it again") from None
        if (found.key, found.choice, found.epochs) != (key, choice, epochs):
            raise InputError(
                f"{path}: belongs to a run with other settings ({found.choice.describe()}, "
                f"{found.epochs} epochs); choose another folder with --out"
            )
        return found


def _from_dict(values: dict[str, Any]) -> Record:
    measured = values["measured"]
    return Record(
        key=Key(**values["key"]),
        choice=Choice(**values["choice"]),
        epochs=int(values["epochs"]),
        error=str(values["error"]),
        measured=None if measured is None else RunMetrics(**measured),
        curve=tuple(CurvePoint(**point) for point in values["curve"]),
        images_per_s=values["images_per_s"],
        step_bytes=values["step_bytes"],
    )
