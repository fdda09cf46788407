"""Networks by name: a decorator beside each class registers it, inside Likewise or outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from likewise.arguments import check_number, full_name, one_of
from likewise.errors import InputError

__all__ = ["Registry"]

T = TypeVar("T")
Kind = TypeVar("Kind", bound=type[Any])


class Registry(Generic[T]):
    """The classes of one kind of network, by name.

    Args:
        what: the kind, for messages, such as ``detector``.
        method: which each class must have.
        scores: attributes that each object must have, numbers from 0 to 1.
    """

    def __init__(self, what: str, method: str, scores: Sequence[str] = ()) -> None:
        self.what = what
        self.method = method
        self.scores = tuple(scores)
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
            if taken is not None and full_name(taken) != full_name(kind):
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
            InputError: the name is unknown, the constructor has no such argument, or the object
                lacks what it needs.
        """
        kind = self._kinds[one_of(self.what, name, self._kinds)]
        try:
            network = kind(**settings)
        except TypeError as error:
            raise InputError(f"{self.what} {name}: {error}") from None
        if self.checked(network).name != name:
            raise InputError(
                f"{self.what} {name}: its attribute name is {network.name!r}; must be {name!r}"
            )
        return cast(T, network)

    def checked(self, network: Any) -> Any:
        """An object that is used as such a network: it has what one has.

        Raises:
            InputError: it lacks the method, a name, or a score where it needs one.
        """
        kind = type(network).__name__
        if not callable(getattr(network, self.method, None)):
            raise InputError(
                f"{self.what}: {kind} has no method {self.method}; must be a name or such a network"
            )
        name = getattr(network, "name", None)
        if not (isinstance(name, str) and name.isidentifier()):
            raise InputError(
                f"{self.what} {kind}: its attribute name is {name!r}; must be text of letters, "
                "digits and underscores"
            )
        for score in self.scores:
            check_number(
                f"{self.what} {name}: {score}", getattr(network, score, None), least=0, most=1
            )
        return network

    def names(self) -> list[str]:
        """The registered names, sorted."""
        return sorted(self._kinds)
