"""Circle loss: each similarity is weighted by its distance from its optimum."""

from __future__ import annotations

from torch import Tensor

from likewise.arguments import check_number
from likewise.distances import Cosine
from likewise.losses.anchors import zero_losses
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.pairs.log_sum_exp import log_one_plus_exp, log_sum_exp
from likewise.losses.pairs.mined import check_miner, keep_pairs
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.mining import MinerChoice, pair_masks

__all__ = ["Circle"]


@register_loss(
    "circle",
    search_space=SearchSpace(
        (Hyperparameter("margin", 0.1, 0.6), Hyperparameter("gamma", 16.0, 256.0, log=True))
    ),
    figure=FigureSettings(
        "Circle",
        "Each similarity pulls the harder, the farther it is from its optimum.",
        {"margin": 0.6, "gamma": 16.0},
        "m = 0.6, γ = 16",
    ),
)
class Circle(EmbeddingLoss):
    """``log(1 + Σ_n e^{γ[s_n+m]+ (s_n-m)} · Σ_p e^{-γ[1+m-s_p]+ (s_p-1+m)})`` for each anchor.

    s_p and s_n are cosines with its positives and negatives; the weights ``[·]+`` have no
    gradient. Averaged over the anchors that have a positive and a negative.

    Source: Sun et al., arXiv 2002.10857 (the form on pairs).

    Args:
        margin: m, between -1 and 1; 0.25 for faces, 0.4 for fine-grained retrieval.
        gamma: γ, the scale, above 0; 256 for faces, 80 for fine-grained retrieval.
        miner: which pairs are compared: one of ``likewise.mining.list_miners()``, a name with
            parameters, or a miner.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of an anchor that has a positive and
            a negative is its loss, times B over the number of such anchors; all others are 0.

    Inputs: embeddings [B, D], labels int64 [B]; batches of P classes with K samples each.

    Example:
        >>> import torch
        >>> from likewise.losses import Circle
        >>> embeddings = torch.randn(16, 8, requires_grad=True)
        >>> Circle(margin=0.4, gamma=80)(embeddings, torch.arange(16) // 4).backward()
    """

    def __init__(
        self,
        *,
        margin: float = 0.25,
        gamma: float = 256.0,
        miner: MinerChoice = "all",
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin = check_number("margin", margin, above=-1, below=1)
        self.gamma = check_number("gamma", gamma, above=0)
        self.miner = check_miner("Circle", miner, "cosine")

    def compute(
        self, anchors: Tensor, samples: Tensor, labels: Tensor, anchor_labels: Tensor | None = None
    ) -> Tensor:
        """Compare every anchor with every sample."""
        s = Cosine().pairwise(anchors, samples)
        m, fixed = self.margin, s.detach()
        masks = pair_masks(labels, len(anchors), of=anchor_labels)
        if self.miner is not None:
            masks = keep_pairs(self.miner, Cosine(), 1 - fixed, masks, samples.shape[1])
        same, different = masks
        counted = same.any(dim=1) & different.any(dim=1)
        if not counted.any():
            return zero_losses(anchors)
        push = log_sum_exp(self.gamma * (fixed + m).relu() * (s - m), different)
        pull = log_sum_exp(-self.gamma * (1 + m - fixed).relu() * (s - 1 + m), same)
        losses = log_one_plus_exp(push + pull)  # 0 at -inf, where an anchor has no pair
        return losses * len(anchors) / counted.sum()
