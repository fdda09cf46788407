"""Mining of pairs and triplets, and detection of collapse."""

from __future__ import annotations

from likewise.mining.collapse import CollapseDetector
from likewise.mining.curriculum import Curriculum
from likewise.mining.masks import pair_masks
from likewise.mining.pairs import (
    AdjacentPairs,
    BalancedPairs,
    MultiSimilarityPairs,
    PairMiner,
    balanced_pairs,
    pair_miner,
)
from likewise.mining.triplets import (
    BatchHard,
    DistanceWeighted,
    EasyPositive,
    TripletMiner,
    Triplets,
)

__all__ = [
    "AdjacentPairs",
    "BalancedPairs",
    "BatchHard",
    "CollapseDetector",
    "Curriculum",
    "DistanceWeighted",
    "EasyPositive",
    "MultiSimilarityPairs",
    "PairMiner",
    "TripletMiner",
    "Triplets",
    "balanced_pairs",
    "pair_masks",
    "pair_miner",
]
