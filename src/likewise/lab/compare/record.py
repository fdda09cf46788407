"""What is kept of a run: one JSON file, there in whole or not at all."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from likewise.errors import InputError
from likewise.lab.compare.candidates import Choice
from likewise.lab.compare.measure import Measured
from likewise.storage import read_json, write_json

__all__ = ["CurvePoint", "Key", "Record", "file_name"]

Stage = Literal["trial", "run"]


def file_name(label: str) -> str:
    """A label as the name of a file or folder."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", label)


@dataclass(frozen=True)
class Key:
    """Which run: a trial of the tuning, or a final run.

    Args:
        label: of the candidate.
        fold: from 1.
        stage: ``trial`` or ``run``.
        number: of the trial, or the seed.
    """

    label: str
    fold: int
    stage: Stage
    number: int

    def path(self, folder: Path) -> Path:
        """Where its record is kept."""
        return folder / file_name(self.label) / f"fold{self.fold}-{self.stage}{self.number}.json"

    def __str__(self) -> str:
        kind = "trial" if self.stage == "trial" else "seed"
        return f"{self.label}, fold {self.fold}, {kind} {self.number}"


@dataclass(frozen=True)
class CurvePoint:
    """Where a run stood.

    Args:
        epoch: after how many.
        loss: the mean training loss of the last of them.
        auc: on the identities that it is measured on.
    """

    epoch: int
    loss: float
    auc: float


@dataclass(frozen=True)
class Record:
    """A finished run, or one that failed.

    Args:
        key: which.
        choice: what it was trained with.
        error: why it failed; empty if it did not.
        measured: its numbers; None if it failed.
        curve: where it stood on the way.
        epochs: how many it was to take.
        images_per_s: the median over epochs.
        step_bytes: the most that the tensors of one training step take; None for a trial.
    """

    key: Key
    choice: Choice
    epochs: int
    error: str = ""
    measured: Measured | None = None
    curve: tuple[CurvePoint, ...] = ()
    images_per_s: float | None = None
    step_bytes: int | None = None

    def save(self, folder: Path) -> None:
        """Write it; only then has the run taken place."""
        write_json(self.key.path(folder), asdict(self))

    @classmethod
    def load(cls, folder: Path, key: Key, choice: Choice, epochs: int) -> Record | None:
        """The record of this run, if it has taken place.

        Raises:
            InputError: the file is damaged, or of a run with other settings.
        """
        path = key.path(folder)
        if not path.exists():
            return None
        values = read_json(path)
        try:
            found = _from_dict(values)
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: is no record of a run; delete it to run it again") from None
        if (found.key, found.choice, found.epochs) != (key, choice, epochs):
            raise InputError(
                f"{path}: of a run with other settings ({found.choice.describe()}, "
                f"{found.epochs} epochs); choose another place with --out"
            )
        return found


def _from_dict(values: dict[str, Any]) -> Record:
    measured = values["measured"]
    return Record(
        key=Key(**values["key"]),
        choice=Choice(**values["choice"]),
        epochs=int(values["epochs"]),
        error=str(values["error"]),
        measured=None if measured is None else Measured(**measured),
        curve=tuple(CurvePoint(**point) for point in values["curve"]),
        images_per_s=values["images_per_s"],
        step_bytes=values["step_bytes"],
    )
