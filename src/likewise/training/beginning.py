"""How a run begins: a new one in an empty folder, or one that goes on; all processes alike."""

from __future__ import annotations

import hashlib
from pathlib import Path

from likewise.errors import InputError
from likewise.training.batch_choice import with_sampler
from likewise.training.idle_keys import refuse_idle_keys
from likewise.training.lengthening import with_epochs
from likewise.training.processes import Processes
from likewise.training.recipe import Recipe, load_recipe
from likewise.training.result import MODEL

__all__ = ["CHECKPOINTS", "RECIPE", "agree_on_the_run", "recipe_of"]

CHECKPOINTS = "checkpoints"
RECIPE = "recipe.yaml"


def recipe_of(
    folder: Path,
    recipe: Recipe | None,
    *,
    resume: bool,
    keep: int | None = None,
    epochs: int | None = None,
) -> Recipe:
    """The recipe that a run in ``folder`` has to follow: its own if it goes on.

    Args:
        folder: of the run.
        recipe: the one asked for, if any.
        resume: whether the run goes on.
        keep: how many checkpoints to keep; None: as the recipe says.
        epochs: how many to train; None: as the recipe says.

    Raises:
        InputError: a new run where there is one already, or none to go on with, or with another
            recipe than its own; a key of a new run's recipe has no effect; no checkpoint is to be
            kept, no epoch trained.
    """
    found = _found(folder, recipe, resume)
    if epochs is not None:
        found = with_epochs(found, epochs)
    if keep is None:
        return found
    if keep < 1:
        raise InputError(f"keep: {keep}; at least one checkpoint is kept")
    training = found.training.model_copy(update={"keep_checkpoints": keep})
    return found.model_copy(update={"training": training})


def _found(folder: Path, recipe: Recipe | None, resume: bool) -> Recipe:
    begun = any((folder / CHECKPOINTS).glob("step-*/*.json"))
    if not resume:
        if begun or (folder / MODEL).exists():
            raise InputError(
                f"{folder}: already holds a run; continue it with --resume, "
                "or choose another place with --out"
            )
        chosen = recipe or Recipe()
        refuse_idle_keys(chosen)
        return with_sampler(chosen)
    if not (folder / RECIPE).exists():
        raise InputError(f"{folder}: no run to resume (no {RECIPE} in it)")
    own = load_recipe(folder / RECIPE)
    if recipe is not None and with_sampler(recipe) != own:
        raise InputError(
            f"{folder}: resume continues with its own {RECIPE}, of which only the epochs may "
            "change (--epochs); leave the recipe and --set out"
        )
    return own


def agree_on_the_run(processes: Processes, recipe: Recipe, fingerprint: str) -> None:
    """See that all processes were started alike.

    Raises:
        InputError: one has another recipe or other photos.
    """
    told = processes.gather([hashlib.sha256(recipe.to_yaml().encode()).hexdigest(), fingerprint])
    for rank, other in enumerate(told):
        for own, first, what in zip(other, told[0], ("recipe", "photos"), strict=True):
            if own != first:
                raise InputError(
                    f"process {rank} was started with other {what} than process 0; start all "
                    "with the same command"
                )
