"""The transform of a user in the recipe of a run: named in it, and needed again to resume."""

from __future__ import annotations

import logging

from likewise.data.augmentation.own_transform import OwnTransform
from likewise.errors import InputError
from likewise.training.recipe.recipe import Recipe

__all__ = ["with_transform"]

log = logging.getLogger(__name__)


def with_transform(recipe: Recipe, transform: OwnTransform | None, *, resume: bool) -> Recipe:
    """The recipe, with the transform in ``data.transform``.

    Args:
        recipe: of the run.
        transform: given to ``train``; None: there is none.
        resume: whether the run began before, and its recipe says with which transform.

    Raises:
        InputError: the recipe was used with a transform, which a file cannot hold, and none is
            given; or a run that began without one is resumed with one.
    """
    before = recipe.data.transform
    if transform is None:
        if before is None:
            return recipe
        raise InputError(
            f"data.transform: the recipe goes with a transform ({before}), which a recipe cannot "
            "hold; give it to likewise.train(transform=...), or set data.transform=null"
        )
    now = transform.description
    if resume and before is None:
        raise InputError(
            "transform: the run began with the augmentation of its recipe; resume it without a "
            "transform"
        )
    if resume and before != now:
        log.warning("the run began with the transform %s; it goes on with %s", before, now)
    data = recipe.data.model_copy(update={"transform": now})
    return recipe.model_copy(update={"data": data})
