"""What a recipe names, made for the photos at hand; what can be refused is, before one is read."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess
from likewise.data.repeats import without_repeats
from likewise.data.sampler import EpochSampler
from likewise.data.splits import hold_out
from likewise.errors import InputError
from likewise.losses import Shard
from likewise.losses.registry import needs_pairs
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.build import (
    bare_network_of,
    batches_of,
    loss_of,
    network_of,
    preprocess_of,
    seed_everything,
)
from likewise.training.setup.initial_weights import read_initial_weights
from likewise.training.setup.run_folder import Begun

__all__ = ["Design", "design", "design_for", "split_of"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Design:
    """What the recipe names, made for these photos.

    Args:
        training: the photos to train on.
        held_out: those to measure on.
        sampler: this process's share of each batch.
        batch_photos: of a whole batch.
        preprocess: from photos to the network's input.
        module: the network.
        loss: with this process's classes.
    """

    training: Manifest
    held_out: Manifest
    sampler: EpochSampler
    batch_photos: int
    preprocess: Preprocess
    module: nn.Module
    loss: nn.Module


def split_of(manifest: Manifest, recipe: Recipe) -> tuple[Manifest, Manifest]:
    """What is trained on and what is held out: by the column ``split``, else drawn by the seed.

    Raises:
        InputError: there are too few identities, or none is to be trained on.
    """
    manifest = without_repeats(manifest)
    if len(manifest.identities) < 2:
        raise InputError(
            f"{manifest.root}: only one identity ({manifest.identities[0]}); a recogniser learns "
            "from the differences between people: at least 2 are needed"
        )
    if "split" not in manifest.table.column_names:
        return hold_out(manifest, recipe.data.val_identities, recipe.training.seed)
    training, held_out = manifest.split("train"), manifest.split("val")
    if not len(training):
        raise InputError(f"{manifest.root}: no row of the manifest has split = train")
    if not len(held_out):
        log.warning("%s: no row has split = val, so nothing is validated", manifest.root)
    shared = sorted(set(training.identities) & set(held_out.identities))
    if shared:
        log.warning("%d identities are in train and in val, such as %s", len(shared), shared[0])
    return training, held_out


def design(
    training: Manifest,
    held_out: Manifest,
    recipe: Recipe,
    folder: Path,
    processes: Processes,
    begun: Begun | None = None,
) -> Design:
    """Make what the recipe names, and draw the weights; no photo is read.

    Args:
        training: the photos to train on.
        held_out: those to measure on.
        recipe: of the run.
        folder: of the run.
        processes: of the run.
        begun: what a run that goes on began with: its own preprocessing, and no other weights are
            read, since those of its checkpoint come in their place.

    Raises:
        InputError: the photos or the recipe cannot be used, or not by so many processes.
    """
    classes = len(training.identities) if len(training) else 0
    if classes < 2:
        raise InputError(
            f"{training.root}: {classes} identity to train on; a recogniser "
            "learns from the differences between people: at least 2 are needed"
        )
    if classes < processes.count:
        raise InputError(
            f"processes: {processes.count} for {classes} identities to train on; each needs one "
            "or more of its own: start fewer"
        )
    _warn_of_single_photos(training, recipe)
    sampler, batch_photos = _plan(training, recipe, processes)
    start = read_initial_weights(recipe) if begun is None else None
    seed_everything(recipe.training.seed)
    return Design(
        training=training,
        held_out=held_out,
        sampler=sampler,
        batch_photos=batch_photos,
        preprocess=preprocess_of(recipe, start) if begun is None else begun.preprocess,
        module=bare_network_of(recipe) if begun is not None else network_of(recipe, start),
        loss=loss_of(recipe, classes, shard=Shard(processes.rank, processes.count), folder=folder),
    )


def design_for(
    made: Design, training: Manifest, recipe: Recipe, folder: Path, processes: Processes
) -> Design:
    """The same for these of its photos: all anew if a person is missing, else the batches alone.

    Raises:
        InputError: too few are left.
    """
    if len(training) and training.identities == made.training.identities:
        sampler, batch_photos = _plan(training, recipe, processes)
        return replace(made, training=training, sampler=sampler, batch_photos=batch_photos)
    return design(training, made.held_out, recipe, folder, processes)


def _warn_of_single_photos(training: Manifest, recipe: Recipe) -> None:
    """Warn where a loss that compares photos has no two of most people."""
    counts = np.bincount(training.labels)
    alone = int((counts == 1).sum())
    if needs_pairs(recipe.loss.name) and 2 * alone > len(counts):
        log.warning(
            "%s: %d of %d people have one photo: their pairs are two augmented copies of it, which "
            "do not teach what two photos of a person share. A loss with class weights, such as "
            "cosface, may suit them better", training.root, alone, len(counts),
        )  # fmt: skip


def _plan(training: Manifest, recipe: Recipe, processes: Processes) -> tuple[EpochSampler, int]:
    plan = batches_of(recipe, training.labels)
    batch_photos = len(next(plan.batches(0)))
    if batch_photos < processes.count:
        raise InputError(
            f"processes: {processes.count} for batches of {batch_photos} photos; each needs one "
            "or more: raise batch.size, or start fewer"
        )
    seed = recipe.training.seed
    return EpochSampler(plan, seed, rank=processes.rank, processes=processes.count), batch_photos
