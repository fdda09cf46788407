"""The length of a run: a number of epochs, a number of steps, or a time."""

from __future__ import annotations

from typing import Any

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.training.recipe.course_sections import Schedule
from likewise.training.recipe.recipe import Recipe

__all__ = ["EPOCHS", "with_budget", "with_epochs", "with_length", "with_steps", "with_warmup"]

EPOCHS = Schedule.model_fields["epochs"].default
# The keys of the two warm-ups: in epochs, and as a fraction of the run.
WARMUPS = (("warmup_epochs", "warmup"), ("margin_warmup_epochs", "margin_warmup"))


def with_length(
    recipe: Recipe,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    budget_minutes: float | None = None,
) -> Recipe:
    """The recipe with another length of the run; all None: the recipe itself.

    Args:
        recipe: of the run.
        epochs: passes over the photos.
        steps: see ``with_steps``.
        budget_minutes: see ``with_budget``.

    Raises:
        InputError: more than one length is given, or one is not positive.

    Example:
        >>> from likewise.training.recipe.length import with_length
        >>> from likewise.training.recipe.recipe import Recipe
        >>> schedule = with_length(Recipe(), steps=500).schedule
        >>> schedule.steps, schedule.warmup, schedule.margin_warmup
        (500, 0.05, 0.1)
    """
    lengths = {"epochs": epochs, "steps": steps, "budget": budget_minutes}
    given = [name for name, value in lengths.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: give one of them")
    if epochs is not None:
        return with_epochs(recipe, epochs)
    if steps is not None:
        return with_steps(recipe, steps)
    return recipe if budget_minutes is None else with_budget(recipe, budget_minutes)


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with another number of epochs, instead of steps or a time.

    Raises:
        InputError: ``epochs`` is below 1.
    """
    update = {"epochs": check_count("epochs", epochs), "steps": None}
    return _changed(recipe, update, None)


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """The recipe with a number of steps, instead of epochs or a time.

    Warm-ups in epochs become the same fractions of the run, so that the schedules keep their form.

    Raises:
        InputError: ``steps`` is below 1.
    """
    update = {"epochs": EPOCHS, "steps": check_count("steps", steps), **_fractions(recipe)}
    return _changed(recipe, update, None)


def with_budget(recipe: Recipe, minutes: float) -> Recipe:
    """The recipe with a time for the run, which sets ``schedule.steps`` at its start.

    Warm-ups in epochs become the same fractions of the run.

    Raises:
        InputError: ``minutes`` is not positive.
    """
    update = {"epochs": EPOCHS, "steps": None, **_fractions(recipe)}
    return _changed(recipe, update, check_number("budget_minutes", minutes, above=0))


def with_warmup(recipe: Recipe) -> Recipe:
    """The recipe with the warm-ups of a run by steps or by time, where it leaves them open.

    They are the fractions that the default epochs give. Without this, a run shorter than an epoch
    would end within its warm-up.

    Example:
        >>> from likewise.training.recipe.length import with_warmup
        >>> from likewise.training.recipe.recipe import Recipe, recipe_with
        >>> with_warmup(recipe_with(Recipe(), ["schedule.steps=500"])).schedule.warmup
        0.05
    """
    if recipe.schedule.steps is None and recipe.training.budget_minutes is None:
        return recipe
    schedule, fractions = recipe.schedule, _fractions(recipe)
    update = {
        share: fractions[share]
        for epochs, share in WARMUPS
        if getattr(schedule, epochs) == Schedule.model_fields[epochs].default
    }
    return recipe.model_copy(update={"schedule": schedule.model_copy(update=update)})


def _fractions(recipe: Recipe) -> dict[str, Any]:
    """Both warm-ups as fractions of a run of the recipe's epochs; those in epochs at default."""
    schedule, found = recipe.schedule, dict[str, Any]()
    for epochs, share in WARMUPS:
        given = getattr(schedule, share)
        if given is None:
            given = min(1.0, getattr(schedule, epochs) / schedule.epochs)
        found[share] = given
    return found | {epochs: Schedule.model_fields[epochs].default for epochs, _ in WARMUPS}


def _changed(recipe: Recipe, schedule: dict[str, Any], budget_minutes: float | None) -> Recipe:
    training = recipe.training.model_copy(update={"budget_minutes": budget_minutes})
    return recipe.model_copy(
        update={"schedule": recipe.schedule.model_copy(update=schedule), "training": training}
    )
