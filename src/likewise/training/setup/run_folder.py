"""The folder of a run: its files, the recipe that the run follows, and its lock."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path

from likewise.arguments import check_count
from likewise.errors import InputError
from likewise.locks import hold_lock
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.batch_choice import with_sampler
from likewise.training.recipe.length import with_length, with_warmup
from likewise.training.recipe.recipe import Recipe, load_recipe
from likewise.training.recipe.unused_keys import refuse_unused_keys
from likewise.training.setup.network_choice import with_network

__all__ = [
    "CHECKPOINTS",
    "MODEL",
    "RECIPE",
    "recipe_of",
    "require_same_start",
    "run_lock",
]

CHECKPOINTS = "checkpoints"
MODEL = "model"
RECIPE = "recipe.yaml"
LOCK_TIMEOUT = 10.0  # seconds: the processes of a killed run take a moment to end


def recipe_of(
    folder: Path,
    recipe: Recipe | None,
    *,
    resume: bool,
    keep: int | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    budget_minutes: float | None = None,
    start: str | Path | None = None,
) -> Recipe:
    """The recipe that the run in ``folder`` follows; a resumed run follows its own.

    Args:
        folder: of the run.
        recipe: the one given, if any.
        resume: whether the run is resumed.
        keep: the number of checkpoints to keep; None: as in the recipe.
        epochs, steps, budget_minutes: the length of the run, see ``with_length``; None: as in the
            recipe.
        start: the model that a resumed run is said to have started from.

    Raises:
        InputError: a new run in a folder that holds one, nothing to resume, or a resumed run with
            another recipe or another start model; a key of a new recipe has no effect; ``keep`` or
            the length is below 1.
    """
    found = _resumed_recipe(folder, recipe) if resume else _new_recipe(folder, recipe)
    if resume and start is not None and found.model.weights != str(start):
        raise InputError(
            f"start: {start}, the run in {folder} began with {found.model.weights}; a resumed run "
            "needs no start model"
        )
    found = with_length(found, epochs=epochs, steps=steps, budget_minutes=budget_minutes)
    if keep is None:
        return found
    update = {"keep_checkpoints": check_count("keep", keep)}
    return found.model_copy(update={"training": found.training.model_copy(update=update)})


def _has_checkpoint(folder: Path) -> bool:
    return any((folder / CHECKPOINTS).glob("step-*/*.json"))


def _new_recipe(folder: Path, recipe: Recipe | None) -> Recipe:
    if _has_checkpoint(folder) or (folder / MODEL).exists():
        raise InputError(
            f"{folder}: already holds a run; continue it with --resume, "
            "or choose another place with --out"
        )
    chosen = recipe or Recipe()
    refuse_unused_keys(chosen)
    return with_warmup(with_sampler(with_network(chosen)))


def _resumed_recipe(folder: Path, recipe: Recipe | None) -> Recipe:
    if not (folder / RECIPE).exists():
        raise InputError(f"{folder}: no run to resume (no {RECIPE} in it)")
    if (folder / MODEL).exists() and not _has_checkpoint(folder):
        raise InputError(
            f"{folder}: holds a model but no checkpoint to continue from; start a new run with its "
            f"weights: --set model.weights={folder / MODEL} and another --out"
        )
    own = load_recipe(folder / RECIPE)
    if recipe is not None and with_warmup(with_sampler(with_network(recipe))) != own:
        raise InputError(
            f"{folder}: resume continues with its own {RECIPE}, of which only the length may "
            "change (--epochs, --steps or --budget); leave the recipe and --set out"
        )
    return own


def require_same_start(processes: Processes, recipe: Recipe, fingerprint: str) -> None:
    """Check that all processes were started with the same recipe and the same photos.

    Raises:
        InputError: one has another recipe or other photos.
    """
    digest = hashlib.sha256(recipe.to_yaml().encode()).hexdigest()
    starts = processes.all_gather_object([digest, fingerprint])
    for rank, start in enumerate(starts):
        for other, first, what in zip(start, starts[0], ("recipe", "photos"), strict=True):
            if other != first:
                raise InputError(
                    f"process {rank} was started with other {what} than process 0; start all "
                    "with the same command"
                )


def run_lock(folder: Path) -> AbstractContextManager[None]:
    """The lock of a run's folder; see ``hold_lock``."""
    busy = (
        f"{folder}: another process trains there; wait for it, stop it, or choose another place "
        "with --out"
    )
    return hold_lock(folder / ".lock", busy, wait=LOCK_TIMEOUT)
