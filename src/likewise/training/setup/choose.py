"""The recipe that ``train`` uses for given photos if no recipe is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from likewise.data.manifest import Manifest
from likewise.data.splits import with_photos
from likewise.errors import InputError
from likewise.losses import automatic_scale
from likewise.machine import pick_device
from likewise.training.recipe.batch_choice import photos_of_a_batch, with_sampler
from likewise.training.recipe.length import with_budget
from likewise.training.recipe.named import find_recipe
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.setup.compact import (
    SIZES,
    compact_settings,
    input_of,
    steps_for,
    worth_training_on,
)
from likewise.training.setup.components import split_of
from likewise.training.setup.photo_rate import photos_per_second
from likewise.training.setup.photo_sample import PhotoSample, sample_photos

__all__ = ["Choice", "begin_recipe", "choose", "depends_on_photos", "recipe_for"]

FITTED = "compact"  # the recipe that leaves much to the photos
LARGE = 50_000  # photos from which a GPU is worth a larger network
NETWORKS = {"model.name", "model.weights"}  # keys by which a user takes another network
BATCHES = {"batch.size", "batch.identities", "batch.images", "batch.sampler", "loss.name"}
MIN_PHOTOS = "data.min_photos"
LENGTHS = {"schedule.steps", "schedule.epochs"}
FOR_STEPS = 0.8  # of a budget; the rest is reading, validation, saving


@dataclass(frozen=True)
class Choice:
    """A recipe for given photos.

    Args:
        name: of the named recipe that it begins with.
        seen: the photos, in a few words.
        recipe: with all that depends on the photos and the machine.
    """

    name: str
    seen: str
    recipe: Recipe

    def why(self, recipe: Recipe) -> str:
        """One line: the name, what was seen, and what follows in the recipe that is used."""
        size, model = recipe.input, recipe.model.name
        steps = recipe.schedule.steps
        long = "" if steps is None else f", {steps:,} steps"
        if recipe.training.budget_minutes is not None:
            long += " at the most"
        return f"recipe {self.name}: {self.seen}: {model} at {size.width}×{size.height}{long}"


def choose(
    manifest: Manifest,
    *,
    name: str | None = None,
    budget_minutes: float | None = None,
    alone: bool = True,
    min_photos: int | None = None,
) -> Choice:
    """Choose a recipe for photos: what ``train`` does if no recipe is given.

    Looks at the number of identities and photos, at a sample of the photos (size, colors, drawings
    or photos) and at the machine. The same photos on the same machine give the same recipe; with a
    budget, the speed of the machine decides on the input size.

    Args:
        manifest: the photos to train on.
        name: of the recipe to begin with; None: it is chosen too.
        budget_minutes: the time of the run at most; photos that are few take less.
        alone: whether this process trains alone. If not, its speed decides on nothing: processes
            that train together need the same recipe.
        min_photos: photos that an identity needs to be trained on; None: chosen too.

    Raises:
        InputError: there is no recipe of this name, or no photo to train on.

    Example:
        >>> import likewise
        >>> from likewise.training.setup.choose import choose
        >>> choose(likewise.read_manifest(photos)).name
        'compact'
    """
    if "split" in manifest.table.column_names:
        manifest = manifest.split("train")  # the other photos decide on nothing
    if not len(manifest):
        raise InputError(f"{manifest.root}: no row of the manifest has split = train")
    device = pick_device()
    sample, seen = sample_photos(manifest), manifest
    if name is None:
        name = "large" if device.type != "cpu" and len(manifest) >= LARGE else FITTED
    recipe = find_recipe(name)
    if name == FITTED:
        if min_photos is None:
            manifest = worth_training_on(manifest)
            min_photos = 2 if len(manifest) < len(seen) else 1
        else:
            manifest = with_photos(manifest, min_photos)
        if not len(manifest):
            raise InputError(f"data.min_photos: {min_photos}; no identity has so many photos")
        fitted = compact_settings(manifest, sample, cpu=device.type == "cpu")
        fitted["data"] = {"min_photos": min_photos}
        recipe = _changed(recipe, fitted)
    steps = recipe.schedule.steps
    if budget_minutes is not None:
        if name == FITTED and alone:
            recipe = _in_time(recipe, sample, 60 * FOR_STEPS * budget_minutes)
        recipe = with_budget(recipe, budget_minutes)
        # Few photos need less than the budget: more passes over them do harm.
        recipe = _changed(recipe, {"schedule": {"steps": steps}})
    alone_out = len(seen.identities) - len(manifest.identities)
    return Choice(name, _seen(seen, sample, alone_out, recipe.data.min_photos), recipe)


def depends_on_photos(recipe: Recipe | str | Path | None) -> bool:
    """Whether ``begin_recipe`` fits this recipe to the photos: none is given, or ``compact``."""
    return recipe is None or str(recipe) == FITTED


def begin_recipe(
    manifest: Manifest | None,
    recipe: Recipe | str | Path | None = None,
    settings: Sequence[str] = (),
    *,
    budget_minutes: float | None = None,
    alone: bool = True,
) -> tuple[Recipe, str]:
    """The recipe of a new run, and one line that says what decided it.

    Args:
        manifest: the photos to train on; not needed if the recipe is not chosen by them.
        recipe: a recipe, or the name or path of one, taken as it is, but for ``compact``, which is
            fitted to the photos as by ``choose``; None: that of ``choose``, or the defaults of
            every key if the settings name a network.
        settings: changes of it, like ``optimizer.lr=0.002``.
        budget_minutes: as for ``choose``.
        alone: as for ``choose``.

    Raises:
        InputError: there is no such recipe, or a setting is wrong.

    Example:
        >>> import likewise
        >>> from likewise.training.setup.choose import begin_recipe
        >>> recipe, why = begin_recipe(likewise.read_manifest(photos), settings=["optimizer.lr=1"])
        >>> recipe.optimizer.lr, why.partition(":")[0]
        (1.0, 'recipe compact')
    """
    if not isinstance(settings, Sequence) or isinstance(settings, str):
        raise InputError(
            f"settings: a list is expected, like ['input.height=64']; got {settings!r}"
        )
    if isinstance(recipe, Recipe):
        return recipe_with(recipe, settings), ""
    if recipe is not None and not depends_on_photos(recipe):
        return recipe_with(find_recipe(recipe), settings), f"recipe {recipe}"
    if manifest is None:
        raise InputError(f"recipe {recipe}: needs the photos to fit it to")
    named = {setting.partition("=")[0].strip() for setting in settings}
    if recipe is None and named & NETWORKS:
        return recipe_with(Recipe(), settings), "recipe: the defaults, as the network is given"
    name = None if recipe is None else str(recipe)
    # A wrong value is refused by recipe_with.
    own = recipe_with(Recipe(), [s for s in settings if s.partition("=")[0].strip() == MIN_PHOTOS])
    choice = choose(
        manifest, name=name, budget_minutes=budget_minutes, alone=alone,
        min_photos=own.data.min_photos if MIN_PHOTOS in named else None,
    )  # fmt: skip
    found = recipe_with(choice.recipe, _making_room(settings))
    if "batch" not in named and "batch.draw" not in named and found.batch.sampler != "plain":
        found = _with_draw(found, choice.recipe.batch.draw)
    if named & BATCHES and not named & LENGTHS and found.schedule.steps is not None:
        photos = len(with_photos(manifest, found.data.min_photos))
        steps = steps_for(photos, photos_of_a_batch(found))
        found = _changed(found, {"schedule": {"steps": steps}})
    return found, choice.why(found)


def _with_draw(recipe: Recipe, draw: str) -> Recipe:
    """The recipe with the chosen way to draw identities, if it draws any."""
    balanced = with_sampler(recipe).batch.sampler == "balanced"
    return _changed(recipe, {"batch": {"draw": draw}}) if balanced else recipe


def _making_room(settings: Sequence[str]) -> list[str]:
    """The settings, and those by which a chosen recipe makes room for them.

    What a recipe file says and a setting contradicts is an error. A chosen recipe gives way.
    """
    names = {setting.partition("=")[0].strip() for setting in settings}
    before = [
        f"{key}={value}"
        for given, key, value in (
            ("schedule.epochs", "schedule.steps", "null"),
            ("schedule.warmup_epochs", "schedule.warmup", "null"),
            ("batch.size", "batch", "{}"),
            ("loss.name", "batch", "{}"),
            # The rate of the class weights is for this loss, and relative to this optimizer.
            ("loss.name", "optimizer.loss_lr", "null"),
            ("optimizer.name", "optimizer.loss_lr", "null"),
        )
        if given in names and key not in names
    ]
    return [*before, *settings]


def recipe_for(manifest: Manifest, recipe: Recipe | None = None) -> Recipe:
    """The recipe with the settings that depend on the data resolved as in ``train``.

    These are the sampler, and the scale of the loss, which depends on the number of identities.
    Identities whose photos are all broken count too. Settings that depend on the machine
    (``training.device``, ``training.precision``) stay ``auto``.

    Args:
        manifest: the photos to train on.
        recipe: the one of ``choose`` if None.

    Raises:
        InputError: the manifest cannot be trained on: it has fewer than two identities.

    Example:
        >>> import likewise
        >>> from likewise.training.setup.choose import recipe_for
        >>> recipe_for(likewise.read_manifest(photos)).batch.sampler
        'balanced'
    """
    recipe = with_sampler(choose(manifest).recipe if recipe is None else recipe)
    training, _ = split_of(manifest, recipe)
    if recipe.loss.parameters().get("scale") != "auto":
        return recipe
    scale = automatic_scale(len(training.identities))
    return recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"scale": scale})})


def _in_time(recipe: Recipe, sample: PhotoSample, seconds: float) -> Recipe:
    """The recipe with a smaller input if the steps do not fit into the time with the larger."""
    batch = recipe.batch.identities * recipe.batch.images
    wanted = (recipe.schedule.steps or 0) * batch
    if photos_per_second(recipe) * seconds >= wanted:
        return recipe
    return _changed(recipe, {"input": input_of(sample, SIZES[1])})


def _changed(recipe: Recipe, changes: dict[str, dict[str, Any]]) -> Recipe:
    sections = {
        name: getattr(recipe, name).model_copy(update=update) for name, update in changes.items()
    }
    return recipe.model_copy(update=sections)


def _seen(manifest: Manifest, sample: PhotoSample, left_out: int, least: int) -> str:
    """The photos in a few words."""
    counts = np.bincount(manifest.labels)
    kind = "drawings" if sample.drawings else "gray photos" if sample.gray else "color photos"
    each = int(np.median(counts))
    text = f"{len(manifest):,} {kind} of {len(counts):,} identities, about {each} each"
    few = "one photo" if least == 2 else f"fewer than {least} photos"
    return f"{text}, {left_out:,} with {few} left out" if left_out else text
