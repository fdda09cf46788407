"""Siamese classifier: pairs are classified as same or different by a learned score."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from likewise.arguments import check_count
from likewise.distances.blocks import pairwise_in_blocks
from likewise.losses.anchors import zero_losses
from likewise.losses.checks import check_batch
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.pairs.mined import check_miner
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.mining import MinerChoice, mine_pairs, pair_masks

__all__ = ["SiameseClassifier"]


@register_loss(
    "siamese_classifier",
    figure=FigureSettings(
        "Siamese classifier",
        "Same or different, from Σ|Δz|: lengths count, a class may sit at the origin.",
        params_text="all pairs",
    ),
)
class SiameseClassifier(EmbeddingLoss):
    """Binary cross-entropy of the score ``Σ_k α_k |z1_k - z2_k| + β`` of a pair.

    The logistic function of the score is the probability that the pair is of one class; α and β
    are parameters. Averaged over all pairs of the batch, or over those that the miner keeps. A
    batch of one class has only pairs of one class. At equal coordinates |·| has the subgradient 0.

    Source: Koch, Zemel and Salakhutdinov, Siamese neural networks for one-shot image
    recognition, ICML deep learning workshop 2015.

    Args:
        embedding_dim: D.
        miner: ``"all"``, ``"balanced"``, ``"adjacent"`` (rows 2i and 2i+1 are the pairs), another
            one of ``likewise.mining.list_miners()``, a name with parameters, or a miner. It
            receives the negated scores.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of an anchor is the sum over its
            pairs, times B over the number of all pairs.

    Inputs: embeddings [B, D], labels int64 [B].

    Example:
        >>> import torch
        >>> from likewise.losses import SiameseClassifier
        >>> loss = SiameseClassifier(embedding_dim=8, miner="balanced")
        >>> loss(torch.randn(16, 8), torch.arange(16) // 4).backward()
        >>> loss.score_paired(torch.zeros(2, 8), torch.zeros(2, 8)).shape
        torch.Size([2])
    """

    def __init__(
        self,
        *,
        embedding_dim: int,
        miner: MinerChoice = "all",
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        check_count("embedding_dim", embedding_dim)
        self.miner = check_miner("SiameseClassifier", miner, "learned scores")
        # Initially a negated distance: equal vectors score as the same class.
        self.alpha = nn.Parameter(torch.full((embedding_dim,), -1 / embedding_dim))
        self.beta = nn.Parameter(torch.ones(()))

    def score_pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores of every row of ``x`` [N, D] with every row of ``y`` [M, D]: [N, M]."""
        return pairwise_in_blocks(_weighted_manhattan, x, y, self.alpha.to(x)) + self.beta.to(x)

    def score_paired(self, x: Tensor, y: Tensor) -> Tensor:
        """Scores of the rows of ``x`` [N, D] with those of ``y`` [N, D]: [N]."""
        return (x - y).abs() @ self.alpha.to(x) + self.beta.to(x)

    def compute(
        self, anchors: Tensor, samples: Tensor, labels: Tensor, anchor_labels: Tensor | None = None
    ) -> Tensor:
        """Compare every anchor with every sample."""
        check_batch("SiameseClassifier", samples, labels, self.alpha[None])
        scores = self.score_pairwise(anchors, samples)
        masks = pair_masks(labels, len(anchors), of=anchor_labels)
        same, different = mine_pairs(self.miner, -scores.detach(), *masks)
        kept = same | different
        if not kept.any():
            return zero_losses(anchors)
        losses = F.binary_cross_entropy_with_logits(scores, same.to(scores), reduction="none")
        return losses.masked_fill(~kept, 0).sum(dim=1) * len(anchors) / kept.sum()


def _weighted_manhattan(x: Tensor, y: Tensor, alpha: Tensor) -> Tensor:
    """[n, D], [m, D], [D] -> [n, m]."""
    return (x.unsqueeze(1) - y.unsqueeze(0)).abs() @ alpha
