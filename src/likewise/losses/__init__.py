"""Losses that shape an embedding space, one idea a file."""

from __future__ import annotations

from likewise.losses.center import Center
from likewise.losses.circle import Circle
from likewise.losses.contrastive import Contrastive
from likewise.losses.cross_batch_memory import CrossBatchMemory
from likewise.losses.gather import Gathered
from likewise.losses.multi_similarity import MultiSimilarity
from likewise.losses.ntxent import NTXent
from likewise.losses.proxies import ProxyAnchor, ProxyNCA
from likewise.losses.siamese import SiameseClassifier
from likewise.losses.sum import Sum, Weighted
from likewise.losses.supcon import SupCon
from likewise.losses.triplet import Triplet

__all__ = [
    "Center",
    "Circle",
    "Contrastive",
    "CrossBatchMemory",
    "Gathered",
    "MultiSimilarity",
    "NTXent",
    "ProxyAnchor",
    "ProxyNCA",
    "SiameseClassifier",
    "Sum",
    "SupCon",
    "Triplet",
    "Weighted",
]
