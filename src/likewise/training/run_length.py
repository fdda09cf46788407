"""The length of a run: that of its recipe, or the steps that fit into its time, fewer if late."""

from __future__ import annotations

import logging
import time

from likewise.progress import duration
from likewise.training.distributed.processes import Processes
from likewise.training.fitting import Deadline, fitted
from likewise.training.recipe.length import with_steps
from likewise.training.recipe.recipe import Recipe
from likewise.training.selection.model_selection import ModelSelection
from likewise.training.setup.batch_stream import BatchStream
from likewise.training.setup.prepare import Prepared, warmup_epochs
from likewise.training.step.schedule import total_epochs, total_steps
from likewise.training.stopping import StopRequest

__all__ = ["RunLength"]

log = logging.getLogger(__name__)


class RunLength:
    """How many steps a run takes; a budget sets it before the first step, and may shorten it later.

    Args:
        recipe: of the run.
        prepared: the run before its first step.
        batches: of the run.
        selection: of the run.
        processes: of the run.
        began: the ``time.monotonic()`` from which a budget counts.

    Attributes:
        recipe: with the length as it is now; trainer and selection have the same one.
        left: the seconds of the budget when training begins; None without one.
    """

    def __init__(
        self,
        recipe: Recipe,
        prepared: Prepared,
        batches: BatchStream,
        selection: ModelSelection,
        processes: Processes,
        began: float,
    ) -> None:
        self.recipe, self.prepared, self.batches = recipe, prepared, batches
        self.selection, self.processes, self.began = selection, processes, began
        self.each = len(prepared.components.sampler)
        self.left: float | None = None
        self._deadline: Deadline | None = None

    @property
    def steps(self) -> int:
        """The steps of the whole run."""
        return total_steps(self.recipe.schedule, self.each)

    @property
    def epochs(self) -> int:
        """The epochs of the whole run, of which the last one may be short."""
        return total_epochs(self.recipe.schedule, self.each)

    @property
    def done(self) -> int:
        """The batches that are done."""
        trainer = self.prepared.trainer
        return min(self.steps, trainer.epoch * self.each + trainer.state.batch)

    def plan(self, place: int, saving: float, stop: StopRequest) -> str:
        """Set the number of steps that fits into the budget.

        Args:
            place: the batches that a resumed run has done.
            saving: seconds of all that comes after the last validation.
            stop: ends the measuring.

        Returns:
            One line that says how many they are; "" without a budget.
        """
        if self.recipe.training.budget_minutes is None:
            return ""
        budget, most = 60 * self.recipe.training.budget_minutes, self.recipe.schedule.steps
        self._set(
            fitted(
                self.recipe, self.prepared, self.batches, self.selection, saving, self.began,
                place, stop, self.processes,
            )
        )  # fmt: skip
        self.left = max(1.0, budget - (time.monotonic() - self.began))
        self._deadline = Deadline(self.began + budget - saving, budget)
        if most is not None and self.steps == most:
            return (
                f"{most:,} steps, the most that the recipe takes, in less than {duration(budget)}"
            )
        return f"{self.steps - place:,} steps fit into {duration(budget)}"

    def begin(self) -> None:
        """Count the time of the steps from now on."""
        if self._deadline is not None:
            self._deadline.begin(self.done)

    def shorten_if_late(self) -> str:
        """Plan fewer steps if the run is late for its budget; one line that says so, or ""."""
        if self._deadline is None:
            return ""
        before, done = self.steps, self.prepared.trainer.epoch * self.each
        steps = int(self.processes.broadcast([self._deadline.steps(done, before)])[0])
        if steps == before:
            return ""
        self._set(with_steps(self.recipe, steps))
        line = f"slower than planned: {steps:,} steps instead of {before:,}, to keep to the budget"
        log.info("%s", line)
        return line

    def _set(self, recipe: Recipe) -> None:
        trainer = self.prepared.trainer
        self.recipe = trainer.recipe = self.selection.recipe = recipe
        self.batches.steps = self.steps
        if trainer.watch is not None:
            trainer.watch.warmup_epochs = warmup_epochs(recipe, self.each)
