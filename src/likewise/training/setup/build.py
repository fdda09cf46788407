"""What a recipe names, made: the network, the loss, the batches, and where randomness begins."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from likewise.data.preprocess import Preprocess
from likewise.data.sampler import BalancedBatches, BatchPlan, PairBatches, PlainBatches
from likewise.errors import InputError
from likewise.losses import Placement, PrototypeMemory, Shard, create_loss
from likewise.models.registry import Backbone, create_backbone
from likewise.training.recipe.batch_choice import with_sampler
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.initial_weights import InitialWeights, read_initial_weights
from likewise.training.step.teacher import Distilling, with_teacher

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
    """The network, its weights drawn anew or taken from ``model.weights``.

    Args:
        recipe: names it.
        start: what ``model.weights`` names, if it is read already.

    Raises:
        InputError: an unknown name, or weights that do not fit.
    """
    start = start or read_initial_weights(recipe)
    module = bare_network_of(recipe)
    if start is not None:
        start.load_into(module, recipe)
    return module


def bare_network_of(recipe: Recipe) -> torch.nn.Module:
    """The network with weights drawn anew, whatever ``model.weights`` says.

    Raises:
        InputError: an unknown name, or a size that the network cannot take.
    """
    model, size = recipe.model, recipe.input
    backbone = Backbone(model.name, model.embedding_dim, model.dropout)
    return create_backbone(backbone, height=size.height, width=size.width, channels=size.channels)


def preprocess_of(recipe: Recipe, start: InitialWeights | None) -> Preprocess:
    """From photos to the network's input; what it begins with has a say in it.

    Raises:
        InputError: the weights are used to another input.
    """
    wanted = recipe.input.preprocess()
    return wanted if start is None else start.preprocess_for(wanted)


def loss_of(
    recipe: Recipe, num_classes: int, *, shard: Shard | None = None, folder: Path | None = None
) -> torch.nn.Module:
    """The loss for so many classes, with the parameters that the recipe gives it.

    Args:
        recipe: names the loss, its parameters, and what ``head`` says of its class weights.
        num_classes: of all processes.
        shard: the share of the classes that this process owns; all of them if None.
        folder: of the run, where memory-mapped class weights lie unless the recipe says otherwise.

    Raises:
        InputError: an unknown name or parameter, a value that the loss refuses, batches that it
            cannot learn from, or classes to be sampled where the loss has none.
        LikewiseError: there is no room for memory-mapped class weights.
    """
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
            "loss.name: prototype_memory makes a class's weights of its photos in the batch, and "
            "needs two or more: set batch.sampler=balanced, batch.images=4"
        )
    return with_teacher(recipe, loss)


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
    return BalancedBatches(labels, batch.identities, batch.images, seed)


def seed_everything(seed: int) -> None:
    """Let every generator of this process begin at ``seed``."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  # timm and others draw from it
    torch.manual_seed(seed)


def describe_start(recipe: Recipe, loss: torch.nn.Module) -> list[str]:
    """What a run begins with and learns from besides its photos, a line each, for the log."""
    model, lines = recipe.model, [f"a batch: {_composed(recipe)}"]
    if model.weights is not None:
        but = f", but for {', '.join(model.weights_except)}" if model.weights_except else ""
        lines.append(f"begins with the weights of {model.weights}{but}")
    if model.freeze:
        until = f" for {model.unfreeze_epoch} epochs" if model.unfreeze_epoch else ""
        lines.append(f"held still{until}: {', '.join(model.freeze)}")
    if isinstance(loss, Distilling):
        sees = loss.preprocess
        lines.append(
            f"learns from {recipe.distill.teacher} too, by {recipe.distill.kind}; the teacher sees "
            f"the same photos at {sees.height}×{sees.width}"
        )
    return lines


def _composed(recipe: Recipe) -> str:
    batch = with_sampler(recipe).batch
    if batch.sampler == "balanced":
        return f"{batch.images} photos of each of up to {batch.identities} people"
    return f"up to {batch.size} photos" + (", in pairs" if batch.sampler == "pairs" else "")
