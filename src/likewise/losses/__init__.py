"""Losses that shape an embedding space, one idea a file."""

from __future__ import annotations

from likewise.losses.adaface import AdaFace
from likewise.losses.airface import AirFace
from likewise.losses.arcface import ArcFace
from likewise.losses.combined import CombinedMargin
from likewise.losses.cosface import CosFace
from likewise.losses.curricularface import CurricularFace
from likewise.losses.head import Head
from likewise.losses.magface import MagFace
from likewise.losses.normalized_softmax import NormalizedSoftmax
from likewise.losses.registry import create_loss, list_losses
from likewise.losses.scale import automatic_scale
from likewise.losses.softmax import Softmax
from likewise.losses.sphereface import LSoftmax, SphereFace
from likewise.losses.sphereface2 import SphereFace2
from likewise.losses.subcenter_arcface import SubCenterArcFace
from likewise.losses.uniface import UniFace

__all__ = [
    "AdaFace",
    "AirFace",
    "ArcFace",
    "CombinedMargin",
    "CosFace",
    "CurricularFace",
    "Head",
    "LSoftmax",
    "MagFace",
    "NormalizedSoftmax",
    "Softmax",
    "SphereFace",
    "SphereFace2",
    "SubCenterArcFace",
    "UniFace",
    "automatic_scale",
    "create_loss",
    "list_losses",
]
