"""A time budget as a number of steps: a few steps and a validation are timed before training."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from likewise.errors import InputError
from likewise.losses import Shard
from likewise.progress import duration
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.length import with_epochs, with_steps
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.batch_stream import BatchStream
from likewise.training.setup.build import bare_network_of, loss_of
from likewise.training.setup.components import Components
from likewise.training.step.random_state import random_state, restore_random_state
from likewise.training.step.schedule import VALIDATIONS, epochs_between_validations
from likewise.training.step.teacher import Distilling
from likewise.training.stopping import StopRequest
from likewise.training.trainer import Trainer

__all__ = ["Costs", "planned", "step_seconds"]

log = logging.getLogger(__name__)
SHARE, SHORTEST, LONGEST = 0.05, 1.0, 5.0  # of the budget, and seconds: the time of the timing
MOST_STEPS = 300
LEAST_STEPS = 10  # of a run: fewer teach nothing
FOR_VALIDATION = 0.1  # of the budget, if the recipe does not say how often
UNFORESEEN = 0.02  # of the budget
FOREVER = 10**6  # epochs


@dataclass(frozen=True)
class Costs:
    """What a run takes.

    Args:
        step: seconds of a step.
        validation: seconds of a validation, with saving the model.
        end: seconds of all that comes after the last validation.
        spent: seconds of the budget that are spent already.
    """

    step: float
    validation: float
    end: float
    spent: float


def planned(recipe: Recipe, costs: Costs, steps_per_epoch: int, done: int = 0) -> Recipe:
    """The recipe with the number of steps that fits into its budget.

    Validations take a tenth of the time at most, unless the recipe says how often they come. If
    the recipe has ``schedule.steps`` too, they are the most that the run takes.

    Args:
        recipe: with ``training.budget_minutes``.
        costs: of the run.
        steps_per_epoch: of the run.
        done: the steps that a resumed run has taken already.

    Raises:
        InputError: the budget is too small for ten steps; says how much would do.

    Example:
        >>> from likewise.training.recipe.length import with_length
        >>> from likewise.training.recipe.recipe import Recipe
        >>> from likewise.training.setup.budget import Costs, planned
        >>> minute = with_length(Recipe(), budget_minutes=1)
        >>> planned(minute, Costs(0.1, 0.5, 1.0, 4.0), 10).schedule.steps
        492
    """
    minutes = recipe.training.budget_minutes
    assert minutes is not None
    budget = 60 * minutes
    left = budget * (1 - UNFORESEEN) - costs.spent - costs.end
    every = recipe.training.validate_every
    steps, seldom = _fitting(left, costs, steps_per_epoch, every)
    if steps < LEAST_STEPS:
        least = costs.spent + costs.end + costs.validation + LEAST_STEPS * costs.step
        raise InputError(
            f"budget: {duration(budget)} is too short: a step takes {costs.step:.2g} s, a "
            f"validation {costs.validation:.2g} s, and {duration(costs.spent)} are spent before "
            f"training; give {duration(1.1 * least + 1)} or more"
        )
    total = min(done + steps, recipe.schedule.steps or done + steps)
    found = with_steps(recipe, total)
    epochs = -(-total // steps_per_epoch)
    if every is None and seldom != epochs_between_validations(None, epochs):
        training = found.training.model_copy(update={"validate_every": seldom})
        found = found.model_copy(update={"training": training})
    return found


def _fitting(left: float, costs: Costs, each: int, every: int | None) -> tuple[int, int]:
    """The steps that fit into ``left`` seconds, and the epochs between two validations."""
    if every is not None:
        return _steps_between(left, costs, every * each), every
    most = max(1, min(VALIDATIONS, int(FOR_VALIDATION * left / max(costs.validation, 1e-9))))
    steps = int((left - costs.validation) / costs.step)
    epochs = max(1, -(-steps // each))
    seldom = max(epochs_between_validations(None, epochs), -(-epochs // most))
    return _steps_between(left, costs, seldom * each), seldom


def _steps_between(left: float, costs: Costs, block: int) -> int:
    """The steps that fit, with a validation after every ``block`` of them and at the end."""
    whole = int(left // (block * costs.step + costs.validation))
    rest = left - whole * (block * costs.step + costs.validation)
    return whole * block + max(0, min(block, int((rest - costs.validation) / costs.step)))


def step_seconds(
    recipe: Recipe,
    made: Components,
    stream: BatchStream,
    device: torch.device,
    processes: Processes,
    stop: StopRequest,
) -> float:
    """Seconds of a step: on the real photos, with a network that is thrown away.

    The random state is put back, so that the run has the same bits as one without the timing.

    Args:
        recipe: with ``training.budget_minutes``.
        made: the components of the run; its network and loss are not used.
        stream: the batches of the run; it begins again afterwards.
        device: of the run.
        processes: of the run; all get the time of rank 0.
        stop: of the run; a signal ends the timing.
    """
    if recipe.head.storage == "mmap":
        raise InputError(
            "training.budget_minutes: not with head.storage=mmap, whose class weights are not "
            "copied for a test; set schedule.steps"
        )
    budget = 60 * (recipe.training.budget_minutes or 0)
    least = 4 if recipe.training.compile else 2  # the first steps compile
    long_enough = min(LONGEST, max(SHORTEST, SHARE * budget))
    times: list[float] = []  # the first is the end of the first step: workers have started
    enough = StopRequest()

    def advance(_: int) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.monotonic())
        late = times[-1] - times[0] >= long_enough or len(times) > MOST_STEPS
        late &= len(times) > least
        if stop.signal is not None or (late and processes.is_rank_zero):
            enough.request()

    endless = with_epochs(recipe, FOREVER)
    stream.steps = FOREVER * len(stream.sampler)
    with _same_random_state():
        trainer = _throw_away(endless, made, device, processes)
        while enough.signal is None:
            trainer.run_epoch(stream, stream.sampler, advance, enough, lambda: False, lambda: None)
            if processes.any(enough.signal is not None):
                break
        trainer.gradients.release()
    settled = min(max(2, 2 * stream.workers), (len(times) - 1) // 2)
    seconds = (times[-1] - times[settled]) / max(1, len(times) - 1 - settled)
    return processes.broadcast([seconds])[0]


def _throw_away(
    recipe: Recipe, made: Components, device: torch.device, processes: Processes
) -> Trainer:
    # Like that of the run, without the watch, which would warn of what it saw.
    classes = len(made.training.identities)
    loss = loss_of(recipe, classes, shard=Shard(processes.rank, processes.count))
    if isinstance(made.loss, Distilling) and isinstance(loss, Distilling):
        loss.known = made.loss.known
    return Trainer(
        recipe,
        bare_network_of(recipe),
        loss,
        made.preprocess,
        device,
        processes,
    )


@contextmanager
def _same_random_state() -> Iterator[None]:
    """Put the state of all random generators back at the end."""
    torch_state, state, numpy = random_state(), random.getstate(), np.random.get_state()  # noqa: NPY002  # timm and others use it
    try:
        yield
    finally:
        restore_random_state(torch_state)
        random.setstate(state)
        np.random.set_state(numpy)  # noqa: NPY002  # as above
