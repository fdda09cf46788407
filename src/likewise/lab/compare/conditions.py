"""The recipe that all losses of a comparison share, unless one is given."""

from __future__ import annotations

from likewise.training.recipe.recipe import Recipe, recipe_with

__all__ = ["EPOCHS", "comparison_recipe"]

EPOCHS = 30


def comparison_recipe() -> Recipe:
    """A small network at 28 pixels, and batches in which every sample has a positive.

    Every loss gets these batches, P identities × K photos: the pair losses cannot do without
    them, and the others lose little. Nothing is mirrored, since letters and signs may not be.

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
