"""The photos and the recipe that a run begins or goes on with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from likewise.data.formats import read_manifest
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.training.recipe.length import with_budget, with_length
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.build import batches_of
from likewise.training.setup.choose import begin_recipe, depends_on_photos
from likewise.training.setup.components import split_of
from likewise.training.setup.ready_model import ready_model_line
from likewise.training.setup.run_folder import recipe_of
from likewise.training.setup.start import TUNE, started_recipe
from likewise.training.setup.unlabelled import read_training_photos

__all__ = ["begin"]

SHORT = 2.0  # minutes: a shorter run spends none on looking at what a ready model does


def begin(
    data: Manifest | str | Path | Any,
    folder: Path,
    recipe: Recipe | str | Path | None = None,
    settings: Sequence[str] = (),
    *,
    resume: bool = False,
    keep: int | None = None,
    start: str | Path | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    budget_minutes: float | None = None,
) -> tuple[Manifest, Recipe, str]:
    """The photos, the recipe, and lines that say what decided it; see ``train``."""
    # Refuses two lengths, also where one of them is used before the recipe is complete.
    with_length(Recipe(), epochs=epochs, steps=steps, budget_minutes=budget_minutes)
    manifest = None if isinstance(data, str | Path) else read_manifest(data)
    given, why, budget = recipe, "", budget_minutes
    if start is not None and not resume:
        given, why = started_recipe(start, recipe, settings)
        if recipe in (None, TUNE) and budget is not None:
            manifest = manifest or read_training_photos(str(data), recipe=given)
            given, budget = _at_most(given, manifest, budget), None
    elif given == TUNE and not resume:
        raise InputError("recipe tune: needs a start model, such as --from sface")
    elif not resume or given is not None or settings:  # a resumed run has its own
        if manifest is None and depends_on_photos(given):
            manifest = read_manifest(str(data))
        given, why = begin_recipe(
            manifest, given, settings, budget_minutes=None if resume else budget,
            alone=os.environ.get("WORLD_SIZE", "1") == "1",
        )  # fmt: skip
        if not resume and given.training.budget_minutes == budget:
            budget = None  # it is in the recipe, with the most steps that these photos are worth
        if recipe is None and not resume and manifest is not None and _has_time(budget_minutes):
            why = "\n".join(filter(None, (why, ready_model_line(manifest))))
    assert given is None or isinstance(given, Recipe)
    found = recipe_of(
        folder, given, resume=resume, keep=keep, epochs=epochs, steps=steps,
        budget_minutes=budget, start=start if resume else None,
    )  # fmt: skip
    if manifest is None:
        manifest = read_training_photos(str(data), recipe=found)
    return manifest, found, why


def _at_most(recipe: Recipe, manifest: Manifest, minutes: float) -> Recipe:
    """The recipe with a budget, and its epochs as the most that the run takes.

    A ready model that is trained on few photos for long forgets what it knew.
    """
    training, _ = split_of(manifest, recipe)
    epochs = recipe.schedule.epochs * len(batches_of(recipe, training.labels))
    found = with_budget(recipe, minutes)
    schedule = found.schedule.model_copy(update={"steps": recipe.schedule.steps or epochs})
    return found.model_copy(update={"schedule": schedule})


def _has_time(budget_minutes: float | None) -> bool:
    return budget_minutes is None or budget_minutes >= SHORT
