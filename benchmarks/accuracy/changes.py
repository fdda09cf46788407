"""Changes of the recipe that is chosen for some photos: what a lever or a candidate sets.

A change is a list of settings as of ``--set``. It is made on the chosen recipe itself, so that all
other keys stay as they are. ``train --set`` would let go of more than the keys that are named: of
the whole chosen recipe if the network is named, of the batches if the loss is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from likewise.training.recipe.batch_choice import with_sampler
from likewise.training.recipe.recipe import Recipe, recipe_with

FLIP = "run.flip=true"  # of the program: the photo and its mirror image together, at the test
# Most losses on classes need no batches of so many photos an identity.
PLAIN_BATCHES = ["batch.sampler=plain", "batch.size=64"]
EQUAL_RATES = ["optimizer.loss_lr=null"]  # class weights learn as fast as the network
SOFTMAX = ["loss.name=softmax", *EQUAL_RATES, *PLAIN_BATCHES]
COSFACE = ["loss.name=cosface", "loss.margin=0.2", "loss.scale=auto", *PLAIN_BATCHES]
ARCFACE = ["loss.name=arcface", "loss.margin=0.2", "loss.scale=auto", *PLAIN_BATCHES]
STRONG = [
    "augment.geometry.degrees=15", "augment.geometry.zoom=0.2",
    "augment.geometry.perspective=0.1", "augment.geometry.elastic=0.04",
    "augment.light.p=0.5", "augment.erase.p=0.5",
]  # fmt: skip
LIGHT = ["augment.geometry.p=0.5", "augment.color.p=0.5", "augment.erase.p=0.1"]
OFF = ["augment.flip=0", "augment.geometry.p=0", "augment.color.p=0", "augment.erase.p=0"]
SIDES = (48, 64, 80, 112)

Settings = Sequence[str]


def all_levers(recipe: Recipe) -> dict[str, list[str]]:
    """Every lever, whether it changes this recipe or not; some are relative to its values."""
    rate, steps = recipe.optimizer.lr, recipe.schedule.steps
    scale = recipe.loss.parameters().get("scale", "auto")
    normalized = ["loss.name=normalized_softmax", f"loss.scale={scale}"]
    lengths = {"half the steps": 0.5, "twice the steps": 2} if steps else {}
    return {
        **{f"input {side} px": sized(recipe, side) for side in SIDES},
        "grey": ["input.channels=1"],
        "contrastnet": ["model.name=contrastnet"],
        "contrastnet, no dropout": ["model.name=contrastnet", "model.dropout=0"],
        "mobilefacenet": ["model.name=mobilefacenet"],
        "mobilefacenet, no dropout": ["model.name=mobilefacenet", "model.dropout=0"],
        "64 dimensions": ["model.embedding_dim=64"],
        "256 dimensions": ["model.embedding_dim=256"],
        "no dropout": ["model.dropout=0"],
        "dropout 0.3": ["model.dropout=0.3"],
        "no augmentation": OFF,
        "light augmentation": LIGHT,
        "strong augmentation": STRONG,
        "no flips": ["augment.flip=0"],
        "geometry off": ["augment.geometry.p=0"],
        "colour off": ["augment.color.p=0"],
        "erasing off": ["augment.erase.p=0"],
        "elastic": ["augment.geometry.elastic=0.04"],
        "perspective": ["augment.geometry.perspective=0.1"],
        "supcon alone": ["loss.name=supcon", "loss.temperature=0.1"],
        "normalized softmax alone": normalized,
        "normalized softmax alone, plain batches": [*normalized, *PLAIN_BATCHES],
        "softmax alone": ["loss.name=softmax", *EQUAL_RATES],
        "softmax alone, plain batches": SOFTMAX,
        "cosface 0.2": COSFACE,
        "arcface 0.2": ARCFACE,
        "triplet, semi-hard": ["loss.name=triplet", "loss.margin=0.2", "loss.mining=semi_hard"],
        **{name: [f"schedule.steps={max(1, round(f * steps))}"] for name, f in lengths.items()
           if steps},
        "learning rate × 3": [f"optimizer.lr={3 * rate:.6g}"],
        "learning rate / 3": [f"optimizer.lr={rate / 3:.6g}"],
        "class weights as fast as the network": EQUAL_RATES,
        "weight decay 0.2": ["optimizer.weight_decay=0.2"],
        "averaged weights": ["training.ema=0.99"],
        "float32": ["training.precision=float32"],
        "flip at test": [FLIP],
    }  # fmt: skip


def levers(recipe: Recipe) -> dict[str, list[str]]:
    """The levers that change this recipe, each with the settings that do.

    Args:
        recipe: the one that is chosen for the photos.
    """
    found = {name: effective(recipe, given) for name, given in all_levers(recipe).items()}
    return {name: given for name, given in found.items() if given}


def sized(recipe: Recipe, side: int) -> list[str]:
    """An input of ``side`` squared pixels with the form of the recipe's, in eights of pixels."""
    now = recipe.input
    factor = side / math.sqrt(now.height * now.width)
    height, width = (8 * max(1, round(length * factor / 8)) for length in (now.height, now.width))
    return [f"input.height={height}", f"input.width={width}"]


def changed(recipe: Recipe, settings: Settings) -> Recipe:
    """The recipe with these settings and no other change; those of the program are left out."""
    return recipe_with(recipe, [s for s in settings if not s.startswith("run.")])


def effective(recipe: Recipe, settings: Settings) -> list[str]:
    """The settings without those that the recipe has already.

    The parameters of a loss stay with its name, since they do not outlive another loss.
    """
    before = values_of(recipe)
    loss = any(s.startswith("loss.name=") for s in settings)
    found = []
    for setting in settings:
        kept = setting == FLIP or (loss and setting.startswith("loss."))
        if kept or values_of(changed(recipe, [setting])) != before:
            found.append(setting)
    if not any(s == FLIP for s in found) and values_of(changed(recipe, found)) == before:
        return []
    return found


def values_of(recipe: Recipe) -> dict[str, Any]:
    """All values of a recipe by their full keys, with the sampler that it leads to."""
    return dict(_flat(with_sampler(recipe).model_dump(mode="json")))


def _flat(values: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value
