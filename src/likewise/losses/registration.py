"""Registration of losses: a decorator beside each class names it, for recipes and commands.

Beside the name it declares, as plain data, the search space of ``likewise compare`` and the
settings of ``likewise figures``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from likewise.arguments import full_name
from likewise.errors import InputError
from likewise.losses.loss import Loss
from likewise.losses.search_space import SearchSpace

__all__ = [
    "REGISTERED",
    "Boundary",
    "Curve",
    "FigureSettings",
    "Registration",
    "register_loss",
]

LossType = TypeVar("LossType", bound=type[Loss])


@dataclass(frozen=True)
class Curve:
    """One curve in the figure of a decision boundary: the loss in some state.

    Args:
        label: its entry in the legend.
        params: of the loss's constructor, where they differ from the defaults.
        buffers: values of running statistics.
        norm: length of the embedding.
    """

    label: str
    params: Mapping[str, Any] = field(default_factory=dict)
    buffers: Mapping[str, float] = field(default_factory=dict)
    norm: float = 1.0


@dataclass(frozen=True)
class Boundary:
    """The figure of a margin: the target logit over the angle, and the decision boundary.

    Args:
        rule: the condition that the margin sets for a sample of class 1, in a line.
        curves: the regions of the first one are filled.
        others: legend of the logit of the other classes, where that is not their cosine.
        largest_angle: of the (θ1, θ2) plane.
    """

    rule: str = ""
    curves: tuple[Curve, ...] = (Curve("own class"),)
    others: str = "the other class"
    largest_angle: float = math.pi / 2


@dataclass(frozen=True)
class FigureSettings:
    """How the figures of a loss are made: the usual scales and margins are too large for a circle.

    Args:
        title: the usual name of the loss.
        caption: what the loss does, in a line.
        params: of its constructor; all others keep their defaults.
        params_text: ``params`` as a figure writes them.
        loss: what is trained, as for ``create_loss``, if not the loss alone.
        lr: learning rate of the network.
        loss_lr: learning rate of the class weights.
        spread: begin with class weights spread evenly over the circle. A loss that decides on each
            class independently pushes before it pulls: class weights that begin close together
            would all be driven to one side.
        boundary: the figure of the margin, of a member of the softmax family.
    """

    title: str
    caption: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    params_text: str = ""
    loss: str = ""
    lr: float = 1e-3
    loss_lr: float = 1e-2
    spread: bool = False
    boundary: Boundary = Boundary()


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
        name: for ``create_loss`` and ``loss.name``: letters, digits and underscores.
        aliases: further names.
        search_space: what ``likewise compare`` tunes; by default the learning rate alone.
        figure: how ``likewise figures`` draws the loss; by default with its default parameters,
            under the name of its class.

    Raises:
        InputError: a name that is taken by another class or holds other characters, a search space
            of another type, or a class that is not a subclass of ``Loss``.

    Example::

        @register_loss("squared", search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.5),)))
        class Squared(Head):
            margin: float = number(default=0.2, least=0)

            def target(self, cosine, margin):
                return cosine - margin * cosine.square()

        >>> from likewise import register_loss
        >>> register_loss("no name of a key")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        likewise.errors.InputError: ...
    """
    space = SearchSpace() if search_space is None else search_space
    spaces = (space,) if isinstance(space, SearchSpace) else tuple(space)
    if isinstance(aliases, str):
        raise InputError(f"register_loss: aliases: {aliases!r}; must be a list of names")
    names = [name, *aliases]
    for own in names:
        if not (isinstance(own, str) and own.isidentifier()):  # "+" and "*" make a sum
            raise InputError(
                f"register_loss: {own!r}; must be a name of letters, digits and underscores, as in "
                '@register_loss("my_loss")'
            )
    if not all(isinstance(part, SearchSpace) for part in spaces):
        raise InputError(f"register_loss: {name}: search_space: must be one SearchSpace or several")

    def register(kind: LossType) -> LossType:
        if not (isinstance(kind, type) and issubclass(kind, Loss)):
            raise InputError(f"register_loss: {name}: must be a subclass of likewise.losses.Loss")
        for taken in names:
            found = REGISTERED.get(ALIASES.get(taken, taken))
            if found is not None and full_name(found.kind) != full_name(kind):
                raise InputError(
                    f"register_loss: {taken}: is already the name of {found.kind.__name__}; "
                    "choose another name"
                )
        REGISTERED[name] = Registration(kind, spaces, figure or FigureSettings(kind.__name__))
        ALIASES.update(dict.fromkeys(names[1:], name))
        return kind

    return register
