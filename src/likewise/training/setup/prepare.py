"""What a run needs before its first step, in an order in which mistakes are found early."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from likewise.data.manifest import Manifest
from likewise.data.photos import Photos, collate
from likewise.machine import usable_cores
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.design import Design, design, design_for, split_of
from likewise.training.setup.readable_photos import PhotosRead, read_photos
from likewise.training.setup.run_folder import Begun
from likewise.training.stopping import leave_signals_to_the_parent
from likewise.training.trainer import Trainer

__all__ = ["Prepared", "end_loading", "loader_of", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """The parts of a run.

    Args:
        made: what the recipe names, for the photos that are trained on.
        trainer: of it.
        photos: as far as they can be read.
    """

    made: Design
    trainer: Trainer
    photos: PhotosRead

    def dataset(self, recipe: Recipe) -> Photos:
        """The photos to train on, augmented as the recipe says."""
        made = self.made
        augment = recipe.augment.transform(channels=made.preprocess.channels)
        return Photos(made.training, made.preprocess, augment, self.photos.training.pixels)


def prepare(
    manifest: Manifest,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    processes: Processes,
    begun: Begun | None = None,
) -> Prepared:
    """Make everything that can be refused, read the photos, and make anew what fits no more.

    A run that goes on is made for the photos that it had when it began.

    Raises:
        InputError: the photos or the recipe cannot be used, or not by so many processes; or the
            photos of a run that goes on are not what they were.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
    """

    def trainer_of(made: Design) -> Trainer:
        return Trainer(recipe, made.module, made.loss, made.preprocess, device, processes)

    together = processes.together
    training, held_out = together(lambda: split_of(manifest, recipe))
    if begun is not None:
        together(lambda: begun.require_same_listing(training, held_out))
    known = training if begun is None else begun.readable(training)
    made = together(lambda: design(known, held_out, recipe, folder, processes, begun))
    trainer = trainer_of(made)
    photos = read_photos(training, held_out, made.preprocess, recipe, processes, begun)
    left = photos.training.manifest
    if len(left) == len(known):
        return Prepared(made, trainer, photos)
    fitted = together(lambda: design_for(made, left, recipe, folder, processes))
    same = fitted.module is made.module
    return Prepared(fitted, trainer if same else trainer_of(fitted), photos)


def loader_of(
    parts: Prepared, recipe: Recipe, device: torch.device, processes: Processes
) -> torch.utils.data.DataLoader[object]:
    """What loads this process's share of each batch, with its share of the cores."""
    workers = recipe.data.workers
    if workers is None:
        cores = usable_cores() // processes.local_count
        workers = 0 if cores < 2 else min(8, cores)
    return torch.utils.data.DataLoader(
        parts.dataset(recipe),
        batch_sampler=parts.made.sampler,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=leave_signals_to_the_parent,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
        # Its own generator: the loader must not move the one that dropout draws from.
        generator=torch.Generator(),
    )


def end_loading(loader: torch.utils.data.DataLoader[object]) -> None:
    """End the processes that load photos.

    If that were left to the end of Python, an error's traceback would keep the loader until then;
    and there they would get the signal that they leave to their parent, who would wait for ever.
    """
    iterator = loader._iterator
    if isinstance(iterator, torch.utils.data.dataloader._MultiProcessingDataLoaderIter):
        iterator._shutdown_workers()
        for worker in iterator._workers:
            if worker.is_alive():  # it hangs, such as on a disk that does not answer
                worker.kill()
