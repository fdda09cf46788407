"""Index families, one module each: a module's name is the name of the family that it registers.

A new family of this package is a new module in this folder. One of your own is a subclass of
``likewise.search.engines.engine.Engine`` anywhere, decorated with ``register_family``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

from likewise.arguments import one_of
from likewise.errors import InputError, MissingExtra
from likewise.search.engines.engine import Engine

__all__ = ["FAMILIES", "available", "family_named", "register_family"]

Family = TypeVar("Family", bound=type[Engine])
_BUILT_IN = tuple(module.name for module in iter_modules(__path__))
_registered: dict[str, type[Engine]] = {}


def register_family(family: Family) -> Family:
    """Class decorator: make a family known by its ``name``, to indexes, tuner and command line.

    A saved index of the family can be loaded once this has run.

    Raises:
        InputError: another class has this name already, it is no subclass of ``Engine``, or it
            states no name or no metric.

    Example::

        @register_family
        class Mine(Engine):
            name = "mine"
            metrics = ("cosine", "dot")
            ...
    """
    if not (isinstance(family, type) and issubclass(family, Engine)):
        raise InputError(
            f"register_family: {getattr(family, '__qualname__', family)}: must be a subclass of "
            "likewise.search.engines.engine.Engine"
        )
    name = getattr(family, "name", "")
    if not (isinstance(name, str) and name):
        raise InputError(f"register_family: {family.__qualname__}: name: must be a text")
    other = _registered.get(name)
    if other is None and name in _BUILT_IN and family.__module__ != f"{__name__}.{name}":
        other = FAMILIES[name]
    if other is not None and (other.__module__, other.__qualname__) != (
        family.__module__,
        family.__qualname__,
    ):
        raise InputError(f"family {name}: {other.__qualname__} has this name; choose another one")
    metrics = getattr(family, "metrics", ())
    if isinstance(metrics, str) or not metrics:
        raise InputError(
            f'family {name}: metrics: {metrics!r}; must be a tuple such as ("cosine", "dot")'
        )
    _registered[name] = family
    return family


class _Families(Mapping[str, type[Engine]]):
    """Name → class; the module of a built-in family is imported at its first use."""

    def __getitem__(self, name: str) -> type[Engine]:
        if name not in _registered and name in _BUILT_IN:
            import_module(f"{__name__}.{name}")
        return _registered[name]

    def __contains__(self, name: object) -> bool:
        return name in _registered or name in _BUILT_IN

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*_BUILT_IN, *_registered]))

    def __len__(self) -> int:
        return len({*_BUILT_IN, *_registered})


FAMILIES: Mapping[str, type[Engine]] = _Families()


def family_named(name: str) -> type[Engine]:
    """The family's class.

    Raises:
        InputError: there is no such family; the nearest name is suggested.
    """
    return FAMILIES[one_of("family", name, FAMILIES)]


def available() -> list[str]:
    """The families whose library is installed.

    Example:
        >>> from likewise.search.families import available
        >>> "exact" in available()
        True
    """
    found = []
    for name, family in FAMILIES.items():
        try:
            family.require()
        except MissingExtra:
            continue
        found.append(name)
    return found
