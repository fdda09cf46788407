"""What follows from the choice of a network: the input of its trained weights, its dimension.

A network can also be given to ``train`` as it is: then the recipe has a name such as
``<MyNetwork>`` for it, and the run can be resumed only where it is given again.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from likewise.errors import InputError
from likewise.models.backbones.timm_input import timm_preprocess
from likewise.models.factory import place_of
from likewise.models.registry import (
    GIVEN,
    REGISTERED,
    Backbone,
    is_given,
    is_timm,
    own_dimension,
)
from likewise.models.state_dict import STATE_FILES
from likewise.training.recipe.recipe import Recipe

__all__ = [
    "NetworkChoice",
    "chosen_backbone",
    "named_network",
    "require_network",
    "with_network",
    "without_head",
]

NetworkChoice = str | nn.Module | Callable[..., nn.Module]
"""A name, a network, or a factory of one."""


def chosen_backbone(recipe: Recipe) -> Backbone:
    """How the recipe's network is built."""
    model = recipe.model
    return Backbone(model.name, model.embedding_dim, model.dropout, model.settings)


@contextmanager
def named_network(
    model: NetworkChoice | None, settings: Sequence[str], *, resume: bool
) -> Iterator[tuple[list[str], str]]:
    """The settings of a run with its network in them, and the name by which it is known meanwhile.

    Args:
        model: what ``train`` is given.
        settings: the other settings.
        resume: whether the run is resumed; then its own recipe names the network.

    Raises:
        InputError: the settings name a network too, it is none of the three, or several processes
            are given a network with weights of its own.
    """
    if model is None:
        yield list(settings), ""
        return
    keys = {setting.partition("=")[0].strip() for setting in settings}
    if "model.name" in keys:
        raise InputError("model: the settings have model.name too; leave one of them out")
    name = model if isinstance(model, str) else _name_of(model)
    if not isinstance(model, str) and is_given(name):
        GIVEN[name] = _factory_of(model)
    try:
        yield list(settings) if resume else [*settings, f"model.name={name}"], name
    finally:
        GIVEN.pop(name, None)


def require_network(recipe: Recipe, name: str, folder: Path) -> None:
    """Check that the run has the network that ``train`` is given.

    Args:
        recipe: of the run.
        name: of the network that is given; "" if none is.
        folder: of the run.

    Raises:
        InputError: a resumed run has another one, or one that has to be given again.
    """
    own = recipe.model.name
    if name and name != own:
        raise InputError(f"model: {name}, and the run in {folder} has the network {own}")
    if is_given(own) and own not in GIVEN:
        raise InputError(
            f"{folder}: its network {own} was given to likewise.train; give it again: "
            "train(…, resume=True, model=…)"
        )


def _name_of(model: nn.Module | Callable[..., nn.Module]) -> str:
    """The name under which a network is built again; one in angle brackets if there is none."""
    if isinstance(model, nn.Module):
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise InputError(
                "model: several processes need the same initial weights; give the class or a "
                "function that makes the network, which each calls with the same seed"
            )
        return f"<{type(model).__name__}>"
    if not callable(model):
        raise InputError(
            f"model: {model!r}: must be a name, a torch.nn.Module, or a class or function that "
            "makes one"
        )
    registered = next((name for name, known in REGISTERED.items() if known is model), "")
    return registered or place_of(model) or f"<{getattr(model, '__name__', 'factory')}>"


def _factory_of(model: nn.Module | Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """A factory; of a network, of copies with its weights: what the user holds is not trained."""
    if not isinstance(model, nn.Module):
        return model

    def copied() -> nn.Module:
        return copy.deepcopy(model)

    return copied


def with_network(recipe: Recipe) -> Recipe:
    """The recipe with what follows from its network, where it says nothing else.

    With trained weights of timm, size, mean, deviation, interpolation and crop are those of timm's
    configuration. The embedding dimension of a network that has only one is measured.

    Raises:
        InputError: the name of the network is unknown, or the network cannot take such photos.
    """
    if without_head(recipe):
        recipe = _with_timm_input(recipe)
    return _with_dimension(recipe)


def without_head(recipe: Recipe) -> bool:
    """Whether the initial weights are trained ones of timm, with a last layer at random."""
    model = recipe.model
    path = Path(model.weights or "")
    from_file = path.suffix.lower() in STATE_FILES and not path.is_dir()
    return is_timm(model.name) and (model.pretrained or from_file)


def _with_timm_input(recipe: Recipe) -> Recipe:
    own = recipe.input
    used = timm_preprocess(recipe.model.name, channels=own.channels)
    values: dict[str, Any] = {
        key: getattr(used, key)
        for key in ("mean", "std", "interpolation", "crop")
        if getattr(own, key) is None
    }
    if not own.model_fields_set & {"height", "width"}:
        values |= {"height": used.height, "width": used.width}
    if "fit" not in own.model_fields_set and used.fit != own.fit:
        values["fit"] = used.fit
    fit = values.get("fit", own.fit)
    if fit == "pad" and "crop" in values:
        values["crop"] = 1.0
    return recipe.model_copy(update={"input": own.model_copy(update=values)})


def _with_dimension(recipe: Recipe) -> Recipe:
    model, size = recipe.model, recipe.input
    if "embedding_dim" in model.model_fields_set:
        return recipe
    found = own_dimension(
        chosen_backbone(recipe), height=size.height, width=size.width, channels=size.channels
    )
    if found is None:
        return recipe
    model = model.model_copy(update={"embedding_dim": found})
    return recipe.model_copy(update={"model": model})
