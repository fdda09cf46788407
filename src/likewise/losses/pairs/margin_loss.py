"""Margin loss: pairs of one class within a learned distance, pairs of two classes beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from likewise.arguments import check_count, check_number, one_of
from likewise.distances import Distance
from likewise.distances.similarity import unit
from likewise.errors import InputError
from likewise.losses.checks import check_batch
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.pairs.mined import check_miner, for_dimension
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.mining import DistanceWeighted, MinerChoice, pair_masks

__all__ = ["MarginLoss"]


@register_loss(
    "margin_loss",
    search_space=SearchSpace(
        (Hyperparameter("margin", 0.05, 0.4), Hyperparameter("beta", 0.6, 1.4))
    ),
    figure=FigureSettings(
        "Margin loss",
        "Pairs of one class within a learned distance, pairs of two classes beyond it.",
        {"miner": "all"},
        "all pairs, α = 0.2, β from 1.2",
    ),
)
class MarginLoss(EmbeddingLoss):
    """``[α + d(a,p) - β]+`` for positives, ``[α + β - d(a,n)]+`` for negatives; β is learned.

    β is the distance that separates pairs of one class from pairs of two: one number for all, or
    one for each class, that of the anchor. Each triplet (a, p, n) of the miner gives both terms.
    The loss is ``(Σ terms + ν·Σ β)/N``: β is added once for each triplet, and N is the number of
    terms above zero. Without any such term the loss is zero.

    A larger β pushes all pairs apart; the gradient balances it, as positives beyond β - α push it
    up, and negatives within β + α pull it down. ν > 0 pulls it down in addition.

    Source: Wu et al., Sampling matters in deep embedding learning, arXiv 1706.07567.

    Args:
        margin: α, at least 0, in the unit of the distance.
        beta: β at the beginning, above 0.
        learn: ``"global"``: one β is learned; ``"class"``: one for each class; ``"none"``: it stays
            as it is.
        num_classes: C, needed for ``learn="class"`` only.
        nu: ν, at least 0.
        miner: as in the paper a random negative for each pair (a, p), uniformly over the distances;
            or another name of ``likewise.mining.list_miners()``, a name with parameters, or a
            miner. Of a miner of pairs, and with ``"all"``, each pair counts once, and β is added
            once for each.
        distance: a distance or its name; for a similarity, its dissimilarity is compared.
        normalize: scale embeddings to unit length first, so that the margin has a fixed meaning.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of an anchor is the sum over its
            triplets or pairs, times B/N.

    Attributes:
        beta: β, [1] or [C]; a parameter unless ``learn="none"``.

    Inputs: embeddings [B, D], labels int64 [B] (with ``learn="class"`` from 0 to C-1); batches of P
    classes with K samples each.

    Raises:
        InputError: arguments that do not fit together.

    Example:
        >>> import torch
        >>> from likewise.losses import MarginLoss
        >>> loss = MarginLoss(learn="class", num_classes=8, nu=0.01)
        >>> embeddings = torch.randn(32, 16, requires_grad=True)
        >>> loss(embeddings, torch.arange(32) // 4).backward()
        >>> loss.beta.grad.shape
        torch.Size([8])
    """

    beta: Tensor

    def __init__(
        self,
        *,
        margin: float = 0.2,
        beta: float = 1.2,
        learn: Literal["global", "class", "none"] = "global",
        num_classes: int | None = None,
        nu: float = 0.0,
        miner: MinerChoice = "distance_weighted",
        distance: str | Distance = "euclidean",
        normalize: bool = True,
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin = check_number("margin", margin, least=0)
        self.nu = check_number("nu", nu, least=0)
        self.learn = one_of("learn", learn, ("global", "class", "none"))
        count = 1
        if learn == "class":
            if num_classes is None:
                raise InputError("MarginLoss: num_classes: none given; learn='class' needs it")
            count = check_count("num_classes", num_classes)
        first = torch.full((count,), check_number("beta", beta, above=0))
        if learn == "none":
            self.register_buffer("beta", first)
        else:
            self.beta = nn.Parameter(first)
        self.distance = self.adopt(distance)
        self.normalize = normalize
        self.miner = check_miner("MarginLoss", miner, self.distance.name, unit=normalize)
        self.mining = _name_of(miner)

    def extra_repr(self) -> str:
        """Show what the loss is made of."""
        return (
            f"margin={self.margin:g}, beta={list(self.beta.shape)}, learn={self.learn}, "
            f"nu={self.nu:g}, miner={self.mining}, distance={self.distance.name}"
        )

    def compute(
        self, anchors: Tensor, samples: Tensor, labels: Tensor, anchor_labels: Tensor | None = None
    ) -> Tensor:
        """Compare every anchor with every sample."""
        own = labels[: len(anchors)] if anchor_labels is None else anchor_labels
        if self.learn == "class":
            check_batch("MarginLoss", anchors, own, num_classes=len(self.beta))
        if self.normalize:
            anchors, samples = unit(anchors), unit(samples)
        d = self.distance.dissimilarity_pairwise(anchors, samples)
        beta = self.beta.to(d)
        beta = beta[own] if self.learn == "class" else beta.expand(len(anchors))
        chosen = self._chosen(
            d, pair_masks(labels, len(anchors), of=anchor_labels), samples.shape[1]
        )
        if len(chosen) == 2:
            same, different = chosen
            pull = (self.margin + d - beta.unsqueeze(1)).relu().masked_fill(~same, 0)
            push = (self.margin + beta.unsqueeze(1) - d).relu().masked_fill(~different, 0)
            rows = (pull + push).sum(dim=1)
            times = (same | different).sum(dim=1)
        else:
            anchor, positive, negative = chosen
            pull = (self.margin + d[anchor, positive] - beta[anchor]).relu()
            push = (self.margin + beta[anchor] - d[anchor, negative]).relu()
            rows = torch.zeros_like(d[:, 0]).index_add(0, anchor, pull + push)
            times = torch.bincount(anchor, minlength=len(anchors))
        active = (pull > 0).sum() + (push > 0).sum()
        if self.nu and self.learn != "none":
            rows = rows + self.nu * beta * times * (active > 0)
        return rows * len(anchors) / active.clamp(min=1)

    def _chosen(
        self, d: Tensor, masks: tuple[Tensor, Tensor], dimension: int
    ) -> tuple[Tensor, ...]:
        """The pairs of the miner, as two masks [B, M], or its triplets, as three int64 [T]."""
        if self.miner is None:
            return masks
        d = d.detach()
        if isinstance(self.miner, DistanceWeighted) and self.distance.name == "cosine":
            d = (2 * d).clamp(min=0).sqrt()  # Euclidean, on the sphere
        chosen = tuple(for_dimension(self.miner, dimension)(d, *masks))
        if len(chosen) not in (2, 3):
            raise InputError(
                f"MarginLoss: miner: {self.mining} returned {len(chosen)} tensors; must return two "
                "masks of pairs, or anchors, positives and negatives of triplets"
            )
        return chosen


def _name_of(miner: MinerChoice) -> str:
    """The name of a miner, for ``print``."""
    if isinstance(miner, Mapping):
        return str(miner.get("name"))
    return miner if isinstance(miner, str) else "all" if miner is None else type(miner).__name__
