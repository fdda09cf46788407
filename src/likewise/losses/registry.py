"""Losses by name, for recipes and the command line."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from likewise.errors import one_of
from likewise.losses.adaface import AdaFace
from likewise.losses.airface import AirFace
from likewise.losses.arcface import ArcFace
from likewise.losses.center import Center
from likewise.losses.circle import Circle
from likewise.losses.combined import CombinedMargin
from likewise.losses.contrastive import Contrastive
from likewise.losses.cosface import CosFace
from likewise.losses.curricularface import CurricularFace
from likewise.losses.magface import MagFace
from likewise.losses.multi_similarity import MultiSimilarity
from likewise.losses.normalized_softmax import NormalizedSoftmax
from likewise.losses.ntxent import NTXent
from likewise.losses.proxies import ProxyAnchor, ProxyNCA
from likewise.losses.siamese import SiameseClassifier
from likewise.losses.softmax import Softmax
from likewise.losses.sphereface import LSoftmax, SphereFace
from likewise.losses.sphereface2 import SphereFace2
from likewise.losses.subcenter_arcface import SubCenterArcFace
from likewise.losses.supcon import SupCon
from likewise.losses.triplet import Triplet
from likewise.losses.uniface import UniFace

__all__ = ["create_loss", "list_losses"]

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
LOSSES = SOFTMAX | PAIRS
ALIASES = {"am_softmax": "cosface"}


def list_losses() -> list[str]:
    """Names that :func:`create_loss` knows, sorted, without aliases.

    Example:
        >>> from likewise.losses import list_losses
        >>> "arcface" in list_losses()
        True
    """
    return sorted(LOSSES)


def create_loss(name: str, *, num_classes: int, embedding_dim: int, **params: Any) -> nn.Module:
    """Make the loss called ``name``.

    Args:
        name: one of :func:`list_losses`, or an alias of one.
        num_classes: number of classes; handed on to losses that hold class weights.
        embedding_dim: length of an embedding; likewise.
        params: the other arguments of the loss's constructor.

    Raises:
        InputError: an unknown name or parameter (the nearest is suggested), or a value that the
            loss refuses.

    Example:
        >>> from likewise.losses import create_loss
        >>> create_loss("arcface", num_classes=10, embedding_dim=4, margin=0.4)
        ArcFace(num_classes=10, embedding_dim=4, scale=64, margin=0.4)
    """
    name = ALIASES.get(name, name)
    one_of("loss", name, [*LOSSES, *ALIASES])
    accepted = set(inspect.signature(LOSSES[name]).parameters)
    given = {"num_classes": num_classes, "embedding_dim": embedding_dim}
    for key in params:
        one_of(f"parameter of {name}", key, accepted - given.keys())
    return LOSSES[name](**{k: v for k, v in given.items() if k in accepted}, **params)
