"""SupCon loss: each positive against all other samples."""

from __future__ import annotations

from torch import Tensor

from likewise.arguments import check_number
from likewise.distances import Distance
from likewise.losses.anchors import zero_losses
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.pairs.log_sum_exp import log_sum_exp
from likewise.losses.pairs.mined import check_miner, dissimilarities_of, keep_pairs
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.mining import MinerChoice, pair_masks

__all__ = ["SupCon"]


@register_loss(
    "supcon",
    search_space=SearchSpace((Hyperparameter("temperature", 0.03, 0.3, log=True),)),
    figure=FigureSettings(
        "SupCon", "Each positive against all other samples.", {"temperature": 0.1}, "τ = 0.1"
    ),
)
class SupCon(EmbeddingLoss):
    """``-1/|P(i)| Σ_p log( e^{s_ip/τ} / Σ_{a≠i} e^{s_ia/τ} )`` for each anchor i.

    s is the similarity, p runs over the positives P(i) of i, a over all samples but i. Averaged
    over the anchors that have a positive and a negative. Memory is a few B×B matrices.

    Source: Khosla et al., arXiv 2004.11362, equation 2.

    Args:
        temperature: τ, above 0; 0.05 to 0.5.
        distance: a similarity or its name; a distance is negated.
        miner: which pairs are compared: one of ``likewise.mining.list_miners()``, a name with
            parameters, or a miner.
        label_smoothing: ε, from 0 to below 1. The targets are the positives with ``1 - ε`` in equal
            parts, and all samples but i with ε in equal parts.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of an anchor that has a positive and
            a negative is its loss, times B over the number of such anchors; all others are 0.

    Inputs: embeddings [B, D], labels int64 [B]; batches of P classes with K samples each.

    Example:
        >>> import torch
        >>> from likewise.losses import SupCon
        >>> embeddings = torch.randn(16, 8, requires_grad=True)
        >>> SupCon()(embeddings, torch.arange(16) // 4).backward()
    """

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        distance: str | Distance = "cosine",
        miner: MinerChoice = "all",
        label_smoothing: float = 0.0,
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.temperature = check_number("temperature", temperature, above=0)
        self.distance = self.adopt(distance)
        self.miner = check_miner("SupCon", miner, self.distance.name, unit=False)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, least=0, below=1)

    def compute(
        self, anchors: Tensor, samples: Tensor, labels: Tensor, anchor_labels: Tensor | None = None
    ) -> Tensor:
        """Compare every anchor with every sample."""
        s = self.distance.score_pairwise(anchors, samples)
        masks = pair_masks(labels, len(anchors), of=anchor_labels)
        if self.miner is not None:
            d = dissimilarities_of(self.distance, s)
            masks = keep_pairs(self.miner, self.distance, d, masks, samples.shape[1])
        same, different = masks
        counted = same.any(dim=1) & different.any(dim=1)
        if not counted.any():
            return zero_losses(anchors)
        s = s / self.temperature
        positives = s.masked_fill(~same, 0).sum(dim=1) / same.sum(dim=1).clamp(min=1)
        others = same | different
        losses = log_sum_exp(s, others) - positives
        if self.label_smoothing:
            average = s.masked_fill(~others, 0).sum(dim=1) / others.sum(dim=1).clamp(min=1)
            losses = losses + self.label_smoothing * (positives - average)
        return losses.masked_fill(~counted, 0) * len(anchors) / counted.sum()
