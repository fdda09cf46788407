"""When a run is saved as a checkpoint, what is saved with it, and how it is restored."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

from likewise.errors import InputError
from likewise.training.checkpoints.writer import Checkpoints
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.run_folder import CHECKPOINTS
from likewise.training.trainer import Trainer

__all__ = ["Saving"]

log = logging.getLogger(__name__)
END, BYTES_PER_S = 0.5, 100e6
UNVALIDATED = "unmeasured"  # key of a checkpoint that was saved during a validation


class Saving:
    """The checkpoints of a run.

    Args:
        trainer: of the run.
        recipe: of the run.
        folder: of the run.
        processes: of the run.
        fingerprint: of the manifest.

    Attributes:
        photos_sha256: of the file that lists the photos.
        unvalidated: the report of an epoch that is still to be validated; None: there is none.
    """

    def __init__(
        self,
        trainer: Trainer,
        recipe: Recipe,
        folder: Path,
        processes: Processes,
        fingerprint: str,
    ) -> None:
        self.trainer, self.folder, self.processes = trainer, folder, processes
        self.fingerprint, self.photos_sha256 = fingerprint, ""
        self.minutes = recipe.training.checkpoint_minutes
        keep = recipe.training.keep_checkpoints
        self.checkpoints = Checkpoints(folder / CHECKPOINTS, processes, keep)
        self.unvalidated: dict[str, float] | None = None
        self._saved_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """About how long the last checkpoint takes, on a slow disk, and the end of the run."""
        tensors = [*self.trainer.module.parameters(), *self.trainer.loss.parameters()]
        return END + 3 * sum(t.nbytes for t in tensors) / BYTES_PER_S  # with two moments

    def save(self) -> None:
        """Begin to write a checkpoint; every rank calls this after the same step.

        Raises:
            LikewiseError: the previous one could not be written: the disk is full.
        """
        values: dict[str, Any] = {
            "data": self.fingerprint,
            "photos": self.photos_sha256,
            "preprocess": self.trainer.preprocess.to_dict(),
        }
        if self.unvalidated is not None:
            values[UNVALIDATED] = json.dumps([self.unvalidated, self.trainer.guard.in_a_row])
        self.trainer.state.save(self.checkpoints, values)
        self._saved_at = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for a checkpoint; also after a failed one, to raise its error."""
        if self.checkpoints.failed:
            return True
        minutes = (time.monotonic() - self._saved_at) / 60
        return self.processes.is_rank_zero and minutes > self.minutes

    def restore(self, *, compared: bool) -> None:
        """Continue from the newest checkpoint; without one, warn that the run starts anew.

        Args:
            compared: whether the photos were compared with those that the run began with.

        Raises:
            InputError: the checkpoint is damaged, of other photos, or of another recipe.
        """
        checkpoint = self.checkpoints.newest()
        if checkpoint is None:
            if self.processes.is_rank_zero:
                log.warning("%s: no checkpoint yet; the run starts from the beginning", self.folder)
            return
        if not compared and checkpoint.values.get("data") != self.fingerprint:
            raise InputError(f"{self.folder}: the photos are not those that the run began with")
        self.processes.together(lambda: self.trainer.state.restore(checkpoint))
        if (values := checkpoint.values.get(UNVALIDATED)) is not None:
            self.unvalidated, self.trainer.guard.in_a_row = json.loads(values)
