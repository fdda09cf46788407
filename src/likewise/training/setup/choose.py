"""The recipe that ``train`` uses for given photos if no recipe is given."""

from __future__ import annotations

from likewise.data.manifest import Manifest
from likewise.losses import automatic_scale
from likewise.training.recipe.batch_choice import with_sampler
from likewise.training.recipe.recipe import Recipe
from likewise.training.setup.components import split_of

__all__ = ["recipe_for"]


def recipe_for(manifest: Manifest, recipe: Recipe | None = None) -> Recipe:
    """The recipe with the settings that depend on the data resolved as in ``train``.

    These are the sampler, and the scale of the loss, which depends on the number of identities. No
    photo is read: identities whose photos are all broken count too. Settings that depend on the
    machine (``training.device``, ``training.precision``) stay ``auto``.

    Args:
        manifest: the photos to train on.
        recipe: the default recipe if None.

    Raises:
        InputError: the manifest cannot be trained on: it has fewer than two identities.

    Example:
        >>> import likewise
        >>> from likewise.training.setup.choose import recipe_for
        >>> recipe_for(likewise.read_manifest(photos)).batch.sampler
        'plain'
    """
    recipe = with_sampler(Recipe() if recipe is None else recipe)
    training, _ = split_of(manifest, recipe)
    if recipe.loss.parameters().get("scale") != "auto":
        return recipe
    scale = automatic_scale(len(training.identities))
    return recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"scale": scale})})
