"""Contrastive loss: pulls pairs of one class together, pushes other pairs apart up to a margin."""

from __future__ import annotations

from torch import Tensor

from likewise.arguments import check_number
from likewise.distances import Distance
from likewise.distances.similarity import unit
from likewise.errors import InputError
from likewise.losses.anchors import zero_losses
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.pairs.mined import check_miner, keep_pairs
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.mining import MinerChoice, pair_masks

__all__ = ["Contrastive"]


@register_loss(
    "contrastive",
    search_space=SearchSpace((Hyperparameter("margin", 0.4, 1.3),)),
    figure=FigureSettings(
        "Contrastive",
        "Pairs of one class together, pairs of two classes at least the margin apart.",
        {"margin": 0.75},
        "m = 0.75",
    ),
)
class Contrastive(EmbeddingLoss):
    """``½·d²`` for a pair of one class, ``½·[m - d]+²`` for a pair of two.

    Averaged over all pairs of the batch, or over those that the miner keeps. In a batch of P
    classes with K samples each, most pairs are of two classes; ``miner="balanced"`` keeps as many
    of each kind. A batch of one class has only the first term, one without positives only the
    second. At distance 0 a pair of two classes has the subgradient 0.

    Source: Hadsell, Chopra and LeCun, Dimensionality reduction by learning an invariant mapping,
    CVPR 2006.

    Args:
        margin: m, above 0, in the unit of the distance; on the unit sphere d is at most 2.
        distance: a distance or its name; for the cosine, d is ``1 - cos``.
        miner: ``"all"``, ``"balanced"``, ``"adjacent"`` (rows 2i and 2i+1 are the pairs),
            another one of ``likewise.mining.list_miners()``, a name with parameters, or a miner.
        normalize: scale embeddings to unit length first, so that the margin has a fixed meaning.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of an anchor is the sum over its
            pairs, times B over the number of all pairs.

    Inputs: embeddings [B, D], labels int64 [B].

    Example:
        >>> import torch
        >>> from likewise.losses import Contrastive
        >>> embeddings = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
        >>> Contrastive()(embeddings, torch.tensor([0, 0]))
        tensor(2.)
    """

    def __init__(
        self,
        *,
        margin: float = 1.0,
        distance: str | Distance = "euclidean",
        miner: MinerChoice = "all",
        normalize: bool = True,
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin = check_number("margin", margin, above=0)
        self.distance = self.adopt(distance)
        self.miner = check_miner("Contrastive", miner, self.distance.name, unit=normalize)
        self.normalize = normalize
        if self.distance.name == "dot":
            raise InputError("Contrastive: distance: 'dot' has no zero; use cosine")

    def compute(
        self, anchors: Tensor, samples: Tensor, labels: Tensor, anchor_labels: Tensor | None = None
    ) -> Tensor:
        """Compare every anchor with every sample."""
        if self.normalize:
            anchors, samples = unit(anchors), unit(samples)
        d = self.distance.dissimilarity_pairwise(anchors, samples)
        masks = pair_masks(labels, len(anchors), of=anchor_labels)
        if self.miner is not None:
            masks = keep_pairs(self.miner, self.distance, d, masks, samples.shape[1])
        same, different = masks
        pairs = same.sum() + different.sum()
        if pairs == 0:
            return zero_losses(anchors)
        pull = d.square().masked_fill(~same, 0).sum(dim=1)
        push = (self.margin - d).relu().square().masked_fill(~different, 0).sum(dim=1)
        return (pull + push) * len(anchors) / (2 * pairs)
