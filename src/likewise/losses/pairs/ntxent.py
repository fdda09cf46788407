"""NT-Xent loss: each positive against all negatives of its anchor."""

from __future__ import annotations

from torch import Tensor

from likewise.arguments import check_number
from likewise.distances import Distance
from likewise.losses.anchors import zero_losses
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.pairs.log_sum_exp import log_one_plus_exp, log_sum_exp
from likewise.losses.pairs.mined import check_miner, dissimilarities_of, keep_pairs
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.mining import MinerChoice, pair_masks

__all__ = ["NTXent"]


@register_loss(
    "ntxent",
    search_space=SearchSpace((Hyperparameter("temperature", 0.03, 0.3, log=True),)),
    figure=FigureSettings(
        "NT-Xent",
        "Each positive against all negatives of its anchor.",
        {"temperature": 0.1},
        "τ = 0.1",
    ),
)
class NTXent(EmbeddingLoss):
    """``-log( e^{s_ip/τ} / (e^{s_ip/τ} + Σ_n e^{s_in/τ}) )`` for each positive pair (i, p).

    s is the similarity, n runs over the negatives of i. Averaged over the positive pairs of all
    anchors; with two samples per class this is SimCLR's loss. Memory is a few B×B matrices. An
    anchor without negatives or without positives contributes nothing.

    Source: Chen et al., arXiv 2002.05709.

    Args:
        temperature: τ, above 0; 0.05 to 0.5.
        distance: a similarity or its name; a distance is negated.
        miner: which pairs are compared: one of ``likewise.mining.list_miners()``, a name with
            parameters, or a miner.
        label_smoothing: ε, from 0 to below 1. The target of a pair (i, p) is p with ``1 - ε``, and
            p and all negatives of i with ε in equal parts, as in ``F.cross_entropy`` over them.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of an anchor is the sum over its
            positive pairs, times B over the number of all positive pairs.

    Inputs: embeddings [B, D], labels int64 [B]; two views of a sample share a label.

    Example:
        >>> import torch
        >>> from likewise.losses import NTXent
        >>> views = torch.randn(16, 8, requires_grad=True)  # 0 and 1, 2 and 3, … belong together
        >>> NTXent(temperature=0.5)(views, torch.arange(16) // 2).backward()
    """

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        distance: str | Distance = "cosine",
        miner: MinerChoice = "all",
        label_smoothing: float = 0.0,
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.temperature = check_number("temperature", temperature, above=0)
        self.distance = self.adopt(distance)
        self.miner = check_miner("NTXent", miner, self.distance.name, unit=False)
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
        pairs = same.sum()
        if pairs == 0:
            return zero_losses(anchors)
        s = s / self.temperature
        negatives = log_sum_exp(s, different).unsqueeze(1)
        # -log(e^s / (e^s + e^n)) = log(1 + e^{n-s}); n = -inf where there is no negative.
        losses = log_one_plus_exp(negatives - s)
        if self.label_smoothing:
            count = different.sum(dim=1, keepdim=True)
            total = s.masked_fill(~different, 0).sum(dim=1, keepdim=True)
            losses = losses + self.label_smoothing * (s - (s + total) / (1 + count))
        return losses.masked_fill(~same, 0).sum(dim=1) * len(anchors) / pairs
