"""A resumed run: the photos that it started with, and another length."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.storage import sha256_of, write_text
from likewise.training.checkpoints.reader import INDEX, Checkpoint
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe, Schedule, load_recipe
from likewise.training.setup.photo_record import PHOTOS, PhotoRecord, listing_changes, read_records
from likewise.training.setup.run_folder import CHECKPOINTS, MODEL, RECIPE
from likewise.training.step.schedule import lr_factor, total_steps
from likewise.training.trainer import Trainer

__all__ = ["ResumedRun", "change_length", "place_of", "read_resumed_run"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResumedRun:
    """What a resumed run started with.

    Args:
        folder: of the run.
        preprocess: from photos to the network's input.
        records: the photos for training and those for validation; None if they are not recorded.
    """

    folder: Path
    preprocess: Preprocess
    records: tuple[PhotoRecord, PhotoRecord] | None

    def require_same_listing(self, training: Manifest, held_out: Manifest) -> None:
        """Check that the photos have the names and identities that the run started with.

        Raises:
            InputError: they differ; names the photos that are missing, new or of another person.
        """
        if self.records is not None:
            self.refuse(listing_changes(self.records, [training, held_out]))

    def readable(self, training: Manifest) -> Manifest:
        """The training photos that could be read when the run started."""
        if self.records is None or not len(self.records[0].bad):
            return training
        return training.take(np.setdiff1d(np.arange(len(training)), self.records[0].bad))

    def refuse(self, changes: Sequence[str]) -> None:
        """Refuse photos that have changed.

        Args:
            changes: a phrase for each kind of change.

        Raises:
            InputError: there are changes.
        """
        if changes:
            raise InputError(
                f"{self.folder}: the photos are not those that the run began with: "
                f"{'; '.join(changes)}. Put them back, or begin a new run with the weights of this "
                f"one: --set model.weights={self.folder / MODEL} and another --out"
            )


def read_resumed_run(folder: Path, *, warn: bool = True) -> ResumedRun | None:
    """What the run in ``folder`` started with, from its newest checkpoint.

    Args:
        folder: of the run.
        warn: whether to warn if the list of photos is missing.

    Returns:
        None without a checkpoint, or if its version of Likewise did not record it.

    Raises:
        InputError: the list of photos is damaged or of another run.
    """
    for path in sorted((folder / CHECKPOINTS).glob(f"step-*/{INDEX}"), reverse=True):
        try:
            values = Checkpoint.read(path.parent).values
        except InputError:
            continue  # restoring warns of it
        if "preprocess" not in values:
            return None
        records = _records(folder, values, warn=warn)
        return ResumedRun(folder, Preprocess.from_dict(values["preprocess"]), records)
    return None


def _records(
    folder: Path, values: dict[str, Any], *, warn: bool
) -> tuple[PhotoRecord, PhotoRecord] | None:
    path = folder / PHOTOS
    if not path.exists():
        if warn:
            log.warning("%s is missing: the photos cannot be compared with those of the run", path)
        return None
    if sha256_of(path) != values.get("photos"):
        raise InputError(f"{path}: damaged, or of another run; put it back, or remove it")
    return read_records(path)


def change_length(
    folder: Path, recipe: Recipe, trainer: Trainer, processes: Processes, steps_per_epoch: int
) -> str:
    """Write a new length into the recipe of a resumed run, and set its place for it.

    Args:
        folder: of the run.
        recipe: with the new length.
        trainer: restored from the checkpoint.
        processes: of the run.
        steps_per_epoch: of the run.

    Returns:
        One line that describes the change; "" if the length is the same.

    Raises:
        InputError: the run is as long already, or was stopped by its patience.
    """
    own = processes.together(lambda: load_recipe(folder / RECIPE))
    before, now = own.schedule, recipe.schedule
    if _length(before) == _length(now):
        return ""
    processes.together(lambda: _require_steps_left(recipe, before, trainer, steps_per_epoch))
    with processes.rank_zero_only() as mine:
        if mine:
            training = own.training.model_copy(
                update={"validate_every": recipe.training.validate_every}
            )
            update = {"schedule": recipe.schedule, "training": training}
            write_text(folder / RECIPE, own.model_copy(update=update).to_yaml())
    trainer.state.epoch, trainer.state.batch = divmod(
        place_of(trainer, before, steps_per_epoch), steps_per_epoch
    )
    peak, step = recipe.optimizer.lr, trainer.step_number
    return describe_new_length(before, now, peak, step, steps_per_epoch)


def place_of(trainer: Trainer, schedule: Schedule, steps_per_epoch: int) -> int:
    """The batches that a run has done; ``schedule`` is that of the run so far."""
    place = trainer.epoch * steps_per_epoch + trainer.state.batch
    return min(place, total_steps(schedule, steps_per_epoch))  # its last epoch may be short


def _length(schedule: Schedule) -> tuple[str, int]:
    return ("steps", schedule.steps) if schedule.steps else ("epochs", schedule.epochs)


def _require_steps_left(recipe: Recipe, before: Schedule, trainer: Trainer, each: int) -> None:
    name, count = _length(recipe.schedule)
    done, patience = place_of(trainer, before, each), recipe.training.patience
    if total_steps(recipe.schedule, each) <= done:
        trained = trainer.epoch if name == "epochs" else done
        raise InputError(
            f"{name}: {count}; the run has completed {trained}: set more, or leave {name} out"
        )
    if 0 < patience <= trainer.best.waited:
        raise InputError(
            f"{name}: {count}; training.patience={patience} ended the run after epoch "
            f"{trainer.epoch}: begin a new one from its model, with --set model.weights=RUN/model"
        )


def describe_new_length(
    before: Schedule, now: Schedule, lr: float, step: int, steps_per_epoch: int
) -> str:
    """One line on a new number of epochs or steps and the change of the learning rate.

    Args:
        before: the schedule so far.
        now: the new schedule.
        lr: the peak learning rate.
        step: the number of the next step, from 0.
        steps_per_epoch: of the run.

    Example:
        >>> from likewise.training.setup.resume import describe_new_length
        >>> from likewise.training.recipe.recipe import Schedule
        >>> describe_new_length(Schedule(epochs=20), Schedule(epochs=40), 1e-3, 200, 10)
        'continues to 40 epochs instead of 20: the learning rate is now 0.000525, not 1e-05'
    """
    was, is_now = (lr * lr_factor(schedule, step, steps_per_epoch) for schedule in (before, now))
    (old, count), (new, target) = _length(before), _length(now)
    unit = "" if old == new else f" {old}"
    text = f"continues to {target} {new} instead of {count}{unit}: the learning rate "
    if was == is_now:
        return f"{text}stays at {was:.3g}"
    return f"{text}is now {is_now:.3g}, not {was:.3g}"
