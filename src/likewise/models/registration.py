"""Registration of networks of your own: a decorator names them, for recipes and commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from likewise.errors import InputError
from likewise.models.factory import Factory
from likewise.models.registry import OWN, REGISTERED, timm_names

__all__ = ["register_backbone"]

AnyFactory = TypeVar("AnyFactory", bound=Callable[..., nn.Module])


def register_backbone(name: str) -> Callable[[AnyFactory], AnyFactory]:
    """Decorator: make a network known by name to recipes, commands and ``create_backbone``.

    It stands above a class or a function that returns an ``nn.Module``, float32 [B,C,H,W] → [B,D].
    Of ``embedding_dim``, ``height``, ``width``, ``channels`` and ``dropout`` it gets those that it
    has as arguments; its other arguments are ``model.settings`` of a recipe.

    Args:
        name: for ``create_backbone`` and ``model.name``: letters, digits and underscores.

    Raises:
        InputError: the name is taken or holds other characters.

    Example:
        >>> from torch import nn
        >>> import likewise
        >>> from likewise.models.registration import register_backbone
        >>> @register_backbone("flat_line")
        ... class FlatLine(nn.Sequential):
        ...     def __init__(self, embedding_dim, height, width, channels):
        ...         inside = channels * height * width
        ...         super().__init__(nn.Flatten(), nn.Linear(inside, embedding_dim))
        >>> "flat_line" in likewise.list_backbones()
        True
    """
    if not (isinstance(name, str) and name.isidentifier()):
        raise InputError(
            f"register_backbone: {name!r}; must be a name of letters, digits and underscores, as "
            'in @register_backbone("my_network")'
        )

    def register(factory: AnyFactory) -> AnyFactory:
        if not callable(factory):
            raise InputError(f"register_backbone: {name}: must be a class or a function")
        taken = REGISTERED.get(name)
        if name in OWN or name in timm_names() or (taken and _name(taken) != _name(factory)):
            raise InputError(f"register_backbone: {name}: is taken; choose another name")
        REGISTERED[name] = factory
        return factory

    return register


def _name(factory: Factory) -> tuple[Any, Any]:
    """Equal for a factory and for what a cell or module that is run again makes of it."""
    return getattr(factory, "__module__", None), getattr(factory, "__qualname__", factory)
