"""Keys of a recipe that are set but have no effect are refused, since the user relies on them.

There are two kinds. Keys of a feature that is off (a teacher, memory-mapped storage), or that the
optimizer does not have (Nesterov's momentum under adamw), are always refused. Keys of an
alternative that is not chosen (a sampler, a schedule) are refused only if the choice was left at
its default: a recipe that names the choice may keep the keys of the other alternatives, to switch
between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from likewise.errors import InputError
from likewise.models.registry import is_given
from likewise.training.recipe.batch_choice import with_sampler
from likewise.training.recipe.recipe import Recipe

__all__ = ["refuse_unused_keys"]


@dataclass(frozen=True)
class _Need:
    """Keys that have an effect only with certain values of another key.

    Args:
        keys: the dependent keys, with their sections; a section stands for all its keys.
        on: the key that they depend on.
        holds: whether its value gives them an effect.
        remedy: a setting of it that does.
        choice: whether it chooses among alternatives; see above.
    """

    keys: tuple[str, ...]
    on: str
    holds: Callable[[Any], bool]
    remedy: str
    choice: bool = False


def _is(wanted: str) -> Callable[[Any], bool]:
    return lambda value: bool(value == wanted)


def _off(value: Any) -> bool:
    return value is None


_NEEDS = (
    _Need(
        ("distill.weight", "distill.kind", "distill.temperature", "distill.cache"),
        "distill.teacher",
        bool,
        "distill.teacher=MODEL",
    ),
    _Need(
        ("distill.temperature",),
        "distill.kind",
        _is("similarity"),
        "distill.kind=similarity",
        choice=True,
    ),
    _Need(
        ("model.whiten", "model.freeze_statistics"),
        "model.weights",
        bool,
        "model.weights=MODEL",
    ),
    _Need(
        ("loss.memory.start", "loss.memory.in_batch"),
        "loss.memory.size",
        bool,
        "loss.memory.size=4096",
    ),
    _Need(("head.folder",), "head.storage", _is("mmap"), "head.storage=mmap"),
    _Need(("model.unfreeze_epoch",), "model.freeze", bool, "model.freeze=[PATTERN]"),
    _Need(
        ("batch.identities", "batch.images", "batch.draw"),
        "batch.sampler",
        _is("balanced"),
        "batch.sampler=balanced",
        choice=True,
    ),
    _Need(
        ("schedule.milestones", "schedule.factor"),
        "schedule.name",
        _is("step"),
        "schedule.name=step",
        choice=True,
    ),
    _Need(("schedule.epochs",), "schedule.steps", _off, "schedule.steps=null"),
    _Need(
        ("schedule.epochs",),
        "training.budget_minutes",
        _off,
        "training.budget_minutes=null",
    ),
    _Need(("schedule.warmup_epochs",), "schedule.warmup", _off, "schedule.warmup=null"),
    _Need(
        ("schedule.margin_warmup_epochs",),
        "schedule.margin_warmup",
        _off,
        "schedule.margin_warmup=null",
    ),
    _Need(
        ("schedule.power",),
        "schedule.name",
        _is("polynomial"),
        "schedule.name=polynomial",
        choice=True,
    ),
    _Need(("optimizer.momentum",), "optimizer.name", _is("sgd"), "optimizer.name=sgd", choice=True),
    _Need(("optimizer.nesterov",), "optimizer.name", _is("sgd"), "optimizer.name=sgd"),
    _Need(
        ("optimizer.betas", "optimizer.eps"),
        "optimizer.name",
        _is("adamw"),
        "optimizer.name=adamw",
    ),
    *(
        _Need((f"augment.{part}",), f"augment.{part}.p", bool, f"augment.{part}.p=0.5", choice=True)
        for part in ("crop", "light", "blur", "erase")
    ),
)


def refuse_unused_keys(recipe: Recipe) -> None:
    """Check that every key that is set has an effect.

    Raises:
        InputError: a key has none; names it, and the setting that would give it one.

    Example:
        >>> from likewise.training.recipe.recipe import Recipe, recipe_with
        >>> from likewise.training.recipe.unused_keys import refuse_unused_keys
        >>> refuse_unused_keys(recipe_with(Recipe(), ["distill.weight=2"]))
        Traceback (most recent call last):
        likewise.errors.InputError: distill.weight=2.0: has no effect with distill.teacher=None; \
set distill.teacher=MODEL, or leave distill.weight out
    """
    decided = with_sampler(recipe)
    for need in _NEEDS:
        section, decider = _at(recipe, need.on)
        value = getattr(_at(decided, need.on)[0], decider)
        if need.holds(value) or (need.choice and decider in section.model_fields_set):
            continue
        if need.on == "model.weights" and (recipe.model.pretrained or is_given(recipe.model.name)):
            continue  # the network has trained weights, or may have
        for key in need.keys:
            for name, given in _set_below(recipe, key):
                if name != need.on:
                    raise InputError(
                        f"{name}={_text(given)}: has no effect with {need.on}={_text(value)}; set "
                        f"{need.remedy}, or leave {name} out"
                    )


def _text(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value)


def _at(recipe: Recipe, key: str) -> tuple[BaseModel, str]:
    """The section of a key, and its name there."""
    section: BaseModel = recipe
    *sections, last = key.split(".")
    for name in sections:
        section = getattr(section, name)
    return section, last


def _set_below(recipe: Recipe, key: str) -> Iterator[tuple[str, Any]]:
    """The key, or the keys of the section that it names, that differ from their defaults."""
    section, name = _at(recipe, key)
    value = getattr(section, name)
    if isinstance(value, BaseModel):
        for inner in type(value).model_fields:
            yield from _set_below(recipe, f"{key}.{inner}")
    elif value != type(section).model_fields[name].get_default(call_default_factory=True):
        yield key, value
