"""The recipe: all settings of a training run, in one YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from likewise.data.text_file import read_text
from likewise.data.transforms import Augment
from likewise.errors import InputError
from likewise.losses.registry import parameter_names, require_loss
from likewise.training.recipe.commented import commented
from likewise.training.recipe.course_sections import Guards, Schedule, Training
from likewise.training.recipe.sections import (
    BatchSection,
    Data,
    Distill,
    HeadChoice,
    Input,
    LossChoice,
    Model,
    Optimizer,
    Section,
)

__all__ = [
    "HeadChoice",
    "LossChoice",
    "Optimizer",
    "Recipe",
    "Schedule",
    "load_recipe",
    "recipe_with",
]


class Recipe(Section):
    """All settings of a training run.

    Example:
        >>> from likewise.training.recipe.recipe import Recipe, recipe_with
        >>> recipe_with(Recipe(), ["loss.margin=0.4", "schedule.epochs=5"]).schedule.epochs
        5
    """

    input: Input = Field(default_factory=Input)
    data: Data = Field(default_factory=Data)
    augment: Augment = Field(default_factory=Augment)
    batch: BatchSection = Field(default_factory=BatchSection)
    model: Model = Field(default_factory=Model)
    loss: LossChoice = Field(default_factory=lambda: LossChoice(name="cosface", scale="auto"))
    head: HeadChoice = Field(default_factory=HeadChoice)
    optimizer: Optimizer = Field(default_factory=Optimizer)
    distill: Distill = Field(default_factory=Distill)
    schedule: Schedule = Field(default_factory=Schedule)
    training: Training = Field(default_factory=Training)
    guards: Guards = Field(default_factory=Guards)

    def to_yaml(self) -> str:
        """The recipe as YAML with a comment on every key; see ``commented``."""
        return commented(self)


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe; keys that are left out have their defaults.

    Raises:
        InputError: the file is missing or not YAML, a key is unknown or a value is wrong; names the
            key and the closest known one.

    Example:
        >>> from pathlib import Path
        >>> from likewise import load_recipe
        >>> _ = Path("recipe.yaml").write_text("schedule: {epochs: 3}")
        >>> load_recipe("recipe.yaml").schedule.epochs
        3
    """
    try:
        values = yaml.safe_load(read_text(Path(path)))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected keys like `schedule:`, found {type(values).__name__}")
    return _parse(values, str(path))


def recipe_with(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with some keys set as by ``--set section.key=value``; values are YAML.

    Raises:
        InputError: a setting is malformed, or its key or value is wrong.
    """
    full = recipe.model_dump(mode="json")
    # Keys that were not set stay unset: `refuse_unused_keys` has to know which ones were.
    values = recipe.model_dump(mode="json", exclude_unset=True) | {"loss": full["loss"]}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise InputError(f"--set {setting}: expected section.key=value")
        place, known = values, full
        *sections, last = key.strip().split(".")
        for section in sections:
            inner, known = place.setdefault(section, {}), known.get(section, {})
            if not isinstance(inner, dict) or not isinstance(known, dict):
                raise InputError(f"--set {setting}: {section} is a value, not a section")
            place = inner
        try:
            place[last] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise InputError(f"--set {setting}: {text!r} is not a value") from None
    # Parameters of the previous loss do not apply to another one.
    if any(setting.startswith("loss.name=") for setting in settings):
        given = {s.partition("=")[0].strip().split(".")[1] for s in settings if s[:5] == "loss."}
        values["loss"] = {k: v for k, v in values["loss"].items() if k in given}
    return _parse(values, "--set")


def _parse(values: Mapping[str, Any], where: str) -> Recipe:
    try:
        recipe = Recipe.model_validate(values)
        require_loss(recipe.loss.name, recipe.loss.parameters())
        _require_mean(recipe.loss.parameters())
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(f"{where}: {_describe(problem['loc'], problem)}") from None
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return recipe


def _require_mean(parameters: Mapping[str, Any], before: str = "loss") -> None:
    """A step needs one number for its batch, and its size must not change the learning rate."""
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            _require_mean(value, f"{before}.{key}")
        elif key == "reduction" and value != "mean":
            raise InputError(
                f"{before}.reduction: {value!r}; training takes the mean of a batch, so leave it "
                "out (the library's losses know 'none' and 'sum')"
            )


def _describe(place: tuple[int | str, ...], problem: Any) -> str:
    key = ".".join(str(part) for part in place)
    if problem["type"] == "tuple_type":
        return f"{key}: a list is expected, like [{problem['input']}]; got {problem['input']!r}"
    if problem["type"] == "model_type":
        first = _keys_at(place)[0]
        return f"{key}: keys are expected, as in {key}.{first}; got {problem['input']!r}"
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg'].lower()}; got {problem['input']!r}"
    known = _keys_at(place[:-1])
    near = _suggestions(str(place[-1]), known)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"unknown key {key!r}; {hint}known here: {', '.join(known)}"


def _suggestions(name: str, known: list[str]) -> list[str]:
    """Suggested keys: those that end in this name, or the closest ones, of the section first."""
    ends: dict[str, list[str]] = {}
    for key in _all_keys(Recipe):
        ends.setdefault(key.rpartition(".")[2], []).append(key)
    if name in ends:
        return ends[name]
    if name in parameter_names():
        return [f"loss.{name}"]
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    for end in get_close_matches(name, ends, n=1, cutoff=0.75):
        near = near or ends[end]
    return near or [key for key in known if name.startswith(key)]


def _all_keys(model: type[BaseModel], before: str = "") -> list[str]:
    """The full keys of all values."""
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += _all_keys(inner, f"{before}{name}.")
        else:
            found.append(before + name)
    return found


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    model: Any = Recipe
    for part in place:
        model = model.model_fields[str(part)].annotation
    return list(model.model_fields)
