"""How a run begins: a new one in an empty folder, or one that goes on; all processes alike."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.storage import sha256_of
from likewise.training.checkpoints.reader import INDEX, Checkpoint
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.batch_choice import with_sampler
from likewise.training.recipe.recipe import Recipe, load_recipe
from likewise.training.recipe.unused_keys import refuse_idle_keys
from likewise.training.setup.lengthening import with_epochs
from likewise.training.setup.photo_record import PHOTOS, PhotoRecord, listing_changes, read_records
from likewise.training.setup.result import MODEL

__all__ = ["CHECKPOINTS", "RECIPE", "Begun", "agree_on_the_run", "begun_of", "recipe_of"]

log = logging.getLogger(__name__)

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
        InputError: a new run where there is one already, or none to go on with, or a model alone,
            or with another recipe than its own; a key of a new run's recipe has no effect; no
            checkpoint is to be kept, no epoch trained.
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
    if (folder / MODEL).exists() and not begun:
        raise InputError(
            f"{folder}: holds a model but no checkpoint to go on from; begin a new run with its "
            f"weights: --set model.weights={folder / MODEL} and another --out"
        )
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
    told = processes.all_gather_object(
        [hashlib.sha256(recipe.to_yaml().encode()).hexdigest(), fingerprint]
    )
    for rank, other in enumerate(told):
        for own, first, what in zip(other, told[0], ("recipe", "photos"), strict=True):
            if own != first:
                raise InputError(
                    f"process {rank} was started with other {what} than process 0; start all "
                    "with the same command"
                )


@dataclass(frozen=True)
class Begun:
    """What a run that goes on began with.

    Args:
        folder: of the run.
        preprocess: from photos to the network's input.
        records: the photos to train on, and those to measure on; None if that is not known.
    """

    folder: Path
    preprocess: Preprocess
    records: tuple[PhotoRecord, PhotoRecord] | None

    def require_same_listing(self, training: Manifest, held_out: Manifest) -> None:
        """See that these are the photos that the run began with, by name and person.

        Raises:
            InputError: they are not; names what is gone, what is new and what is another's.
        """
        if self.records is not None:
            self.refuse(listing_changes(self.records, [training, held_out]))

    def readable(self, training: Manifest) -> Manifest:
        """Those of the photos to train on that could be read when the run began."""
        if self.records is None or not len(self.records[0].bad):
            return training
        return training.take(np.setdiff1d(np.arange(len(training)), self.records[0].bad))

    def refuse(self, changes: Sequence[str]) -> None:
        """Raise what changed about the photos, if anything did.

        Raises:
            InputError: something did.
        """
        if changes:
            raise InputError(
                f"{self.folder}: the photos are not those that the run began with: "
                f"{'; '.join(changes)}. Put them back, or begin a new run with the weights of this "
                f"one: --set model.weights={self.folder / MODEL} and another --out"
            )


def begun_of(folder: Path, *, tell: bool = True) -> Begun | None:
    """What the run in ``folder`` began with, as its newest checkpoint has it.

    Args:
        folder: of the run.
        tell: warn if its list of photos is missing.

    Returns:
        None without a checkpoint, or if an older version of Likewise wrote it, which did not say.

    Raises:
        InputError: the list of photos is another run's, or damaged.
    """
    for path in sorted((folder / CHECKPOINTS).glob(f"step-*/{INDEX}"), reverse=True):
        try:
            values = Checkpoint.read(path.parent).values
        except InputError:
            continue  # told when it is restored
        if "preprocess" not in values:
            return None
        records = _records(folder, values, tell=tell)
        return Begun(folder, Preprocess.from_dict(values["preprocess"]), records)
    return None


def _records(
    folder: Path, values: dict[str, Any], *, tell: bool
) -> tuple[PhotoRecord, PhotoRecord] | None:
    path = folder / PHOTOS
    if not path.exists():
        if tell:
            log.warning("%s is missing: whether the photos are those of the run is not known", path)
        return None
    if sha256_of(path) != values.get("photos"):
        raise InputError(f"{path}: damaged, or of another run; put it back, or remove it")
    return read_records(path)
