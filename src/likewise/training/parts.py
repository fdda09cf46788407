"""What a recipe names, made: the network, the loss, the batches, and where randomness begins."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from likewise.data.sampler import BalancedBatches, BatchPlan, PairBatches, PlainBatches
from likewise.errors import InputError
from likewise.losses import Placement, Shard, create_loss
from likewise.models.registry import Backbone, create_backbone
from likewise.models.store import load
from likewise.training.recipe import Recipe

__all__ = ["batches_of", "loss_of", "network_of", "seed_everything"]


def network_of(recipe: Recipe) -> torch.nn.Module:
    """The network, its weights drawn anew or taken from ``model.weights``.

    Raises:
        InputError: an unknown name, or weights that do not fit.
    """
    model, size = recipe.model, recipe.input
    module = create_backbone(
        Backbone(model.name, model.embedding_dim, model.dropout),
        height=size.height,
        width=size.width,
        channels=size.channels,
    )
    if model.weights is None:
        return module
    start = load(model.weights)
    try:
        module.load_state_dict(start.module.state_dict())
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"model.weights: {model.weights} does not fit ({reason})") from None
    return module


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
        InputError: an unknown name or parameter, a value that the loss refuses, or classes to be
            sampled where the loss has none.
        LikewiseError: there is no room for memory-mapped class weights.
    """
    loss: torch.nn.Module = create_loss(
        recipe.loss.name,
        num_classes=num_classes,
        embedding_dim=recipe.model.embedding_dim,
        placement=_placement(recipe, shard or Shard(), folder),
        **recipe.loss.parameters(),
    )
    return loss


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
    batch, seed = recipe.batch, recipe.training.seed
    if batch.sampler == "plain":
        return PlainBatches(labels, batch.size, seed)
    if batch.sampler == "pairs":
        return PairBatches(labels, batch.size, seed)
    return BalancedBatches(labels, batch.identities, batch.images, seed)


def seed_everything(seed: int) -> None:
    """Let every generator of this process begin at ``seed``."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # timm and others draw from it
    torch.manual_seed(seed)
