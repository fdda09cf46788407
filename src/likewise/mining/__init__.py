"""Mining of pairs and triplets, and detection of collapse."""

from __future__ import annotations

from likewise.mining.collapse import CollapseDetector
from likewise.mining.conversion import mine_pairs, mine_triplets
from likewise.mining.curriculum import Curriculum
from likewise.mining.masks import pair_masks
from likewise.mining.pairs import (
    AdjacentPairs,
    BalancedPairs,
    MultiSimilarityPairs,
    PairMiner,
    balanced_pairs,
)
from likewise.mining.registry import (
    Miner,
    MinerChoice,
    create_miner,
    list_miners,
    pair_miner,
    register_miner,
)
from likewise.mining.triplets import (
    BatchHard,
    DistanceWeighted,
    EasyPositive,
    SemiHard,
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
    "Miner",
    "MinerChoice",
    "MultiSimilarityPairs",
    "PairMiner",
    "SemiHard",
    "TripletMiner",
    "Triplets",
    "balanced_pairs",
    "create_miner",
    "list_miners",
    "mine_pairs",
    "mine_triplets",
    "pair_masks",
    "pair_miner",
    "register_miner",
]
