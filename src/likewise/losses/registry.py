"""Losses by name, for recipes and the command line."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from typing import Any

from likewise.arguments import one_of
from likewise.errors import InputError
from likewise.losses import margins, pairs
from likewise.losses.classes.placement import Placement, place_classes
from likewise.losses.classes.shard import ShardedByClass
from likewise.losses.loss import Loss, Sum, Weighted
from likewise.losses.registration import ALIASES, REGISTERED, Registration

__all__ = [
    "create_loss",
    "has_classes",
    "has_weight",
    "list_losses",
    "needs_pairs",
    "parameter_names",
    "registered_losses",
    "require_loss",
    "softmax_family",
    "takes",
]

# Each file of these folders registers its losses when it is imported.
for _folder in (margins, pairs):
    for _module in pkgutil.iter_modules(_folder.__path__):
        import_module(f"{_folder.__name__}.{_module.name}")


def registered_losses() -> dict[str, Registration]:
    """All losses by name, sorted: first the softmax family, then all others."""
    family = set(softmax_family())
    return dict(sorted(REGISTERED.items(), key=lambda item: (item[0] not in family, item[0])))


def softmax_family() -> list[str]:
    """The names of the losses whose class weights can be sharded over ranks, sorted."""
    return sorted(n for n, found in REGISTERED.items() if issubclass(found.kind, ShardedByClass))


def list_losses() -> list[str]:
    """Names that :func:`create_loss` knows, sorted, without aliases.

    Example:
        >>> from likewise.losses import list_losses
        >>> "arcface" in list_losses()
        True
    """
    return sorted(REGISTERED)


def create_loss(
    name: str,
    *,
    num_classes: int,
    embedding_dim: int,
    placement: Placement | None = None,
    **params: Any,
) -> Loss:
    """Create the loss called ``name``, or a weighted sum such as ``softmax + 0.003*center``.

    Args:
        name: one of :func:`list_losses`, or an alias of one; or several of them, joined with
            ``+``, each after its weight if the weight is not 1.
        num_classes: number of classes, for losses that hold class weights.
        embedding_dim: length of an embedding, for losses that hold weights.
        placement: which class weights of the softmax family this rank holds, where, and how many
            take part in a step; other losses ignore it.
        params: the other arguments of the loss's constructor. In a sum, an argument goes to the
            first loss that has it, and ``reduction`` to all; ``center={"alpha": 0.3}`` names the
            loss.

    Raises:
        InputError: an unknown name or parameter (the nearest is suggested), or a value that the
            loss refuses; classes to be sampled, but no loss that holds class weights.

    Example:
        >>> from likewise.losses import create_loss
        >>> create_loss("arcface", num_classes=10, embedding_dim=4, margin=0.4)
        ArcFace(num_classes=10, embedding_dim=4, scale=64, margin=0.4)
        >>> loss = create_loss("softmax + 0.003*center", num_classes=10, embedding_dim=4)
        >>> [term.weight.shape for term in loss.terms[:1]]
        [torch.Size([10, 4])]
    """
    weights, names, own = _terms_with_arguments(name, params)
    given = {"num_classes": num_classes, "embedding_dim": embedding_dim}
    placement = placement or Placement()
    if placement.sampled and not set(names) & set(softmax_family()):
        raise InputError(
            f"{name}: its classes cannot be sampled or memory-mapped, because it is not in the "
            "softmax family"
        )
    with place_classes(placement):
        losses = [
            REGISTERED[term].kind(
                **{k: v for k, v in given.items() if k in _parameters(term)}, **arguments
            )
            for term, arguments in zip(names, own, strict=True)
        ]
    if len(losses) == 1 and weights[0] == 1:
        return losses[0]
    return Sum(*(_weighted(loss, weight) for loss, weight in zip(losses, weights, strict=True)))


def parameter_names() -> set[str]:
    """The parameters of all losses, besides the number of classes and the embedding length."""
    return set().union(*map(_parameters, REGISTERED)) - {"num_classes", "embedding_dim"}


def require_loss(name: str, params: dict[str, Any]) -> None:
    """Check that :func:`create_loss` knows the names of a loss and of its parameters.

    Raises:
        InputError: one is unknown; the nearest is suggested.
    """
    _terms_with_arguments(name, params)


def has_weight(name: str) -> bool:
    """Whether the loss ``name`` counts at all: false if every term of it has weight 0.

    Args:
        name: as for :func:`create_loss`.

    Raises:
        InputError: an unknown name.

    Example:
        >>> from likewise.losses.registry import has_weight
        >>> has_weight("0*cosface"), has_weight("0*cosface + 0.1*triplet")
        (False, True)
    """
    return any(weight for weight, _ in _terms(name))


def has_classes(name: str) -> bool:
    """Whether a term of the loss ``name`` holds class weights of the softmax family.

    Example:
        >>> from likewise.losses.registry import has_classes
        >>> has_classes("supcon"), has_classes("softmax + supcon")
        (False, True)
    """
    return any(term in softmax_family() for _, term in _terms(name))


def takes(name: str, parameter: str) -> bool:
    """Whether a term of the loss ``name`` has this parameter.

    Example:
        >>> from likewise.losses.registry import takes
        >>> takes("supcon", "margin"), takes("supcon + cosface", "margin")
        (False, True)
    """
    return any(parameter in _parameters(term) for _, term in _terms(name))


def needs_pairs(name: str) -> bool:
    """Whether a batch teaches the loss ``name`` little unless a class has two samples in it.

    Args:
        name: as for :func:`create_loss`; of a sum, whether it holds for any term.

    Raises:
        InputError: an unknown name.

    Example:
        >>> from likewise.losses.registry import needs_pairs
        >>> needs_pairs("cosface"), needs_pairs("cosface + 0.1*triplet")
        (False, True)
    """
    return any(REGISTERED[term].kind.needs_pairs for _, term in _terms(name))


def _terms_with_arguments(
    name: str, params: dict[str, Any]
) -> tuple[list[float], list[str], list[dict[str, Any]]]:
    """The weight of each term of a sum, its name, and the arguments that go to it."""
    terms = _terms(name)
    weights, names = [weight for weight, _ in terms], [term for _, term in terms]
    accepted = [_parameters(term) - {"num_classes", "embedding_dim"} for term in names]
    own: list[dict[str, Any]] = [{} for _ in names]
    for key, value in params.items():
        if len(names) > 1 and key in names and isinstance(value, dict):
            place = names.index(key)
            for inner in value:
                one_of(f"parameter of {key}", inner, accepted[place])
            own[place] |= value
            continue
        one_of(f"parameter of {name}", key, set().union(*accepted))
        if key == "reduction":  # a sum has one
            for arguments, known in zip(own, accepted, strict=True):
                arguments |= {key: value} if key in known else {}
            continue
        own[next(n for n, known in enumerate(accepted) if key in known)].setdefault(key, value)
    return weights, names, own


def _parameters(name: str) -> set[str]:
    return set(inspect.signature(REGISTERED[name].kind).parameters)


def _weighted(loss: Loss, weight: float) -> Loss:
    return loss if weight == 1 else Weighted(loss, weight)


def _terms(name: str) -> list[tuple[float, str]]:
    """The weight and the name of each term of a sum."""
    found = []
    for term in name.split("+"):
        before, star, after = term.partition("*")
        try:
            weight = float(before) if star else 1.0
        except ValueError:
            raise InputError(
                f"loss: {term.strip()!r}: expected a weight before the *, as in 0.003*center"
            ) from None
        bare = (after if star else before).strip()
        bare = ALIASES.get(bare, bare)
        found.append((weight, one_of("loss", bare, REGISTERED)))
    return found
