"""How the learning rate and the margin move over a run: pure functions of the step."""

from __future__ import annotations

import math

from likewise.training.recipe.recipe import Schedule

__all__ = ["lr_factor", "margin_fraction"]


def lr_factor(schedule: Schedule, step: int, steps_per_epoch: int) -> float:
    """The share of the peak learning rate at ``step`` (from 0).

    A linear warm-up that reaches the peak, then half a cosine down to ``final`` (SGDR, arXiv
    1608.03983, without restarts), or a fall by ``factor`` at each milestone, or nothing.
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
    """The share of the full margin at ``step``: a linear rise.

    A full margin from the first step on keeps small data from ever being fitted: every target is
    behind its rivals, and the gradient only says so.
    """
    warmup = schedule.margin_warmup_epochs * steps_per_epoch
    return 1.0 if warmup <= 0 else min(1.0, step / warmup)
