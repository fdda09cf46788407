"""Start from a ready model: the settings that it gives the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.registry import Backbone
from likewise.training.recipe.named import find_recipe, list_recipes
from likewise.training.recipe.named_embedder import load_named
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.setup.initial_weights import trainable
from likewise.training.setup.network_choice import without_head

__all__ = ["TUNE", "begins_as_it_is", "recipe_from", "started_recipe", "tune_recipe"]

TUNE = "tune"


def tune_recipe() -> Recipe:
    """The recipe ``tune``: how a model that is trained already is trained further.

    Example:
        >>> from likewise.training.setup.start import tune_recipe
        >>> tune_recipe().model.weights is None  # recipe_from sets it
        True
    """
    return find_recipe(TUNE)


def recipe_from(start: str | Path, recipe: Recipe | None = None, *, key: str = "--from") -> Recipe:
    """The recipe of a run that starts from a ready model.

    Its network, embedding dimension and input are those of the model, whose weights also bring
    mean, deviation, colour order and alignment. All else is the recipe's.

    Args:
        start: a ready model such as ``sface``, a model's folder, or a hub id.
        recipe: ``tune_recipe()`` if None.
        key: names the argument in messages.

    Raises:
        InputError: there is no such model, it cannot be trained, or the recipe sets something that
            the model fixes to another value (names the key).

    Example:
        >>> from likewise.training.setup.start import recipe_from
        >>> recipe_from(model).input.height
        32
    """
    name = str(start)
    recipe = tune_recipe() if recipe is None else recipe
    embedder = load_named(key, name)
    backbone = trainable(embedder, f"{key}: {name}")
    for section, fixed in _fixed(name, backbone, embedder.preprocess).items():
        own = getattr(recipe, section)
        for field, value in fixed.items():
            given = getattr(own, field)
            if field in own.model_fields_set and given not in (value, None):
                raise InputError(
                    f"{key} {name}: fixes {section}.{field}={value}, the recipe has {given}; leave "
                    f"{section}.{field} out"
                )
        recipe = recipe.model_copy(update={section: own.model_copy(update=fixed)})
    return recipe


def started_recipe(
    start: str | Path, recipe: Recipe | str | Path | None = None, settings: Sequence[str] = ()
) -> tuple[Recipe, str]:
    """The recipe of a run that starts from a ready model, and one line that says so.

    Args:
        start: see ``recipe_from``.
        recipe: a recipe, or the name or file of one; ``tune`` if None.
        settings: changes of it, like ``optimizer.lr=1e-4``.

    Raises:
        InputError: as ``recipe_from``.
    """
    if isinstance(recipe, str) and recipe in list_recipes() and recipe != TUNE:
        raise InputError(
            f"start: {start} brings its own network, and the recipe {recipe} has another one; "
            f"leave the recipe out: it is {TUNE}"
        )
    own = isinstance(recipe, Recipe)
    begun = recipe if isinstance(recipe, Recipe) else find_recipe(recipe or TUNE)
    name = "of your own" if own else str(recipe or TUNE)
    found = recipe_from(start, recipe_with(begun, settings), key="start")
    return found, f"recipe {name}: starts from {start}"


def begins_as_it_is(recipe: Recipe) -> bool:
    """Whether the network of step 0 is a model that is trained already, with all of its weights."""
    model = recipe.model
    if without_head(recipe):
        return False
    return model.weights is not None and not model.weights_except


def _fixed(
    name: str, backbone: Backbone, preprocess: Preprocess
) -> Mapping[str, Mapping[str, Any]]:
    """The keys that the model fixes, by section."""
    sizes = ("height", "width", "channels", "fit")
    return {
        "model": {
            "weights": name,
            "name": backbone.name,
            "embedding_dim": backbone.embedding_dim,
            **({"settings": dict(backbone.settings)} if backbone.settings else {}),
        },
        "input": {size: getattr(preprocess, size) for size in sizes},
    }
