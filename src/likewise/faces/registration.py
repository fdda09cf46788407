"""Networks by name: a decorator beside each class registers it, inside Likewise or outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from likewise.arguments import one_of
from likewise.errors import InputError

__all__ = ["Registry"]

T = TypeVar("T")
Kind = TypeVar("Kind", bound=type[Any])


class Registry(Generic[T]):
    """The classes of one kind of network, by name.

    Args:
        what: the kind, for messages, such as ``detector``.
        method: which each class must have.
    """

    def __init__(self, what: str, method: str) -> None:
        self.what = what
        self.method = method
        self._kinds: dict[str, type[Any]] = {}

    def register(self, name: str) -> Callable[[Kind], Kind]:
        """Class decorator: make a class known by ``name``.

        Raises:
            InputError: the name is taken by another class or holds other characters than letters,
                digits and underscores, or the class lacks the method.
        """
        if not (isinstance(name, str) and name.isidentifier()):
            raise InputError(
                f"register_{self.what}: {name!r}; must be a name of letters, digits and "
                f'underscores, as in @register_{self.what}("mine")'
            )

        def add(kind: Kind) -> Kind:
            if not callable(getattr(kind, self.method, None)):
                raise InputError(
                    f"register_{self.what}: {name}: must be a class with the method {self.method}"
                )
            taken = self._kinds.get(name)
            # A module that is loaded again brings the same class anew.
            if taken is not None and _full_name(taken) != _full_name(kind):
                raise InputError(
                    f"register_{self.what}: {name}: is already the name of {taken.__name__}; "
                    "choose another name"
                )
            self._kinds[name] = kind
            return kind

        return add

    def create(self, name: str, **settings: Any) -> T:
        """An object of the class called ``name``.

        Args:
            name: one of ``names()``.
            settings: arguments of its constructor.

        Raises:
            InputError: the name is unknown, or the constructor has no such argument.
        """
        kind = self._kinds[one_of(self.what, name, self._kinds)]
        try:
            return cast(T, kind(**settings))
        except TypeError as error:
            raise InputError(f"{self.what} {name}: {error}") from None

    def names(self) -> list[str]:
        """The registered names, sorted."""
        return sorted(self._kinds)


def _full_name(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
