"""What a run needs before its first step: what the recipe names, and the photos that are read.

What can be refused is refused before the first photo is decoded. Which photos can be read is
decided once, by all processes together: what one of them cannot read, none of them trains on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.data.photos import Photos, Readable, collate, keep_readable
from likewise.data.preprocess import Preprocess
from likewise.data.sampler import EpochSampler
from likewise.data.splits import hold_out
from likewise.errors import InputError
from likewise.losses import Shard
from likewise.machine import usable_cores
from likewise.training.beginning import Begun
from likewise.training.parts import (
    bare_network_of,
    batches_of,
    loss_of,
    network_of,
    preprocess_of,
    seed_everything,
)
from likewise.training.photo_record import PhotoRecord
from likewise.training.processes import Processes
from likewise.training.recipe import Recipe
from likewise.training.starting import start_of
from likewise.training.stopping import leave_signals_to_the_parent
from likewise.training.validation import Validation

__all__ = ["Design", "PhotosRead", "design", "design_for", "loader_of", "read_photos", "split_of"]

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


@dataclass(frozen=True)
class PhotosRead:
    """The photos of a run, as far as they can be read.

    Args:
        training: to train on, the same on all processes.
        held_out: to measure on, on the first process, which alone does so.
        records: what both were before any was left out, for the runs that go on with this one.
    """

    training: Readable
    held_out: Readable | None
    records: tuple[PhotoRecord, PhotoRecord] | None

    @property
    def bad(self) -> list[BadImage]:
        """The photos that were left out."""
        parts = (self.training, self.held_out)
        return [bad for part in parts if part is not None for bad in part.bad.values()]

    def validation(self, seed: int) -> Validation | None:
        """What measures, on the process that does; None without a photo held out."""
        held_out = self.held_out
        if held_out is None or not len(held_out.manifest):
            return None
        return Validation(held_out.manifest, held_out.pixels, seed)


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
    sampler, batch_photos = _plan(training, recipe, processes)
    start = start_of(recipe) if begun is None else None
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


def read_photos(
    training: Manifest,
    held_out: Manifest,
    preprocess: Preprocess,
    recipe: Recipe,
    processes: Processes,
    begun: Begun | None = None,
) -> PhotosRead:
    """Read the photos that fit into memory, and leave out what any process cannot read.

    Args:
        training: the photos to train on, every process with the same ones.
        held_out: those to measure on; the first process alone reads them.
        preprocess: from photos to the network's input.
        recipe: of the run.
        processes: of the run.
        begun: of a run that goes on: it leaves out what it left out when it began.

    Raises:
        InputError: the photos of a run that goes on are not what they were; names them.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
    """
    together = processes.together
    reading = _Reading(preprocess, recipe, processes)
    records = None if begun is None else begun.records
    before, before_held = records or (None, None)
    found = together(lambda: reading.read(training, "reading", before))
    mine = {row: bad.reason for row, bad in found.bad.items()}
    elsewhere: dict[int, BadImage] = {}
    for rank, told in enumerate(processes.gather(list(mine.items()))):
        for row, reason in told:
            if row not in mine and row not in elsewhere:
                name = str(training.photo(row))
                elsewhere[row] = BadImage(name, f"{reason} (on process {rank})")
    found = found.without(elsewhere)
    held = together(
        lambda: (
            reading.read(held_out, "reading validation", before_held) if processes.first else None
        )
    )

    def compared() -> tuple[Readable, Readable | None]:
        if begun is None or before is None or before_held is None:
            return found, held
        changes = before.changes(training, found, preprocess)
        if held is not None:
            changes += before_held.changes(held_out, held, preprocess)
        begun.refuse(changes)
        return (
            _as_begun(training, found, before),
            None if held is None else _as_begun(held_out, held, before_held),
        )

    kept, kept_held = together(compared)
    new = None
    if records is None and held is not None:
        new = (
            PhotoRecord.of(training, found, preprocess),
            PhotoRecord.of(held_out, held, preprocess),
        )
    return PhotosRead(kept, kept_held, new)


@dataclass(frozen=True)
class _Reading:
    """How the photos of a run are read before its first step."""

    preprocess: Preprocess
    recipe: Recipe
    processes: Processes

    def read(self, manifest: Manifest, what: str, before: PhotoRecord | None) -> Readable:
        data = self.recipe.data
        # Each process of a machine keeps all photos, as any may be in its share of a batch.
        keep = data.keep_mib * 2**20 // self.processes.local_count
        if before is not None and not before.tried:
            keep = 0  # what the run reads as it needs it, it goes on reading so
        return keep_readable(
            manifest,
            self.preprocess,
            on_bad_image=data.on_bad_image,
            keep_bytes=keep,
            what=what,
        )


def _as_begun(manifest: Manifest, found: Readable, before: PhotoRecord) -> Readable:
    """Without the photos that were left out when the run began, whether they can be read or not."""
    for line in before.back(found):
        log.warning("%s; left out of this run, as when it began", line)
    left_out = {
        row: BadImage(str(manifest.photo(row)), "could not be read when the run began")
        for row in before.bad.tolist()
    }
    return found.without(left_out)


def loader_of(
    photos: Photos,
    sampler: EpochSampler,
    recipe: Recipe,
    device: torch.device,
    processes: Processes,
) -> torch.utils.data.DataLoader[object]:
    """What loads this process's share of each batch, with its share of the cores."""
    workers = recipe.data.workers
    if workers is None:
        cores = usable_cores() // processes.local_count
        workers = 0 if cores < 2 else min(8, cores)
    return torch.utils.data.DataLoader(
        photos,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=leave_signals_to_the_parent,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
        # Its own generator: the loader must not move the one that dropout draws from.
        generator=torch.Generator(),
    )


def split_of(manifest: Manifest, recipe: Recipe) -> tuple[Manifest, Manifest]:
    """What is trained on and what is held out: by the column ``split``, else drawn by the seed.

    Raises:
        InputError: there are too few identities, or none is to be trained on.
    """
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
    if shared:
        log.warning("%d identities are in train and in val, such as %s", len(shared), shared[0])
    return training, held_out
