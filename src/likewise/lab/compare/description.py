"""A comparison's conditions in words, for its page and its JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.lab.compare.laboratory import Laboratory
from likewise.lab.compare.photo_set import VIEWS
from likewise.training.recipe.batch_choice import with_sampler
from likewise.training.recipe.recipe import Recipe

__all__ = ["conditions_of", "ranges_of"]


def conditions_of(lab: Laboratory) -> dict[str, Any]:
    """What all losses shared."""
    recipe, fold = lab.recipe, lab.folds[0]
    labels = lab.photos.labels

    def people(rows: NDArray[np.int64]) -> str:
        return f"{len(rows):,} photos of {len(set(labels[rows].tolist())):,} identities"

    size = recipe.input
    return {
        "training": people(fold.training),
        "of these, for the trials": people(fold.fitting),
        "and to judge them": people(fold.validation),
        "test": people(fold.test),
        "folds": "a fixed test set" if lab.fixed_test else len(lab.folds),
        "seeds": lab.seeds,
        "trials of each loss": lab.tried or "none: the middle of each range",
        "epochs": lab.epochs_in_words,
        "budget": "the epochs" if lab.budget is None else f"{lab.budget:g} s a run",
        "network": f"{recipe.model.name}, {recipe.model.embedding_dim} numbers, from nothing",
        "input": f"{size.height}×{size.width} pixels, {size.channels} channels",
        "batch": _batch(recipe),
        "augmentation": f"the same {VIEWS} views of each photo for all",
        "data fingerprint": lab.photos.training.fingerprint,
    }


def ranges_of(lab: Laboratory) -> dict[str, str]:
    """What was tuned of each loss, and within what."""
    return {
        candidate.label: "; ".join(
            parameter.range() for parameter in candidate.hyperparameters(lab.recipe.optimizer.lr)
        )
        for candidate in lab.candidates
    }


def _batch(recipe: Recipe) -> str:
    batch = with_sampler(recipe).batch
    if batch.sampler == "balanced":
        return f"{batch.identities} identities × {batch.images} photos"
    return f"{batch.size} photos ({batch.sampler})"
