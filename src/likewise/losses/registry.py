"""Losses by name, for recipes and the command line."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from likewise.errors import InputError, one_of
from likewise.losses.classes.placement import Placement, place_classes
from likewise.losses.margins.adaface import AdaFace
from likewise.losses.margins.airface import AirFace
from likewise.losses.margins.arcface import ArcFace
from likewise.losses.margins.combined import CombinedMargin
from likewise.losses.margins.cosface import CosFace
from likewise.losses.margins.curricularface import CurricularFace
from likewise.losses.margins.magface import MagFace
from likewise.losses.margins.normalized_softmax import NormalizedSoftmax
from likewise.losses.margins.prototype_memory import PrototypeMemory
from likewise.losses.margins.softmax import Softmax
from likewise.losses.margins.sphereface import LSoftmax, SphereFace
from likewise.losses.margins.sphereface2 import SphereFace2
from likewise.losses.margins.subcenter_arcface import SubCenterArcFace
from likewise.losses.margins.uniface import UniFace
from likewise.losses.pairs.center import Center
from likewise.losses.pairs.circle import Circle
from likewise.losses.pairs.contrastive import Contrastive
from likewise.losses.pairs.multi_similarity import MultiSimilarity
from likewise.losses.pairs.ntxent import NTXent
from likewise.losses.pairs.proxies import ProxyAnchor, ProxyNCA
from likewise.losses.pairs.siamese import SiameseClassifier
from likewise.losses.pairs.supcon import SupCon
from likewise.losses.pairs.triplet import Triplet
from likewise.losses.wrappers.sum import Sum, Weighted

__all__ = ["create_loss", "list_losses", "needs_pairs", "parameter_names", "require_loss"]

SOFTMAX: dict[str, type[nn.Module]] = {
    "adaface": AdaFace,
    "airface": AirFace,
    "arcface": ArcFace,
    "combined": CombinedMargin,
    "cosface": CosFace,
    "curricularface": CurricularFace,
    "lsoftmax": LSoftmax,
    "magface": MagFace,
    "normalized_softmax": NormalizedSoftmax,
    "softmax": Softmax,
    "sphereface": SphereFace,
    "sphereface2": SphereFace2,
    "subcenter_arcface": SubCenterArcFace,
    "uniface": UniFace,
}
PAIRS: dict[str, type[nn.Module]] = {
    "center": Center,
    "circle": Circle,
    "contrastive": Contrastive,
    "multi_similarity": MultiSimilarity,
    "ntxent": NTXent,
    "proxy_anchor": ProxyAnchor,
    "proxy_nca": ProxyNCA,
    "siamese_classifier": SiameseClassifier,
    "supcon": SupCon,
    "triplet": Triplet,
}
MEMORIES: dict[str, type[nn.Module]] = {"prototype_memory": PrototypeMemory}
LOSSES = SOFTMAX | PAIRS | MEMORIES
ALIASES = {"am_softmax": "cosface"}


def list_losses() -> list[str]:
    """Names that :func:`create_loss` knows, sorted, without aliases.

    Example:
        >>> from likewise.losses import list_losses
        >>> "arcface" in list_losses()
        True
    """
    return sorted(LOSSES)


def create_loss(
    name: str,
    *,
    num_classes: int,
    embedding_dim: int,
    placement: Placement | None = None,
    **params: Any,
) -> nn.Module:
    """Make the loss called ``name``, or a weighted sum such as ``softmax + 0.003*center``.

    Args:
        name: one of :func:`list_losses`, or an alias of one; or several of them, each with its
            weight before it if that is not 1, with ``+`` between them.
        num_classes: number of classes; handed on to losses that hold class weights.
        embedding_dim: length of an embedding; likewise.
        placement: where the class weights of the softmax family lie, and how many of them take
            part in a step; other losses stay whole.
        params: the other arguments of the loss's constructor. In a sum, an argument goes to the
            first loss that has it; ``center={"alpha": 0.3}`` names the loss.

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
    weights, names, own = _divided(name, params)
    given = {"num_classes": num_classes, "embedding_dim": embedding_dim}
    placement = placement or Placement()
    if placement.sampled and not any(term in SOFTMAX for term in names):
        raise InputError(
            f"{name}: its classes cannot be sampled or memory-mapped, as it is no loss of the "
            "softmax family"
        )
    with place_classes(placement):
        losses = [
            LOSSES[term](**{k: v for k, v in given.items() if k in _parameters(term)}, **arguments)
            for term, arguments in zip(names, own, strict=True)
        ]
    if len(losses) == 1 and weights[0] == 1:
        return losses[0]
    return Sum(*(_weighted(loss, weight) for loss, weight in zip(losses, weights, strict=True)))


def parameter_names() -> set[str]:
    """What the losses take, besides the number of classes and the length of an embedding."""
    return set().union(*map(_parameters, LOSSES)) - {"num_classes", "embedding_dim"}


def require_loss(name: str, params: dict[str, Any]) -> None:
    """See that :func:`create_loss` knows the names of a loss and of its parameters.

    Raises:
        InputError: one is unknown; the nearest is suggested.
    """
    _divided(name, params)


def _divided(
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
        own[next(n for n, known in enumerate(accepted) if key in known)].setdefault(key, value)
    return weights, names, own


def needs_pairs(name: str) -> bool:
    """Whether a batch teaches the loss called ``name`` little without two photos of one class.

    Args:
        name: as for :func:`create_loss`; of a sum, whether it holds for any term.

    Raises:
        InputError: an unknown name.

    Example:
        >>> from likewise.losses.registry import needs_pairs
        >>> needs_pairs("cosface"), needs_pairs("cosface + 0.1*triplet")
        (False, True)
    """
    kinds = [LOSSES[term] for _, term in _terms(name)]
    # Of a class, not of a loss: where it is a property, it is not known before there is one.
    compare = (getattr(kind, "compares_samples", False) is True for kind in kinds)
    return any(compare) or any(kind in MEMORIES.values() for kind in kinds)


def _parameters(name: str) -> set[str]:
    return set(inspect.signature(LOSSES[name]).parameters)


def _weighted(loss: nn.Module, weight: float) -> nn.Module:
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
                f"loss: {term.strip()!r}: expected a weight before the *, like 0.003*center"
            ) from None
        bare = (after if star else before).strip()
        bare = ALIASES.get(bare, bare)
        found.append((weight, one_of("loss", bare, LOSSES)))
    return found
