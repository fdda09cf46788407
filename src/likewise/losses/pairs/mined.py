"""The miner of a loss on pairs: which distance it is given, and which pairs it keeps."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from likewise.distances import Distance
from likewise.errors import InputError
from likewise.mining import (
    DistanceWeighted,
    Miner,
    MinerChoice,
    create_miner,
    mine_pairs,
)

__all__ = ["check_miner", "dissimilarities_of", "for_dimension", "keep_pairs"]


def check_miner(loss: str, miner: MinerChoice, distance: str, *, unit: bool = True) -> Miner | None:
    """The miner of a loss, if it can be given the loss's distance.

    Args:
        loss: its name.
        miner: as for :func:`~likewise.mining.create_miner`.
        distance: name of the distance that the loss compares by.
        unit: whether it compares unit vectors.

    Raises:
        InputError: an unknown miner, or one that needs another distance.
    """
    made = create_miner(miner)
    on_sphere = distance == "cosine" or (distance == "euclidean" and unit)
    if isinstance(made, DistanceWeighted) and not on_sphere:
        raise InputError(
            f"{loss}: miner: distance_weighted needs Euclidean distances on the unit sphere, or "
            f"cosines; not {distance}{'' if unit else ' of embeddings of any length'}"
        )
    return made


def for_dimension(miner: Miner, dimension: int) -> Miner:
    """The miner, told the dimension of the embeddings if it needs it and has none."""
    if isinstance(miner, DistanceWeighted) and miner.dimension is None:
        return replace(miner, dimension=dimension)
    return miner


def dissimilarities_of(distance: Distance, scores: Tensor) -> Tensor:
    """The dissimilarities [B, M] of a distance from its scores, without their gradient."""
    scores = scores.detach()
    return 1 - scores if distance.name == "cosine" else -scores


def keep_pairs(
    miner: Miner,
    distance: Distance,
    dissimilarities: Tensor,
    masks: tuple[Tensor, Tensor],
    dimension: int,
) -> tuple[Tensor, Tensor]:
    """The masks [B, M] of the same and the different pairs that the miner of a loss keeps.

    Args:
        miner: a result of :func:`check_miner`.
        distance: of the loss.
        dissimilarities: [B, M], of this distance.
        masks: of all same and all different pairs, bool [B, M].
        dimension: D, of the embeddings.
    """
    if isinstance(miner, DistanceWeighted) and distance.name == "cosine":
        dissimilarities = (2 * dissimilarities).clamp(min=0).sqrt()  # Euclidean, on the sphere
    return mine_pairs(for_dimension(miner, dimension), dissimilarities, *masks)
