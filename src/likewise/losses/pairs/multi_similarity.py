"""Multi-similarity loss: soft sums over mined positives and negatives."""

from __future__ import annotations

from torch import Tensor

from likewise.arguments import check_number
from likewise.distances import Distance
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.pairs.log_sum_exp import log_one_plus_sum_exp
from likewise.losses.pairs.mined import check_miner, dissimilarities_of, keep_pairs
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.mining import MinerChoice, pair_masks

__all__ = ["MultiSimilarity"]


@register_loss(
    "multi_similarity",
    search_space=SearchSpace(
        (Hyperparameter("base", 0.3, 0.9), Hyperparameter("beta", 10.0, 60.0, log=True))
    ),
    figure=FigureSettings(
        "Multi-similarity",
        "Soft sums over the informative pairs.",
        {"base": 0.85},
        "α = 2, β = 50, λ = 0.85",
    ),
)
class MultiSimilarity(EmbeddingLoss):
    """``1/α·log(1 + Σ_P e^{-α(s-λ)}) + 1/β·log(1 + Σ_N e^{β(s-λ)})`` for each anchor.

    P and N are its mined positives and negatives: negatives with a similarity above the lowest of a
    positive minus ε, positives with one below the highest of a negative plus ε. Averaged over all
    anchors; an anchor without mined pairs counts as zero. Memory is a few B×B matrices.

    Source: Wang et al., arXiv 1904.06627.

    Args:
        alpha: α, above 0, the sharpness of the positives; 1 to 10.
        beta: β, above 0, the sharpness of the negatives; 20 to 100.
        base: λ, the similarity between positives and negatives; 0.5 to 1.
        miner: ``"multi_similarity"`` (ε = 0.1), as published, another one of
            ``likewise.mining.list_miners()``, a name with parameters such as
            ``{"name": "multi_similarity", "epsilon": 0.05}``, or a miner.
        distance: a similarity or its name; a distance is negated.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of an anchor is its loss.

    Inputs: embeddings [B, D], labels int64 [B]; batches of P classes with K samples each.

    Example:
        >>> import torch
        >>> from likewise.losses import MultiSimilarity
        >>> embeddings = torch.randn(16, 8, requires_grad=True)
        >>> MultiSimilarity()(embeddings, torch.arange(16) // 4).backward()
    """

    def __init__(
        self,
        *,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        miner: MinerChoice = "multi_similarity",
        distance: str | Distance = "cosine",
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.alpha = check_number("alpha", alpha, above=0)
        self.beta = check_number("beta", beta, above=0)
        self.base = float(base)
        self.distance = self.adopt(distance)
        self.miner = check_miner("MultiSimilarity", miner, self.distance.name, unit=False)

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
        above = s - self.base
        pull = log_one_plus_sum_exp(-self.alpha * above, same) / self.alpha
        push = log_one_plus_sum_exp(self.beta * above, different) / self.beta
        return pull + push
