"""A comparison small enough for tests: twelve synthetic people, two losses, a few seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from likewise.data.formats import read_manifest
from likewise.lab.compare.comparison import Comparison, compare
from likewise.lab.compare.conditions import comparison_recipe
from likewise.training.recipe.recipe import Recipe, recipe_with

LOSSES = ["softmax", "triplet:batch_hard"]
SIZES: dict[str, Any] = {"seeds": 2, "folds": 2, "trials": 2}
RUNS = 2 * 2 * (2 + 2)  # losses × folds × (trials + seeds)


def tiny_recipe(*settings: str) -> Recipe:
    return recipe_with(
        comparison_recipe(),
        [
            "schedule.epochs=3",
            "model.embedding_dim=16",
            "batch.identities=4",
            "batch.images=2",
            "data.val_identities=2",
            "training.device=cpu",
            *settings,
        ],
    )


def run(photos: Path, out: Path, losses: list[str] = LOSSES, **changed: Any) -> Comparison:
    given = {"recipe": tiny_recipe(), **SIZES, **changed}
    return compare(read_manifest(photos), out, losses, say=lambda _: None, **given)


def timeless(found: Comparison) -> dict[str, Any]:
    """The values that a repeated comparison must reproduce."""
    values = found.to_dict()
    return {**values, "rows": [{**row, "images_per_s": None} for row in values["rows"]]}


def failing(monkeypatch: pytest.MonkeyPatch, name: str, error: BaseException) -> None:
    """Make every run of this loss raise ``error``."""
    from likewise.lab.compare import single_run

    real = single_run.loss_of

    def loss_of(recipe: Recipe, num_classes: int) -> Any:
        if recipe.loss.name == name:
            raise error
        return real(recipe, num_classes)

    monkeypatch.setattr(single_run, "loss_of", loss_of)
