"""What a run needs before its first step, made by each process without waiting for any other."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.photos import Photos, collate, keep_readable
from likewise.data.preprocess import Preprocess
from likewise.data.repeats import without_repeats
from likewise.data.sampler import EpochSampler
from likewise.data.splits import hold_out
from likewise.errors import InputError
from likewise.losses import Shard
from likewise.machine import usable_cores
from likewise.training.parts import (
    batches_of,
    loss_of,
    network_of,
    preprocess_of,
    seed_everything,
)
from likewise.training.processes import Processes
from likewise.training.recipe import Recipe
from likewise.training.starting import start_of
from likewise.training.validation import Validation

__all__ = ["Prepared", "loader_of", "prepare"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The parts of a run.

    Args:
        training: the photos to train on.
        photos: the same as a dataset, decoded where they fit into memory.
        validation: the held-out ones, on the process that measures.
        bad: the photos that could not be read.
        sampler: this process's share of each batch.
        batch_photos: of a whole batch.
        preprocess: from photos to the network's input.
        module: the network.
        loss: with this process's classes.
    """

    training: Manifest
    photos: Photos
    validation: Validation | None
    bad: list[BadImage]
    sampler: EpochSampler
    batch_photos: int
    preprocess: Preprocess
    module: nn.Module
    loss: nn.Module


def prepare(manifest: Manifest, recipe: Recipe, folder: Path, processes: Processes) -> Prepared:
    """Read the photos, draw the weights.

    Raises:
        InputError: the photos or the recipe cannot be used, or not by so many processes.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
    """
    start = start_of(recipe)
    preprocess = preprocess_of(recipe, start)
    training, held_out = _split(without_repeats(manifest), recipe)
    # Each process of a machine keeps all photos, as any may be in its share of a batch.
    keep = recipe.data.keep_mib * 2**20 // processes.local_count
    policy = recipe.data.on_bad_image
    training, pixels, bad = keep_readable(
        training, preprocess, on_bad_image=policy, keep_bytes=keep, what="reading"
    )
    validation = None
    if processes.first:  # which alone measures
        held_out, val_pixels, val_bad = keep_readable(
            held_out, preprocess, on_bad_image=policy, keep_bytes=keep, what="reading validation"
        )
        bad += val_bad
        if val_bad and not len(held_out):
            log.warning("none of the photos held out can be read, so nothing is validated")
        if len(held_out):
            validation = Validation(held_out, val_pixels, recipe.training.seed)
    classes = len(training.identities)
    if classes < 2:
        raise InputError(
            f"{manifest.root}: {classes} identity to train on; a recogniser "
            "learns from the differences between people: at least 2 are needed"
        )
    if classes < processes.count:
        raise InputError(
            f"processes: {processes.count} for {classes} identities to train on; each needs one "
            "or more of its own: start fewer"
        )
    plan = batches_of(recipe, training.labels)
    batch_photos = len(next(plan.batches(0)))
    if batch_photos < processes.count:
        raise InputError(
            f"processes: {processes.count} for batches of {batch_photos} photos; each needs one "
            "or more: raise batch.size, or start fewer"
        )
    seed = recipe.training.seed
    seed_everything(seed)
    return Prepared(
        training=training,
        photos=Photos(
            training, preprocess, recipe.augment.transform(channels=preprocess.channels), pixels
        ),
        validation=validation,
        bad=bad,
        sampler=EpochSampler(plan, seed, rank=processes.rank, processes=processes.count),
        batch_photos=batch_photos,
        preprocess=preprocess,
        module=network_of(recipe, start),
        loss=loss_of(recipe, classes, shard=Shard(processes.rank, processes.count), folder=folder),
    )


def loader_of(
    prepared: Prepared, recipe: Recipe, device: torch.device, processes: Processes
) -> torch.utils.data.DataLoader[object]:
    """What loads this process's share of each batch, with its share of the cores."""
    workers = recipe.data.workers
    if workers is None:
        cores = usable_cores() // processes.local_count
        workers = 0 if cores < 2 else min(8, cores)
    return torch.utils.data.DataLoader(
        prepared.photos,
        batch_sampler=prepared.sampler,
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
        # Its own generator: the loader must not move the one that dropout draws from.
        generator=torch.Generator(),
    )


def _split(manifest: Manifest, recipe: Recipe) -> tuple[Manifest, Manifest]:
    """By the manifest's own column ``split`` if it has one, else drawn by the seed."""
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
    shared = sorted(set(training.identities) & set(held_out.identities))
    if not len(held_out):
        log.warning("%s: no row has split = val, so nothing is validated", manifest.root)
    if shared:
        log.warning("%d identities are in train and in val, such as %s", len(shared), shared[0])
    return training, held_out
