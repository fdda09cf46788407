"""Smooth-AP: the average precision of each sample's ranking, with ranks made smooth."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from likewise.arguments import check_number
from likewise.distances import Distance
from likewise.distances.blocks import blocks
from likewise.losses.anchors import zero_losses
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.mining import pair_masks

__all__ = ["SmoothAP"]

_COPIES = 4  # of [pairs, M] that a block of pairs needs in memory


@register_loss(
    "smooth_ap",
    search_space=SearchSpace((Hyperparameter("temperature", 0.005, 0.1, log=True),)),
    figure=FigureSettings(
        "Smooth-AP",
        "The ranking of all samples by their similarity to each.",
        {"temperature": 0.05},
        "τ = 0.05",
    ),
)
class SmoothAP(EmbeddingLoss):
    """``1 - 1/|P(q)| Σ_{i∈P(q)} R(i, P(q)) / R(i, Ω(q))`` for each sample q as the query.

    ``R(i, S) = 1 + Σ_{j∈S, j≠i} σ((s_qj - s_qi)/τ)`` is the rank of sample i in a set S, with the
    sigmoid σ in place of a step; P(q) are the positives of q, Ω(q) all other samples. For small τ
    the fraction is the precision at the place of i, and the loss is 1 minus the average precision,
    which is what retrieval is measured by. Averaged over the queries that have a positive and a
    negative. All positives are compared with all samples, in blocks: memory is a few B×B matrices
    and one block.

    Source: Brown et al., arXiv 2007.12163.

    Args:
        temperature: τ, above 0, in the unit of the similarity; 0.01 in the paper. A small one is
            near to the ranks, but only samples of almost the same similarity have a gradient.
        query_counts: count the query itself as one of its positives, as the authors' code does
            (the paper does not). It is always the first of its ranking, so the loss is smaller. A
            reference set does not hold the query.
        distance: a similarity or its name; a distance is negated.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of a query is its loss, times B over
            the number of queries in the mean.

    Inputs: embeddings [B, D], labels int64 [B]; batches of P classes with K samples each.

    Example:
        >>> import torch
        >>> from likewise.losses import SmoothAP
        >>> embeddings = torch.randn(16, 8, requires_grad=True)
        >>> SmoothAP()(embeddings, torch.arange(16) // 4).backward()
    """

    def __init__(
        self,
        *,
        temperature: float = 0.01,
        query_counts: bool = False,
        distance: str | Distance = "cosine",
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.temperature = check_number("temperature", temperature, above=0)
        self.query_counts = query_counts
        self.distance = self.adopt(distance)

    def compute(
        self, anchors: Tensor, samples: Tensor, labels: Tensor, anchor_labels: Tensor | None = None
    ) -> Tensor:
        """Rank all samples for every anchor."""
        s = self.distance.score_pairwise(anchors, samples)
        same, different = pair_masks(labels, len(anchors), of=anchor_labels)
        counted = same.any(dim=1) & different.any(dim=1)
        if self.query_counts:
            same = same | ~(same | different)
        everyone = same | different
        query, positive = (same & counted.unsqueeze(1)).nonzero(as_tuple=True)
        if len(query) == 0:
            return zero_losses(anchors)
        ratios = [
            self._precisions(s, same, everyone, query[part], positive[part])
            for part in blocks(len(query), _COPIES * s.shape[1] * s.element_size())
        ]
        total = torch.zeros_like(s[:, 0]).index_add(0, query, torch.cat(ratios))
        losses = (1 - total / same.sum(dim=1).clamp(min=1)).masked_fill(~counted, 0)
        return losses * len(anchors) / counted.sum()

    def _precisions(
        self, s: Tensor, same: Tensor, everyone: Tensor, query: Tensor, positive: Tensor
    ) -> Tensor:
        """The smooth precision at the place of each positive of a query: int64 [T] -> [T]."""
        found: Tensor = checkpoint(
            _precisions, s / self.temperature, same, everyone, query, positive, use_reentrant=False
        )
        return found


def _precisions(
    s: Tensor, same: Tensor, everyone: Tensor, query: Tensor, positive: Tensor
) -> Tensor:
    rows = s[query]
    above = (rows - rows.gather(1, positive.unsqueeze(1))).sigmoid()
    # The positive itself is in both sets, with σ(0) = ½ of the 1 that stands for it.
    among_all = 0.5 + above.masked_fill(~everyone[query], 0).sum(dim=1)
    among_same = 0.5 + above.masked_fill(~same[query], 0).sum(dim=1)
    return among_same / among_all
