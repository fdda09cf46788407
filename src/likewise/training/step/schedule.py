"""Schedules of the learning rate and of the margin: pure functions of the step."""

from __future__ import annotations

import math

from likewise.training.recipe.recipe import Schedule

__all__ = [
    "VALIDATIONS",
    "epochs_between_validations",
    "lr_factor",
    "margin_fraction",
    "margin_warmup_steps",
    "total_epochs",
    "total_steps",
    "warmup_steps",
]

VALIDATIONS = 20  # about as many in a run, if the recipe does not say when


def total_steps(schedule: Schedule, steps_per_epoch: int) -> int:
    """The steps of the run."""
    return schedule.steps or schedule.epochs * steps_per_epoch


def total_epochs(schedule: Schedule, steps_per_epoch: int) -> int:
    """The epochs of the run, of which the last one may be short.

    Example:
        >>> from likewise.training.recipe.recipe import Schedule
        >>> from likewise.training.step.schedule import total_epochs
        >>> total_epochs(Schedule(steps=25), 10), total_epochs(Schedule(epochs=20), 10)
        (3, 20)
    """
    return math.ceil(schedule.steps / steps_per_epoch) if schedule.steps else schedule.epochs


def epochs_between_validations(every: int | None, epochs: int) -> int:
    """The epochs from one validation to the next.

    Args:
        every: ``training.validate_every``; None: some twenty validations in the run.
        epochs: of the run.

    Example:
        >>> from likewise.training.step.schedule import epochs_between_validations
        >>> [epochs_between_validations(None, epochs) for epochs in (1, 20, 100)]
        [1, 1, 5]
    """
    return every or max(1, round(epochs / VALIDATIONS))


def warmup_steps(schedule: Schedule, steps_per_epoch: int) -> float:
    """The steps in which the learning rate rises to its peak, at most those of the run."""
    total = total_steps(schedule, steps_per_epoch)
    if schedule.warmup is not None:
        return schedule.warmup * total
    return min(schedule.warmup_epochs * steps_per_epoch, total)


def margin_warmup_steps(schedule: Schedule, steps_per_epoch: int) -> float:
    """The steps in which the margin rises to its full size."""
    if schedule.margin_warmup is not None:
        return schedule.margin_warmup * total_steps(schedule, steps_per_epoch)
    return schedule.margin_warmup_epochs * steps_per_epoch


def lr_factor(schedule: Schedule, step: int, steps_per_epoch: int) -> float:
    """The learning rate at ``step`` (from 0) as a fraction of the peak.

    A linear warm-up to the peak; then cosine decay to ``final`` (SGDR, arXiv 1608.03983, without
    restarts), or polynomial decay to it (``final + (1 - final)·left^power``, where ``left`` is the
    fraction of the steps after the warm-up that is still to come), or a decay by ``factor`` at
    each milestone, or a constant rate.
    """
    total = total_steps(schedule, steps_per_epoch)
    warmup = warmup_steps(schedule, steps_per_epoch)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1.0, total - warmup)
    if schedule.name == "cosine":
        return schedule.final + (1 - schedule.final) * 0.5 * (1 + math.cos(math.pi * done))
    if schedule.name == "polynomial":
        left = max(0.0, 1 - done)  # a step past the end of the run has the final rate
        return schedule.final + (1 - schedule.final) * math.pow(left, schedule.power)
    if schedule.name == "step":
        passed = sum(step >= milestone * total for milestone in schedule.milestones)
        return schedule.factor**passed
    return 1.0


def margin_fraction(schedule: Schedule, step: int, steps_per_epoch: int) -> float:
    """The margin at ``step`` as a fraction of the full margin: a linear warm-up.

    With the full margin from the first step, training on a small data set may never start: every
    target logit is far below the others, and the gradient carries no other information.
    """
    warmup = margin_warmup_steps(schedule, steps_per_epoch)
    return 1.0 if warmup <= 0 else min(1.0, step / warmup)
