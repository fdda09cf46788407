"""Triplet loss: an anchor should be nearer to its positive than to its negative, by a margin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from likewise.arguments import check_number
from likewise.distances import Distance
from likewise.distances.similarity import unit
from likewise.errors import InputError
from likewise.losses.anchors import zero_losses
from likewise.losses.pairs.batch_all import active_hinges
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.pairs.log_sum_exp import log_one_plus_exp
from likewise.losses.pairs.mined import for_dimension
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.mining import (
    AdjacentPairs,
    DistanceWeighted,
    Miner,
    MinerChoice,
    create_miner,
    mine_triplets,
    pair_masks,
)

__all__ = ["Triplet"]

# Computed over all triplets of the batch at once, without listing them.
SUMMED = ("batch_all", "semi_hard")
COMPARED = (*SUMMED, "batch_hard", "curriculum", "easy_positive", "distance_weighted")
"""The miners that ``likewise compare`` tries."""


@register_loss(
    "triplet",
    search_space=[
        SearchSpace(
            (Hyperparameter("margin", 0.05, 0.6),),
            {"miner": mining},
            variant=mining,
            # The three most used strategies represent the triplets.
            in_all=mining in ("batch_all", "batch_hard", "semi_hard"),
        )
        for mining in COMPARED
    ],
    figure=FigureSettings(
        "Triplet",
        "Each positive nearer than each negative, by the margin.",
        params_text="batch-all, m = 0.2",
    ),
)
class Triplet(EmbeddingLoss):
    """``[m + d(a,p) - d(a,n)]+`` over chosen triplets of the batch.

    ==================  ==========================================================  ============
    ``miner``           triplets; averaged over                                     source
    ==================  ==========================================================  ============
    batch_all           all whose term is above zero; mean over these               1703.07737
    semi_hard           all with d(a,p) < d(a,n) < d(a,p)+m; mean over these        1503.03832
    batch_hard          farthest positive, nearest negative; mean over anchors      1703.07737
    easy_positive       nearest positive, nearest negative; mean over anchors       1904.04370
    distance_weighted   a random negative for each pair (a,p); mean over these      1706.07567
    curriculum          ever harder negatives (``likewise.mining.Curriculum``);
                        mean over pairs (a,p)
    any other miner     its triplets, or all triplets of the pairs that it keeps;
                        mean over these
    ==================  ==========================================================  ============

    Terms of zero count in all means but the first two. ``margin="soft"`` replaces the hinge by
    ``log(1 + exp(d(a,p) - d(a,n)))``, for all but the first two. The hinge has the subgradient 0 at
    its kink, and so has the distance at equal embeddings. A batch without triplets has loss zero.

    Args:
        margin: m, at least 0, in the unit of the distance; or ``"soft"``.
        miner: a name from the table or of ``likewise.mining.list_miners()``, a name with
            parameters, or a miner.
        distance: a distance or its name; for a similarity, its dissimilarity is compared.
        squared: compare squared distances, as FaceNet does.
        normalize: scale embeddings to unit length first, so that the margin has a fixed meaning.
        mining: another name of ``miner``.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of an anchor is the sum over its
            triplets, times B over the number of all triplets in the mean.

    Inputs: embeddings [B, D], labels int64 [B]; batches of P classes with K samples each.

    Raises:
        InputError: arguments that do not fit together.

    Example:
        >>> import torch
        >>> from likewise.losses import Triplet
        >>> loss = Triplet(margin=0.2, miner="semi_hard")
        >>> embeddings = torch.randn(32, 16, requires_grad=True)
        >>> loss(embeddings, torch.arange(32) // 4).backward()
    """

    def __init__(
        self,
        *,
        margin: float | Literal["soft"] = 0.2,
        miner: MinerChoice = None,
        distance: str | Distance = "euclidean",
        squared: bool = False,
        normalize: bool = True,
        mining: MinerChoice = None,
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin = (
            None if margin == "soft" else check_number("margin (or 'soft')", margin, least=0)
        )
        self.distance = self.adopt(distance)
        self.squared = squared
        self.normalize = normalize
        if squared and self.distance.is_similarity:
            raise InputError(f"Triplet: squared: {self.distance.name} is not a distance")
        if miner is not None and mining is not None:
            raise InputError("Triplet: miner, mining: both given; they are one argument")
        self._choose(mining if miner is None else miner)
        if self.margin is None and self.miner is None:
            raise InputError(
                f"Triplet: margin: 'soft' leaves no triplet inactive, so it cannot be used with "
                f"{self.mining}; use miner='batch_hard', or give a margin"
            )
        if isinstance(self.miner, DistanceWeighted) and (
            self.distance.name != "euclidean" or squared or not normalize
        ):
            raise InputError(
                "Triplet: miner: distance_weighted needs Euclidean distances on the unit sphere; "
                "set distance='euclidean', squared=False, normalize=True"
            )

    def _choose(self, miner: MinerChoice) -> None:
        """Set the miner, and the name under which it was given."""
        made = create_miner(miner)
        given = dict(miner) if isinstance(miner, Mapping) else {"name": miner}
        name = given["name"]
        self.miner: Miner | None = made
        self.mining = name if isinstance(name, str) else type(made).__name__
        if made is None:
            self.mining = "batch_all"
        elif given == {"name": "semi_hard"}:  # with the margin of the loss, without a list
            self.miner = None
        if isinstance(made, AdjacentPairs):
            raise InputError(
                "Triplet: miner: adjacent keeps one pair for each sample, which makes no triplet; "
                "use it with contrastive"
            )

    def extra_repr(self) -> str:
        """Show what the loss is made of."""
        margin = "soft" if self.margin is None else f"{self.margin:g}"
        return f"margin={margin}, miner={self.mining}, distance={self.distance.name}"

    def compute(
        self, anchors: Tensor, samples: Tensor, labels: Tensor, anchor_labels: Tensor | None = None
    ) -> Tensor:
        """Compare every anchor with every sample."""
        if self.normalize:
            anchors, samples = unit(anchors), unit(samples)
        distances = self.distance.dissimilarity_pairwise(anchors, samples)
        if self.squared:
            distances = distances.square()
        if self.miner is None and self.margin is not None:
            return active_hinges(
                distances,
                labels,
                self.margin,
                semi_hard=self.mining == "semi_hard",
                anchor_labels=anchor_labels,
            )
        assert self.miner is not None  # a soft margin has one
        miner = for_dimension(self.miner, samples.shape[1])
        masks = pair_masks(labels, len(anchors), of=anchor_labels)
        anchor, positive, negative = mine_triplets(miner, distances, *masks)
        if len(anchor) == 0:
            return zero_losses(anchors)
        to_positive, to_negative = distances[anchor, positive], distances[anchor, negative]
        gap = to_positive - to_negative
        terms = log_one_plus_exp(gap) if self.margin is None else (self.margin + gap).relu()
        rows = terms.new_zeros(len(anchors)).index_add(0, anchor, terms)
        return rows * (len(anchors) / len(terms))
