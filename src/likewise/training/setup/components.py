"""The components of a run: split, batches, network and loss, built before any photo is read.

So a recipe or a manifest that cannot be used is refused at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from likewise.data.alignment import template_of, warn_of_two_alignments
from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess
from likewise.data.repeats import without_repeats
from likewise.data.sampler import EpochSampler
from likewise.data.splits import hold_out, with_photos
from likewise.errors import InputError
from likewise.losses import Shard
from likewise.losses.registry import has_classes, needs_pairs
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
from likewise.training.setup.initial_weights import InitialWeights, read_initial_weights
from likewise.training.setup.resume import ResumedRun
from likewise.training.setup.unlabelled import (
    hold_out_photos,
    is_unlabelled,
    learns_from_teacher_alone,
)

__all__ = ["Components", "build_components", "rebuild_components", "split_of"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Components:
    """The components of a run.

    Args:
        training: the photos to train on.
        held_out: the photos for validation.
        sampler: draws this process's share of each batch.
        batch_photos: the number of photos in a whole batch.
        preprocess: from photos to the network's input.
        module: the network.
        loss: with the class weights of this process.
    """

    training: Manifest
    held_out: Manifest
    sampler: EpochSampler
    batch_photos: int
    preprocess: Preprocess
    module: nn.Module
    loss: nn.Module


def split_of(manifest: Manifest, recipe: Recipe) -> tuple[Manifest, Manifest]:
    """The photos for training and for validation, by the column ``split`` or drawn by the seed.

    Identities with fewer photos than ``data.min_photos`` are left out of training.

    Raises:
        InputError: there are too few identities, or none for training.
    """
    training, held_out = _parts(manifest, recipe)
    least = recipe.data.min_photos
    enough = with_photos(training, least)
    if len(enough) == len(training):
        return training, held_out
    if len(enough.identities) < 2:
        raise InputError(
            f"{manifest.root}: of the identities to train on {len(enough.identities)} have {least} "
            "photos or more; at least 2 are needed: lower data.min_photos, or hold out fewer"
        )
    log.info(
        "%d of %d identities are left out: they have fewer than %d photos (data.min_photos)",
        len(training.identities) - len(enough.identities), len(training.identities), least,
    )  # fmt: skip
    return enough, held_out


def _parts(manifest: Manifest, recipe: Recipe) -> tuple[Manifest, Manifest]:
    manifest = without_repeats(manifest)
    if len(manifest.identities) < 2:
        raise InputError(
            f"{manifest.root}: only one identity ({manifest.identities[0]}); at least 2 are "
            "needed, since a network learns from the differences between people"
        )
    if "split" not in manifest.table.column_names:
        if is_unlabelled(manifest) and learns_from_teacher_alone(recipe):
            return hold_out_photos(manifest, recipe.data.val_identities, recipe.training.seed)
        return hold_out(manifest, recipe.data.val_identities, recipe.training.seed)
    training, held_out = manifest.split("train"), manifest.split("val")
    if not len(training):
        raise InputError(f"{manifest.root}: no row of the manifest has split = train")
    if not len(held_out):  # as in published sets, which have only train and test
        training, held_out = hold_out(training, recipe.data.val_identities, recipe.training.seed)
    if not len(held_out):
        log.warning("%s: no row has split = val, so nothing is validated", manifest.root)
    shared = sorted(set(training.identities) & set(held_out.identities))
    if shared:
        log.warning("%d identities are in train and in val, such as %s", len(shared), shared[0])
    return training, held_out


def build_components(
    training: Manifest,
    held_out: Manifest,
    recipe: Recipe,
    folder: Path,
    processes: Processes,
    resumed: ResumedRun | None = None,
) -> Components:
    """Build the components; no photo is read.

    Args:
        training: the photos to train on.
        held_out: the photos for validation.
        recipe: of the run.
        folder: of the run.
        processes: of the run.
        resumed: of a resumed run, whose preprocessing is kept; ``model.weights`` is not read, since
            the weights come from the checkpoint.

    Raises:
        InputError: the photos or the recipe cannot be used, or not by this number of processes.
    """
    classes = len(training.identities) if len(training) else 0
    if classes < 2:
        raise InputError(
            f"{training.root}: {classes} identity to train on; at least 2 are needed, since a "
            "network learns from the differences between people"
        )
    if classes < processes.count:
        raise InputError(
            f"processes: {processes.count} for {classes} identities to train on; each needs one "
            "or more of its own: start fewer"
        )
    _warn_of_single_photos(training, recipe)
    sampler, batch_photos = _batches(training, recipe, processes)
    start = read_initial_weights(recipe) if resumed is None else None
    seed_everything(recipe.training.seed)
    return Components(
        training=training,
        held_out=held_out,
        sampler=sampler,
        batch_photos=batch_photos,
        preprocess=_aligned(preprocess_of(recipe, start), training, start)
        if resumed is None
        else resumed.preprocess,
        module=bare_network_of(recipe) if resumed is not None else network_of(recipe, start),
        loss=loss_of(recipe, classes, shard=Shard(processes.rank, processes.count), folder=folder),
    )


def _aligned(
    preprocess: Preprocess, training: Manifest, start: InitialWeights | None
) -> Preprocess:
    """The preprocessing, with the alignment of the photos that the network learns from."""
    if training.alignment is None:
        return preprocess
    expected = None if start is None or start.preprocess is None else start.preprocess.alignment
    warn_of_two_alignments(expected, training.alignment, f"model.weights and {training.root}")
    return replace(preprocess, alignment=template_of(training.alignment))


def rebuild_components(
    components: Components, training: Manifest, recipe: Recipe, folder: Path, processes: Processes
) -> Components:
    """The components for some of the photos: only the batches change if all people remain.

    Raises:
        InputError: too few photos are left.
    """
    if len(training) and training.identities == components.training.identities:
        sampler, batch_photos = _batches(training, recipe, processes)
        return replace(components, training=training, sampler=sampler, batch_photos=batch_photos)
    return build_components(training, components.held_out, recipe, folder, processes)


def _warn_of_single_photos(training: Manifest, recipe: Recipe) -> None:
    """Warn if the loss compares photos and most people have a single one."""
    counts = np.bincount(training.labels)
    alone = int((counts == 1).sum())
    if learns_from_teacher_alone(recipe):
        return
    if (
        needs_pairs(recipe.loss.name)
        and not has_classes(recipe.loss.name)
        and (2 * alone > len(counts))
    ):
        log.warning(
            "%s: %d of %d identities have one photo: their pairs are two augmented copies of it, "
            "which do not teach what two photos of a person share. A loss with class weights, "
            "such as cosface, may be better for them", training.root, alone, len(counts),
        )  # fmt: skip


def _batches(training: Manifest, recipe: Recipe, processes: Processes) -> tuple[EpochSampler, int]:
    plan = batches_of(recipe, training.labels)
    batch_photos = len(next(plan.batches(0)))
    if batch_photos < processes.count:
        raise InputError(
            f"processes: {processes.count} for batches of {batch_photos} photos; each needs one "
            "or more: raise batch.size, or start fewer"
        )
    seed = recipe.training.seed
    return EpochSampler(plan, seed, rank=processes.rank, processes=processes.count), batch_photos
