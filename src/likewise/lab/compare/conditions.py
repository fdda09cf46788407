"""The conditions that all losses of a comparison share: the default recipe, and descriptions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.lab.compare.photo_set import VIEWS
from likewise.lab.compare.runner import Runner
from likewise.training.recipe.batch_choice import with_sampler
from likewise.training.recipe.recipe import Recipe, recipe_with

__all__ = ["comparison_recipe", "conditions_of", "ranges_of"]

EPOCHS = 30


def comparison_recipe() -> Recipe:
    """The default recipe: a small network at 28 pixels, and batches of P identities × K photos.

    In such a batch every sample has a positive, which the pair losses need; the other losses
    lose little by it. Images are not flipped, because a flipped letter is another letter.

    Example:
        >>> from likewise.lab.compare.conditions import comparison_recipe
        >>> comparison_recipe().model.name
        'contrastnet'
    """
    return recipe_with(Recipe(), [
        "input.height=28", "input.width=28", "input.channels=1", "input.fit=stretch",
        "data.val_identities=25%",
        "batch.sampler=balanced", "batch.identities=16", "batch.images=4",
        "model.name=contrastnet", "model.embedding_dim=64", "model.dropout=0.1",
        "optimizer.lr=3e-3", "optimizer.weight_decay=0.1",
        f"schedule.epochs={EPOCHS}", "schedule.warmup_epochs=2",
        "schedule.margin_warmup_epochs=4", "schedule.final=0.01",
        "augment.flip=0",
        "augment.geometry={p: 1, degrees: 12, zoom: 0.12, aspect: 0.05, translate: 0.07, "
        "perspective: 0.05, elastic: 0.03}",
        "augment.color={p: 1, brightness: 0.15, contrast: 0.2}",
    ])  # fmt: skip


def conditions_of(runner: Runner) -> dict[str, Any]:
    """The shared conditions in words, for the page and the JSON file."""
    recipe, fold = runner.recipe, runner.folds[0]
    labels = runner.photos.labels

    def people(rows: NDArray[np.int64]) -> str:
        return f"{len(rows):,} photos of {len(set(labels[rows].tolist())):,} identities"

    size = recipe.input
    return {
        "training": people(fold.training),
        "training of the trials": people(fold.fitting),
        "validation": people(fold.validation),
        "test": people(fold.test),
        "folds": "a fixed test set" if runner.fixed_test else len(runner.folds),
        "seeds": runner.seeds,
        "trials per loss": runner.tried or "none: the middle of each range",
        "epochs": runner.epochs_in_words,
        "budget": "the epochs" if runner.budget is None else f"{runner.budget:g} s per run",
        "network": f"{recipe.model.name}, {recipe.model.embedding_dim} dimensions, from scratch",
        "input": f"{size.height}×{size.width} pixels, {size.channels} channels",
        "batch": _batch(recipe),
        "augmentation": f"{VIEWS} views of each photo, the same for all losses",
        "data fingerprint": runner.photos.training.fingerprint,
    }


def ranges_of(runner: Runner) -> dict[str, str]:
    """The tuned hyperparameters of each loss and their ranges, in words."""
    return {
        candidate.label: "; ".join(
            parameter.range() for parameter in candidate.hyperparameters(runner.recipe.optimizer.lr)
        )
        for candidate in runner.candidates
    }


def _batch(recipe: Recipe) -> str:
    batch = with_sampler(recipe).batch
    if batch.sampler == "balanced":
        return f"{batch.identities} identities × {batch.images} photos"
    return f"{batch.size} photos ({batch.sampler})"
