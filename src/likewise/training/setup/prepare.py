"""Prepare a run: build its components, then read its photos, so that mistakes are found early."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from likewise.data.augmentation.own_transform import OwnTransform
from likewise.data.manifest import Manifest
from likewise.data.photos import Photos
from likewise.machine import usable_cores
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.profile import StepProfile
from likewise.training.monitoring.watch import Watch
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.batch_stream import BatchStream
from likewise.training.setup.components import (
    Components,
    build_components,
    rebuild_components,
    split_of,
)
from likewise.training.setup.readable_photos import PhotosRead, read_photos
from likewise.training.setup.resume import ResumedRun
from likewise.training.setup.taught_photos import teach_known
from likewise.training.step.schedule import margin_warmup_steps, total_steps, warmup_steps
from likewise.training.trainer import Trainer

__all__ = ["Prepared", "loader_of", "prepare", "warmup_epochs"]


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to train.

    Args:
        components: for the photos that can be read.
        trainer: of the network and the loss.
        photos: the photos that can be read.
        transform: of the user, in place of the augmentation of the recipe.
    """

    components: Components
    trainer: Trainer
    photos: PhotosRead
    transform: OwnTransform | None = None

    def dataset(self, recipe: Recipe) -> Photos:
        """The photos to train on, with the augmentation of the recipe."""
        made = self.components
        augment = recipe.augment.batch_transform(channels=made.preprocess.channels)
        pixels = self.photos.training.pixels
        return Photos(made.training, made.preprocess, augment, pixels, self.transform)


def prepare(
    manifest: Manifest,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    processes: Processes,
    resumed: ResumedRun | None = None,
    profile: StepProfile | None = None,
    transform: OwnTransform | None = None,
) -> Prepared:
    """Build the components, read the photos, and rebuild what does not fit those left.

    A resumed run is prepared for the photos that it started with.

    Raises:
        InputError: the photos or the recipe cannot be used, or not by this number of processes; or
            the photos of a resumed run have changed.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
    """

    def trainer_of(made: Components) -> Trainer:
        watch = None
        if recipe.guards.watch:
            people, warmup = made.training.identities, warmup_epochs(recipe, len(made.sampler))
            epochs, name = recipe.guards.epochs, recipe.loss.name
            drawn = recipe.batch.draw == "equally"
            watch = Watch(people, epochs, warmup, processes, device, name, draws_all=drawn)
        network, loss, preprocess = made.module, made.loss, made.preprocess
        return Trainer(
            recipe, network, loss, preprocess, device, processes, watch=watch, profile=profile
        )

    together = processes.together
    training, held_out = together(lambda: split_of(manifest, recipe))
    if resumed is not None:
        together(lambda: resumed.require_same_listing(training, held_out))
    known = training if resumed is None else resumed.readable(training)
    made = together(lambda: build_components(known, held_out, recipe, folder, processes, resumed))
    trainer = trainer_of(made)
    photos = read_photos(training, held_out, made.preprocess, recipe, processes, resumed)
    left = photos.training.manifest
    if len(left) != len(known):
        fitted = together(lambda: rebuild_components(made, left, recipe, folder, processes))
        trainer = trainer if fitted.module is made.module else trainer_of(fitted)
        made = fitted
    if recipe.distill.cache:
        teach_known(trainer.loss, left, folder, processes)
    found = Prepared(made, trainer, photos, transform)
    if transform is not None:  # once here, where an error is one line, not in a worker process
        together(lambda: found.dataset(recipe).batch([(0, recipe.training.seed)]))
    return found


def warmup_epochs(recipe: Recipe, steps_per_epoch: int) -> float:
    """The epochs until learning rate and margin have risen to their full size."""
    schedule, each = recipe.schedule, steps_per_epoch
    return max(warmup_steps(schedule, each), margin_warmup_steps(schedule, each)) / each


def loader_of(
    parts: Prepared, recipe: Recipe, device: torch.device, processes: Processes
) -> BatchStream:
    """This process's share of each batch, loaded with its share of the cores."""
    workers = recipe.data.workers
    if workers is None:
        cores = usable_cores() // processes.local_count
        workers = 0 if cores < 2 else min(8, cores)
    sampler = parts.components.sampler
    steps = total_steps(recipe.schedule, len(sampler))
    return BatchStream(parts.dataset(recipe), sampler, steps, workers, pin=device.type == "cuda")
