"""Factories of networks: called by name, and imported only from modules that the user allows.

A factory is a class or a function that returns an ``nn.Module``. It is named by its place,
``package.module:function``. To import a module is to run its code, so the name in a model's file
alone imports nothing: the user has named the factory in this process, or allows its module.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn

from likewise.errors import InputError, LikewiseError, first_line

__all__ = [
    "ALLOW",
    "Factory",
    "call_factory",
    "is_place",
    "place_of",
    "require_allowed",
    "resolve",
    "takes",
]

ALLOW = "LIKEWISE_ALLOW"
"""The environment variable that names the modules from which networks may be imported."""

Factory = Callable[..., nn.Module]
SIZES = frozenset({"height", "width", "channels", "embedding_dim", "dropout"})

_known: dict[str, Factory] = {}  # factories that were named in this process, by their place


def is_place(name: str) -> bool:
    """Whether a name is the place of a factory, ``package.module:function``.

    Example:
        >>> from likewise.models.factory import is_place
        >>> is_place("my_networks:small"), is_place("resnet50")
        (True, False)
    """
    module, colon, function = name.partition(":")
    parts = (*module.split("."), *function.split("."))
    return bool(colon) and all(part.isidentifier() for part in parts)


def resolve(place: str) -> Factory:
    """Import a factory that the user names; from now on it is known in this process.

    Args:
        place: ``package.module:function``.

    Raises:
        InputError: there is no such module or function, or it is part of Python itself.
    """
    if place in _known:
        return _known[place]
    module_name, _, path = place.partition(":")
    if module_name.split(".")[0] in sys.stdlib_module_names:
        raise InputError(f"backbone: {place}: is part of Python itself, not a network's factory")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"backbone: {place}: cannot be imported ({first_line(error)}); its file has to lie in "
            "the Python path, such as the folder in PYTHONPATH"
        ) from None
    for part in path.split("."):
        if not hasattr(found, part):
            raise InputError(f"backbone: {place}: {module_name} has no {path}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"backbone: {place}: is not a class or function that makes a network")
    # Functions that a module only imports, such as os.system, are not its own.
    if str(getattr(found, "__module__", "")).split(".")[0] in sys.stdlib_module_names:
        raise InputError(f"backbone: {place}: is part of Python itself, not a network's factory")
    _known[place] = found
    return _known[place]


def place_of(factory: Factory) -> str:
    """The place under which a factory can be imported again; "" if there is none.

    Example:
        >>> from torchvision.models import resnet18
        >>> from likewise.models.factory import place_of
        >>> place_of(resnet18), place_of(lambda: None)
        ('torchvision.models.resnet:resnet18', '')
    """
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", None)
    place = f"{module}:{name}"
    if module == "__main__" or not is_place(place):
        return ""
    found: Any = sys.modules.get(str(module))
    for part in str(name).split("."):
        found = getattr(found, part, None)
    if found is not factory:
        return ""
    _known[place] = factory
    return place


def require_allowed(place: str, allow: str | Iterable[str], source: str) -> None:
    """Check that the user allows what the file of a model names.

    Args:
        place: of the factory.
        allow: modules from which networks may be imported; with them those in ``LIKEWISE_ALLOW``.
        source: the model, for the message.

    Raises:
        InputError: it is not allowed.
    """
    if place in _known:
        return
    module = place.partition(":")[0]
    given = [allow] if isinstance(allow, str) else list(allow)
    given += os.environ.get(ALLOW, "").split(",")
    if any(module == name or module.startswith(f"{name}.") for name in given if name):
        return
    raise InputError(
        f"{source}: its network is made by {place}, and to import {module} is to run its code; if "
        f"you trust it: likewise.load(…, allow={module!r}), or set {ALLOW}={module}"
    )


def call_factory(
    factory: Factory, name: str, sizes: Mapping[str, Any], settings: Mapping[str, Any]
) -> nn.Module:
    """Make a network by a factory, with those of the sizes that it takes.

    Args:
        factory: the class or function.
        name: of the network, for messages.
        sizes: height, width, channels, embedding_dim, dropout.
        settings: its other arguments.

    Raises:
        InputError: an argument is missing or unknown, ``dropout`` is set and not taken, the
            arguments are refused, or what it returns is no network.
    """
    for key in sorted(sizes.keys() & settings.keys()):
        raise InputError(f"backbone: {name}: {key} is not one of its settings; set it by itself")
    taken, any_taken = _parameters(factory)
    given = {key: value for key, value in sizes.items() if any_taken or key in taken}
    if sizes.get("dropout") and "dropout" not in given:
        raise InputError(f"backbone: {name}: takes no dropout; leave it out")
    for key in settings:
        if not (any_taken or key in taken):
            others = ", ".join(sorted(taken - SIZES)) or "none"
            raise InputError(f"backbone: {name}: takes no setting {key}; it has {others}")
    try:
        module = factory(**given, **settings)
    except LikewiseError:
        raise
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise InputError(f"backbone: {name}: cannot be made: {first_line(error)}") from None
    if not isinstance(module, nn.Module):
        raise InputError(f"backbone: {name}: made a {type(module).__name__}, not a torch.nn.Module")
    return module


def takes(factory: Factory, key: str) -> bool:
    """Whether a factory has an argument of this name, or takes any."""
    named, any_taken = _parameters(factory)
    return any_taken or key in named


def _parameters(factory: Factory) -> tuple[set[str], bool]:
    """The arguments that a factory names, and whether it takes any other."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return set(), True
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return named, any(p.kind is p.VAR_KEYWORD for p in parameters)
