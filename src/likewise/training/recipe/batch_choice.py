"""The sampler that a loss needs, if the recipe leaves it open."""

from __future__ import annotations

from collections.abc import Mapping

from likewise.losses.registry import needs_pairs
from likewise.training.recipe.recipe import Recipe

__all__ = ["adjacent_pairs", "photos_of_a_batch", "with_sampler"]


def with_sampler(recipe: Recipe) -> Recipe:
    """The recipe with ``batch.sampler: auto`` resolved.

    A loss that compares photos with each other gets ``balanced`` batches, or ``pairs`` if its miner
    is ``adjacent``; any other loss gets ``plain`` batches. If the recipe sets ``batch.size`` and
    not ``batch.identities``, a balanced batch has as many identities as give about that size.

    Raises:
        InputError: an unknown loss.

    Example:
        >>> from likewise.training.recipe.recipe import Recipe, recipe_with
        >>> from likewise.training.recipe.batch_choice import with_sampler
        >>> with_sampler(recipe_with(Recipe(), ["loss.name=supcon", "batch.size=32"])).batch
        BatchSection(sampler='balanced', size=32, identities=8, images=4, draw='equally', micro=0)
    """
    batch, loss = recipe.batch, recipe.loss
    if batch.sampler != "auto":
        return recipe
    decided: dict[str, object] = {"sampler": "plain"}
    if adjacent_pairs(loss.parameters()):
        decided["sampler"] = "pairs"
    elif needs_pairs(loss.name):
        decided["sampler"] = "balanced"
        given = batch.model_fields_set
        if "size" in given and "identities" not in given:
            decided["identities"] = max(2, batch.size // batch.images)
    return recipe.model_copy(update={"batch": batch.model_copy(update=decided)})


def photos_of_a_batch(recipe: Recipe) -> int:
    """The photos in a whole batch, if there are enough of them.

    Example:
        >>> from likewise.training.recipe.recipe import Recipe, recipe_with
        >>> from likewise.training.recipe.batch_choice import photos_of_a_batch
        >>> photos_of_a_batch(recipe_with(Recipe(), ["loss.name=supcon"]))
        64
    """
    batch = with_sampler(recipe).batch
    return batch.identities * batch.images if batch.sampler == "balanced" else batch.size


def adjacent_pairs(parameters: Mapping[str, object]) -> bool:
    """Whether the miner of the loss, or of a loss in a sum, takes rows 2i and 2i+1 as pairs.

    Args:
        parameters: of the loss; those of a loss in a sum may be under its name.

    Example:
        >>> from likewise.training.recipe.batch_choice import adjacent_pairs
        >>> adjacent_pairs({"contrastive": {"miner": {"name": "adjacent"}}})
        True
    """
    inner = [value for value in parameters.values() if isinstance(value, dict)]
    miners = [given.get("miner") for given in (parameters, *inner)]
    names = [miner.get("name") if isinstance(miner, dict) else miner for miner in miners]
    return "adjacent" in names
