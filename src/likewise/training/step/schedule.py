"""Schedules of the learning rate and of the margin: pure functions of the step."""

from __future__ import annotations

import math

from likewise.training.recipe.recipe import Schedule

__all__ = ["lr_factor", "margin_fraction"]


def lr_factor(schedule: Schedule, step: int, steps_per_epoch: int) -> float:
    """The learning rate at ``step`` (from 0) as a fraction of the peak.

    A linear warm-up to the peak; then cosine decay to ``final`` (SGDR, arXiv 1608.03983, without
    restarts), or a decay by ``factor`` at each milestone, or a constant rate.
    """
    total = schedule.epochs * steps_per_epoch
    warmup = min(schedule.warmup_epochs * steps_per_epoch, total)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule.name == "cosine":
        done = (step - warmup) / max(1.0, total - warmup)
        return schedule.final + (1 - schedule.final) * 0.5 * (1 + math.cos(math.pi * done))
    if schedule.name == "step":
        passed = sum(step >= milestone * total for milestone in schedule.milestones)
        return schedule.factor**passed
    return 1.0


def margin_fraction(schedule: Schedule, step: int, steps_per_epoch: int) -> float:
    """The margin at ``step`` as a fraction of the full margin: a linear warm-up.

    With the full margin from the first step, training on a small data set may never start: every
    target logit is far below the others, and the gradient carries no other information.
    """
    warmup = schedule.margin_warmup_epochs * steps_per_epoch
    return 1.0 if warmup <= 0 else min(1.0, step / warmup)
