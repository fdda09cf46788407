"""Names of losses: a decorator beside each class registers it for recipes and the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from likewise.errors import InputError
from likewise.losses.figure_settings import FigureSettings
from likewise.losses.loss import Loss
from likewise.losses.search_space import SearchSpace

__all__ = ["REGISTERED", "Registration", "register_loss"]

LossType = TypeVar("LossType", bound=type[Loss])


@dataclass(frozen=True)
class Registration:
    """A registered loss.

    Args:
        kind: its class.
        search_spaces: what ``likewise compare`` tunes, at least one.
        figure: how ``likewise figures`` draws it.
    """

    kind: type[Loss]
    search_spaces: tuple[SearchSpace, ...]
    figure: FigureSettings


REGISTERED: dict[str, Registration] = {}
"""By name; filled as the modules of ``margins/`` and ``pairs/`` are imported."""
ALIASES: dict[str, str] = {}


def register_loss(
    name: str,
    *,
    aliases: Iterable[str] = (),
    search_space: SearchSpace | Iterable[SearchSpace] | None = None,
    figure: FigureSettings | None = None,
) -> Callable[[LossType], LossType]:
    """Class decorator: make a loss known by name to recipes, ``compare`` and ``figures``.

    Args:
        name: for ``create_loss`` and ``loss.name``; lower case with underscores.
        aliases: further names.
        search_space: what ``likewise compare`` tunes; by default the learning rate alone.
        figure: how ``likewise figures`` draws the loss; by default with its default parameters,
            under the name of its class.

    Raises:
        InputError: the name is taken by another class, or the class is no subclass of ``Loss``.

    Example::

        @register_loss("squared", search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.5),)))
        class Squared(Head):
            margin: float = number(default=0.2, least=0)

            def target(self, cosine, margin):
                return cosine - margin * cosine.square()
    """
    space = SearchSpace() if search_space is None else search_space
    spaces = (space,) if isinstance(space, SearchSpace) else tuple(space)

    def register(kind: LossType) -> LossType:
        if not (isinstance(kind, type) and issubclass(kind, Loss)):
            raise InputError(f"register_loss: {name}: must be a subclass of likewise.losses.Loss")
        for taken in (name, *aliases):
            found = REGISTERED.get(ALIASES.get(taken, taken))
            if found is not None and _full_name(found.kind) != _full_name(kind):
                raise InputError(
                    f"register_loss: {taken}: is already the name of {found.kind.__name__}; "
                    "choose another name"
                )
        REGISTERED[name] = Registration(kind, spaces, figure or FigureSettings(kind.__name__))
        ALIASES.update(dict.fromkeys(aliases, name))
        return kind

    return register


def _full_name(kind: type[Loss]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
