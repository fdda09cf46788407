"""Fit a run into its time: what it takes is measured, and a run that is late takes fewer steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from likewise.errors import LikewiseError
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.pace import Pace
from likewise.training.recipe.recipe import Recipe
from likewise.training.selection.model_selection import ModelSelection
from likewise.training.selection.start_validation import MOST
from likewise.training.setup.batch_stream import BatchStream
from likewise.training.setup.budget import Costs, planned, step_seconds
from likewise.training.setup.prepare import Prepared
from likewise.training.setup.run_folder import MODEL
from likewise.training.step.schedule import epochs_between_validations, total_epochs
from likewise.training.stopping import StopRequest

__all__ = ["Deadline", "fitted", "pace_of", "validation_seconds"]

PART = 64  # photos by which a validation is timed
LONGEST = 5.0  # seconds of a validation: a longer one is timed in part
LATE = 0.05  # of the budget: a run that would be later than this takes fewer steps


def fitted(
    recipe: Recipe,
    prepared: Prepared,
    batches: BatchStream,
    selection: ModelSelection,
    saving: float,
    began: float,
    done: int,
    stop: StopRequest,
    processes: Processes,
) -> Recipe:
    """The recipe with the steps that fit into ``training.budget_minutes``; the same on all ranks.

    Args:
        recipe: of the run.
        prepared: the run before its first step; nothing of it is changed.
        batches: of the run.
        selection: of the run.
        saving: seconds of all that comes after the last validation.
        began: the ``time.monotonic()`` from which the budget counts.
        done: the steps that a resumed run has taken already.
        stop: ends the measuring.
        processes: of the run.

    Raises:
        InputError: the budget is too small.
    """
    made, device = prepared.components, prepared.trainer.device
    step = step_seconds(recipe, made, batches, device, processes, stop)
    validation = before = 0.0
    with processes.rank_zero_only() as mine:
        if mine:
            validation = validation_seconds(selection)
            before = _seconds_before(selection, validation)
    measured = processes.broadcast([validation, time.monotonic() - began + before])
    costs = Costs(step, measured[0], saving, measured[1])
    return processes.together(lambda: planned(recipe, costs, len(batches.sampler), done))


def _seconds_before(selection: ModelSelection, validation: float) -> float:
    """Seconds between the plan and the first step: a start model validated, whitened, again."""
    if not selection.starts_ready or selection.trainer.step_number or not selection.photos:
        return 0.0
    embedded = min(MOST, len(selection.training))
    return validation * (2 + embedded / selection.photos)


def validation_seconds(selection: ModelSelection) -> float:
    """Seconds of a validation with saving the model, on rank 0; nothing is changed."""
    module = selection.trainer.network()
    embedder = selection.embedder(module, None)
    part = selection.statistics.sample[:PART]
    embedder.embed_pixels(part[:2])  # the libraries settle
    began = time.perf_counter()
    embedder.embed_pixels(part)
    seconds = (time.perf_counter() - began) / max(1, len(part)) * selection.photos
    if seconds > LONGEST or selection.validation is None:
        return seconds
    began = time.perf_counter()
    selection.statistics.recompute(module, selection.trainer.moved_norms())
    with suppress(LikewiseError):  # an untrained network may give all photos one embedding
        embedder = selection.embedder(module, selection.validation.measure(embedder))
    with tempfile.TemporaryDirectory() as folder:
        embedder.save(Path(folder) / MODEL)
    return time.perf_counter() - began


class Deadline:
    """Tells after an epoch how many steps a run with a budget still has the time for.

    The plan is made before the first step. On a machine that gets busier later it is too long. The
    pace of the last quarter of the steps decides, once a quarter of the time for training is over,
    and only if the run would be late by a twentieth of its budget: so a run is shortened seldom.

    Args:
        ends: the ``time.monotonic()`` at which the last validation has to be over.
        budget: seconds.

    Example:
        >>> import time
        >>> from likewise.training.fitting import Deadline
        >>> deadline = Deadline(time.monotonic() + 60, 60)
        >>> deadline.begin(0)
        >>> deadline.steps(10, 100)
        100
    """

    def __init__(self, ends: float, budget: float) -> None:
        self.ends, self.budget = ends, budget
        self._marks: list[tuple[float, int]] = []  # times, and the steps done by then

    def begin(self, done: int) -> None:
        """Training begins, with these steps done already."""
        self._marks = [(time.monotonic(), done)]

    def steps(self, done: int, planned: int) -> int:
        """The steps of the whole run: those planned, or fewer where they come too late.

        Args:
            done: the steps done by now.
            planned: the steps of the whole run by the plan.
        """
        now, (began, first) = time.monotonic(), self._marks[0]
        self._marks.append((now, done))
        if now - began < (self.ends - began) / 4 or not first < done < planned:
            return planned
        since, before = max(mark for mark in self._marks if mark[1] <= done - (done - first) / 4)
        each = (now - since) / (done - before)  # with its part of the validations
        late = now + each * (planned - done) - self.ends
        if late < LATE * self.budget:
            return planned
        return done + max(1, min(planned - done, int((self.ends - now) / each)))


def pace_of(
    recipe: Recipe,
    selection: ModelSelection,
    steps_per_epoch: int,
    photos: int,
    steps: int,
    say: Callable[[str], None],
    left: float | None,
) -> Pace:
    """Says how long the run takes.

    Args:
        recipe: of the run.
        selection: of the run.
        steps_per_epoch: of the run.
        photos: of a batch.
        steps: that the run still takes.
        say: prints a line.
        left: seconds of the budget; None: there is none.
    """
    epochs = total_epochs(recipe.schedule, steps_per_epoch)
    every = epochs_between_validations(recipe.training.validate_every, epochs)
    validations = -(-steps // (steps_per_epoch * every))
    return Pace(steps, validations, selection.photos / photos, say, left)
