"""Build what a recipe names: the network, the loss and the batches."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from likewise.data.preprocess import Preprocess
from likewise.data.sampler import BalancedBatches, BatchPlan, PairBatches, PlainBatches
from likewise.errors import InputError
from likewise.losses import CrossBatchMemory, Placement, PrototypeMemory, Shard, create_loss
from likewise.losses.loss import as_loss
from likewise.models.graph.capture import capture_or_warn
from likewise.models.registry import backbone_of, create_backbone
from likewise.training.recipe.batch_choice import adjacent_pairs, with_sampler
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.initial_weights import InitialWeights, read_initial_weights
from likewise.training.setup.network_choice import chosen_backbone
from likewise.training.setup.unlabelled import learns_from_teacher_alone
from likewise.training.step.teacher import Distilling, NoLoss, with_teacher

__all__ = [
    "bare_network_of",
    "batches_of",
    "describe_start",
    "loss_of",
    "network_of",
    "preprocess_of",
    "seed_everything",
]


def network_of(recipe: Recipe, start: InitialWeights | None = None) -> torch.nn.Module:
    """The network, with random weights or those of ``model.weights``.

    Args:
        recipe: of the run.
        start: the weights of ``model.weights``, if they are read already.

    Raises:
        InputError: an unknown name, or weights that do not fit.
    """
    start = start or read_initial_weights(recipe)
    module = bare_network_of(recipe)
    if start is not None:
        start.load_into(module, recipe)
    return module


def bare_network_of(recipe: Recipe) -> torch.nn.Module:
    """The network with random weights, whatever ``model.weights`` is.

    Raises:
        InputError: an unknown name, or a size that the network cannot take.
    """
    size = recipe.input
    module = create_backbone(
        chosen_backbone(recipe), height=size.height, width=size.width, channels=size.channels
    )
    if backbone_of(module) is None:  # a warning now, not after hours; copies keep what it finds
        capture_or_warn(module, (size.channels, size.height, size.width))
    return module


def preprocess_of(recipe: Recipe, start: InitialWeights | None) -> Preprocess:
    """The preprocessing of the recipe; what it leaves open is that of the initial weights.

    Raises:
        InputError: the initial weights need another input.
    """
    wanted = recipe.input.preprocess()
    return wanted if start is None else start.preprocess_for(wanted, recipe.input.given())


def loss_of(
    recipe: Recipe, num_classes: int, *, shard: Shard | None = None, folder: Path | None = None
) -> torch.nn.Module:
    """The loss of the recipe.

    Args:
        recipe: names the loss, its parameters, and the settings ``head`` of its class weights.
        num_classes: of all processes.
        shard: the classes that this process owns; None: all of them.
        folder: of the run, for memory-mapped class weights unless the recipe names another.

    Raises:
        InputError: an unknown name or parameter, a value that the loss refuses, batches that it
            cannot learn from, class sampling for a loss without classes, or a memory for a loss
            that has no use for it.
        LikewiseError: the disk has no space for memory-mapped class weights.
    """
    if learns_from_teacher_alone(recipe):
        return with_teacher(recipe, NoLoss())
    loss: torch.nn.Module = create_loss(
        recipe.loss.name,
        num_classes=num_classes,
        embedding_dim=recipe.model.embedding_dim,
        placement=_placement(recipe, shard or Shard(), folder),
        **recipe.loss.parameters(),
    )
    batch = with_sampler(recipe).batch
    alone = batch.sampler == "plain" or (batch.sampler == "balanced" and batch.images < 2)
    if alone and any(isinstance(part, PrototypeMemory) for part in loss.modules()):
        raise InputError(
            "loss.name: prototype_memory computes the weights of a class from its photos in the "
            "batch, and needs two or more: set batch.sampler=balanced, batch.images=4"
        )
    return with_teacher(recipe, _with_memory(recipe, loss))


def _with_memory(recipe: Recipe, loss: torch.nn.Module) -> torch.nn.Module:
    """The loss with a memory of earlier batches, if the recipe asks for one."""
    memory = recipe.loss.memory
    if not memory.size:
        return loss
    if not as_loss(loss).compares_samples:
        raise InputError(
            f"loss.memory.size={memory.size}: has no effect with loss.name={recipe.loss.name}, "
            "which does not compare photos with each other; set loss.name=supcon, or leave "
            "loss.memory out"
        )
    if adjacent_pairs(recipe.loss.parameters()):
        raise InputError(
            f"loss.memory.size={memory.size}: has no effect with loss.miner=adjacent, whose pairs "
            "are in the batch; set loss.miner=all, or leave loss.memory out"
        )
    return CrossBatchMemory(
        loss,
        embedding_dim=recipe.model.embedding_dim,
        memory_size=memory.size,
        warmup=memory.start,
        in_batch=memory.in_batch,
    )


def _placement(recipe: Recipe, shard: Shard, folder: Path | None) -> Placement:
    head = recipe.head
    named = Path(head.folder) if head.folder else folder
    return Placement(
        shard=shard,
        sample=head.sample if head.sample < 1 else None,
        storage=head.storage,
        folder=named,
        seed=recipe.training.seed,
    )


def batches_of(recipe: Recipe, labels: NDArray[np.int64]) -> BatchPlan:
    """The batches of photos with these labels [N].

    Raises:
        InputError: there are too few identities for such batches.
    """
    batch, seed = with_sampler(recipe).batch, recipe.training.seed
    if batch.sampler == "plain":
        return PlainBatches(labels, batch.size, seed)
    if batch.sampler == "pairs":
        return PairBatches(labels, batch.size, seed)
    by_photos = batch.draw == "by_photos"
    return BalancedBatches(labels, batch.identities, batch.images, seed, by_photos=by_photos)


def seed_everything(seed: int) -> None:
    """Seed the random generators of Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  # timm and others use it
    torch.manual_seed(seed)


def describe_start(recipe: Recipe, loss: torch.nn.Module) -> list[str]:
    """For the log, a line each: batches, initial weights, frozen weights and teacher."""
    model, lines = recipe.model, [f"a batch: {_composed(recipe)}"]
    if model.pretrained:
        lines.append(f"starts with timm's trained weights of {model.name}")
    if model.weights is not None:
        but = f", except {', '.join(model.weights_except)}" if model.weights_except else ""
        lines.append(f"starts with the weights of {model.weights}{but}")
    if model.freeze:
        until = f" for {model.unfreeze_epoch} epochs" if model.unfreeze_epoch else ""
        lines.append(f"frozen{until}: {', '.join(model.freeze)}")
    if isinstance(loss, Distilling):
        size = loss.preprocess
        seen = "each photo and its mirror image once" if recipe.distill.cache else "the same photos"
        lines.append(
            f"distils {recipe.distill.teacher} by {recipe.distill.kind}; the teacher gets {seen} "
            f"at {size.height}×{size.width}"
        )
    return lines


def _composed(recipe: Recipe) -> str:
    batch = with_sampler(recipe).batch
    if batch.sampler == "balanced":
        how = ", drawn by their photos" if batch.draw == "by_photos" else ""
        return f"{batch.images} photos of each of up to {batch.identities} identities{how}"
    return f"up to {batch.size} photos" + (", in pairs" if batch.sampler == "pairs" else "")
