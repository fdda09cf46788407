"""A run that goes on to another number of epochs than it was begun with."""

from __future__ import annotations

from likewise.errors import InputError
from likewise.training.recipe.recipe import Recipe, Schedule
from likewise.training.step.schedule import lr_factor
from likewise.training.stopping import Best

__all__ = ["check_length", "new_length", "with_epochs"]


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with another length.

    Raises:
        InputError: no epoch at all.
    """
    if epochs < 1:
        raise InputError(f"epochs: {epochs}; at least one is trained")
    schedule = recipe.schedule.model_copy(update={"epochs": epochs})
    return recipe.model_copy(update={"schedule": schedule})


def check_length(recipe: Recipe, trained: int, best: Best) -> None:
    """See that there is something left to train.

    Args:
        recipe: with the new length.
        trained: whole epochs behind it.
        best: and what they came to.

    Raises:
        InputError: it is as long already, or its patience is over.
    """
    epochs, patience = recipe.schedule.epochs, recipe.training.patience
    if epochs <= trained:
        raise InputError(
            f"epochs: {epochs}; the run has {trained} behind it: ask for more, or leave it out"
        )
    if 0 < patience <= best.waited:
        raise InputError(
            f"epochs: {epochs}; training.patience={patience} ended the run after epoch {trained}: "
            "begin a new one from its model, with --set model.weights=RUN/model"
        )


def new_length(before: Schedule, now: Schedule, lr: float, step: int, steps_per_epoch: int) -> str:
    """What changes, in a line.

    Args:
        before: the schedule so far.
        now: that of the new length.
        lr: the peak learning rate.
        step: the next one, from 0.
        steps_per_epoch: of the run.

    Example:
        >>> from likewise.training.setup.lengthening import new_length
        >>> from likewise.training.recipe.recipe import Schedule
        >>> new_length(Schedule(epochs=20), Schedule(epochs=40), 1e-3, 200, 10)
        'goes on to 40 epochs instead of 20: the learning rate is 0.000525 from here on, and not \
1e-05, as the schedule of 40 has it'
    """
    was, is_now = (lr * lr_factor(schedule, step, steps_per_epoch) for schedule in (before, now))
    told = f"goes on to {now.epochs} epochs instead of {before.epochs}: the learning rate "
    if was == is_now:
        return f"{told}goes on at {was:.3g}"
    return (
        f"{told}is {is_now:.3g} from here on, and not {was:.3g}, as the schedule of {now.epochs} "
        "has it"
    )
