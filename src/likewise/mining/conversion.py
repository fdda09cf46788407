"""What a miner chose, as pairs for losses on pairs, and as triplets for losses on triplets."""

from __future__ import annotations

import torch
from torch import Tensor

from likewise.errors import InputError
from likewise.mining.registry import Miner
from likewise.mining.triplets import Triplets

__all__ = ["mine_pairs", "mine_triplets"]


def mine_pairs(
    miner: Miner | None, dissimilarities: Tensor, same: Tensor, different: Tensor
) -> tuple[Tensor, Tensor]:
    """The masks [B, M] of the pairs that a miner keeps.

    Of triplets, the pairs of anchor and positive, and of anchor and negative, each once.

    Args:
        miner: of pairs or of triplets; None keeps every pair.
        dissimilarities: [B, M]; a miner gets them without their gradient.
        same: bool [B, M].
        different: bool [B, M].

    Raises:
        InputError: the miner returned neither.

    Example:
        >>> import torch
        >>> from likewise.mining import BatchHard, mine_pairs, pair_masks
        >>> d = torch.tensor([[0.0, 0.1, 0.9], [0.1, 0.0, 0.4], [0.9, 0.4, 0.0]])
        >>> same, different = mine_pairs(BatchHard(), d, *pair_masks(torch.tensor([0, 0, 1])))
        >>> same.nonzero().tolist(), different.nonzero().tolist()
        ([[0, 1], [1, 0]], [[0, 2], [1, 2]])
    """
    if miner is None:
        return same, different
    chosen = _choose(miner, dissimilarities, same, different)
    if len(chosen) == 2:
        return chosen
    anchor, positive, negative = chosen
    masks = torch.zeros_like(same), torch.zeros_like(different)
    for mask, column in zip(masks, (positive, negative), strict=True):
        mask[anchor, column] = True
    return masks


def mine_triplets(
    miner: Miner, dissimilarities: Tensor, same: Tensor, different: Tensor
) -> Triplets:
    """The triplets that a miner chooses; of pairs, all triplets of pairs that are kept.

    Arguments and errors as for :func:`mine_pairs`.

    Example:
        >>> import torch
        >>> from likewise.mining import AdjacentPairs, mine_triplets, pair_masks
        >>> masks = pair_masks(torch.tensor([0, 0, 1, 0]))
        >>> [len(rows) for rows in mine_triplets(AdjacentPairs(), torch.zeros(4, 4), *masks)]
        [0, 0, 0]
    """
    chosen = _choose(miner, dissimilarities, same, different)
    if len(chosen) == 3:
        return Triplets(*chosen)
    kept_same, kept_different = chosen
    anchor, positive = kept_same.nonzero(as_tuple=True)
    pair, negative = kept_different[anchor].nonzero(as_tuple=True)
    return Triplets(anchor[pair], positive[pair], negative)


def _choose(
    miner: Miner, dissimilarities: Tensor, same: Tensor, different: Tensor
) -> tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]:
    chosen = miner(dissimilarities.detach(), same, different)
    if isinstance(chosen, tuple) and len(chosen) in (2, 3):
        return chosen
    raise InputError(
        f"miner: {type(miner).__name__} returned {type(chosen).__name__}; must be two masks "
        "(same, different), or the rows of triplets (anchor, positive, negative)"
    )
