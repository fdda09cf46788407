"""Losses that shape an embedding space, one idea a file."""

from __future__ import annotations

from likewise.losses.adaface import AdaFace
from likewise.losses.airface import AirFace
from likewise.losses.arcface import ArcFace
from likewise.losses.center import Center
from likewise.losses.circle import Circle
from likewise.losses.combined import CombinedMargin
from likewise.losses.contrastive import Contrastive
from likewise.losses.cosface import CosFace
from likewise.losses.cross_batch_memory import CrossBatchMemory
from likewise.losses.curricularface import CurricularFace
from likewise.losses.distillation import Distillation
from likewise.losses.gather import Gathered
from likewise.losses.head import Head
from likewise.losses.magface import MagFace
from likewise.losses.multi_similarity import MultiSimilarity
from likewise.losses.normalized_softmax import NormalizedSoftmax
from likewise.losses.ntxent import NTXent
from likewise.losses.placement import Placement, place_classes
from likewise.losses.prototype_memory import PrototypeMemory
from likewise.losses.proxies import ProxyAnchor, ProxyNCA
from likewise.losses.registry import create_loss, list_losses
from likewise.losses.scale import automatic_scale
from likewise.losses.shard import Shard, class_rows
from likewise.losses.siamese import SiameseClassifier
from likewise.losses.softmax import Softmax
from likewise.losses.sphereface import LSoftmax, SphereFace
from likewise.losses.sphereface2 import SphereFace2
from likewise.losses.subcenter_arcface import SubCenterArcFace
from likewise.losses.sum import Sum, Weighted
from likewise.losses.supcon import SupCon
from likewise.losses.triplet import Triplet
from likewise.losses.uniface import UniFace

__all__ = [
    "AdaFace",
    "AirFace",
    "ArcFace",
    "Center",
    "Circle",
    "CombinedMargin",
    "Contrastive",
    "CosFace",
    "CrossBatchMemory",
    "CurricularFace",
    "Distillation",
    "Gathered",
    "Head",
    "LSoftmax",
    "MagFace",
    "MultiSimilarity",
    "NTXent",
    "NormalizedSoftmax",
    "Placement",
    "PrototypeMemory",
    "ProxyAnchor",
    "ProxyNCA",
    "Shard",
    "SiameseClassifier",
    "Softmax",
    "SphereFace",
    "SphereFace2",
    "SubCenterArcFace",
    "Sum",
    "SupCon",
    "Triplet",
    "UniFace",
    "Weighted",
    "automatic_scale",
    "class_rows",
    "create_loss",
    "list_losses",
    "place_classes",
]
