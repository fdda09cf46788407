"""Losses for embeddings: the softmax family, pairs and triplets, proxies, distillation."""

from __future__ import annotations

from likewise.losses.classes.placement import Placement, place_classes
from likewise.losses.classes.shard import Shard, class_rows
from likewise.losses.distillation import Distillation
from likewise.losses.head.head import Head
from likewise.losses.head.scale import automatic_scale
from likewise.losses.loss import Loss, Sum, Weighted
from likewise.losses.margins.adaface import AdaFace
from likewise.losses.margins.airface import AirFace
from likewise.losses.margins.arcface import ArcFace
from likewise.losses.margins.combined import CombinedMargin
from likewise.losses.margins.cosface import CosFace
from likewise.losses.margins.curricularface import CurricularFace
from likewise.losses.margins.elasticface import ElasticArcFace, ElasticCosFace
from likewise.losses.margins.magface import MagFace
from likewise.losses.margins.normalized_softmax import NormalizedSoftmax
from likewise.losses.margins.prototype_memory import PrototypeMemory
from likewise.losses.margins.softmax import Softmax
from likewise.losses.margins.sphereface import LSoftmax, SphereFace
from likewise.losses.margins.sphereface2 import SphereFace2
from likewise.losses.margins.subcenter_arcface import SubCenterArcFace
from likewise.losses.margins.subcenter_cleaning import SubCenterCleaning, clean_subcenters
from likewise.losses.margins.uniface import UniFace
from likewise.losses.pairs.center import Center
from likewise.losses.pairs.circle import Circle
from likewise.losses.pairs.contrastive import Contrastive
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.pairs.margin_loss import MarginLoss
from likewise.losses.pairs.multi_similarity import MultiSimilarity
from likewise.losses.pairs.ntxent import NTXent
from likewise.losses.pairs.proxies import ProxyAnchor, ProxyNCA
from likewise.losses.pairs.proxy_nca_pp import ProxyNCAPlusPlus
from likewise.losses.pairs.siamese import SiameseClassifier
from likewise.losses.pairs.smooth_ap import SmoothAP
from likewise.losses.pairs.soft_triple import SoftTriple
from likewise.losses.pairs.supcon import SupCon
from likewise.losses.pairs.triplet import Triplet
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.registry import create_loss, list_losses
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.losses.wrappers.cross_batch_memory import CrossBatchMemory
from likewise.losses.wrappers.gather import Gathered

__all__ = [
    "AdaFace",
    "AirFace",
    "ArcFace",
    "Boundary",
    "Center",
    "Circle",
    "CombinedMargin",
    "Contrastive",
    "CosFace",
    "CrossBatchMemory",
    "CurricularFace",
    "Curve",
    "Distillation",
    "ElasticArcFace",
    "ElasticCosFace",
    "EmbeddingLoss",
    "FigureSettings",
    "Gathered",
    "Head",
    "Hyperparameter",
    "LSoftmax",
    "Loss",
    "MagFace",
    "MarginLoss",
    "MultiSimilarity",
    "NTXent",
    "NormalizedSoftmax",
    "Placement",
    "PrototypeMemory",
    "ProxyAnchor",
    "ProxyNCA",
    "ProxyNCAPlusPlus",
    "SearchSpace",
    "Shard",
    "SiameseClassifier",
    "SmoothAP",
    "SoftTriple",
    "Softmax",
    "SphereFace",
    "SphereFace2",
    "SubCenterArcFace",
    "SubCenterCleaning",
    "Sum",
    "SupCon",
    "Triplet",
    "UniFace",
    "Weighted",
    "automatic_scale",
    "class_rows",
    "clean_subcenters",
    "create_loss",
    "list_losses",
    "place_classes",
    "register_loss",
]
