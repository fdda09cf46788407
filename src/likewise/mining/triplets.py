"""Triplet miners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from likewise.arguments import check_count, check_number
from likewise.errors import InputError

__all__ = ["BatchHard", "DistanceWeighted", "EasyPositive", "SemiHard", "TripletMiner", "Triplets"]


class Triplets(NamedTuple):
    """Rows of the anchors, and columns of the positives and the negatives: three int64 [T]."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor


class TripletMiner(Protocol):
    """Chooses triplets from distances [B, M] and the masks of same and different pairs [B, M]."""

    def __call__(self, distances: Tensor, same: Tensor, different: Tensor, /) -> Triplets:
        """Choose triplets; an anchor without a positive or a negative is in none."""
        ...


@dataclass(frozen=True)
class BatchHard:
    """Chooses for each anchor its farthest positive and its nearest negative.

    Of equal distances the first column is chosen. Source: Hermans et al., arXiv 1703.07737.
    """

    def __call__(self, distances: Tensor, same: Tensor, different: Tensor, /) -> Triplets:
        """One triplet for each anchor that has both a positive and a negative."""
        return _one_each(distances, same, different, _farthest)


@dataclass(frozen=True)
class EasyPositive:
    """Chooses for each anchor its nearest positive and its nearest negative.

    With the nearest positive a class can have several clusters (two poses, two lightings), which
    the farthest would pull into one. Source: Xuan et al., arXiv 1904.04370 (its "EPHN").
    """

    def __call__(self, distances: Tensor, same: Tensor, different: Tensor, /) -> Triplets:
        """One triplet for each anchor that has both a positive and a negative."""
        return _one_each(distances, same, different, _nearest)


@dataclass(frozen=True)
class SemiHard:
    """Chooses all triplets with ``d(a,p) < d(a,n) < d(a,p) + m``.

    The negative is farther than the positive, but not by the margin. The triplets are listed;
    ``Triplet(miner="semi_hard")`` sums them without that, with its own margin. Source: Schroff et
    al., arXiv 1503.03832.

    Args:
        margin: m, above 0, in the unit of the distance.

    Raises:
        InputError: a margin that is not above 0.
    """

    margin: float = 0.2

    def __post_init__(self) -> None:
        check_number("margin", self.margin, above=0)

    def __call__(self, distances: Tensor, same: Tensor, different: Tensor, /) -> Triplets:
        """Any number of triplets for each pair of anchor and positive."""
        d = distances.detach()
        anchor, positive = same.nonzero(as_tuple=True)
        to_positive = d[anchor, positive].unsqueeze(1)
        rows = d[anchor]
        chosen = (rows > to_positive) & (rows < to_positive + self.margin) & different[anchor]
        pair, negative = chosen.nonzero(as_tuple=True)
        return Triplets(anchor[pair], positive[pair], negative)


@dataclass(frozen=True)
class DistanceWeighted:
    """Chooses for each pair of anchor and positive a negative, uniformly over the distances.

    On the unit sphere in D dimensions random distances d have the density
    ``q(d) ∝ d^(D-2) (1 - d²/4)^((D-3)/2)``; a negative is drawn with probability proportional to
    ``1/q(d)``, with d clipped below at ``nearest``; negatives farther than ``farthest`` are never
    drawn. Distances must be Euclidean between unit vectors. Anchors without a negative in range are
    in no triplet. Random numbers come from torch's global generator. Source: Wu et al., arXiv
    1706.07567.

    Args:
        dimension: D, the dimension of the embeddings, at least 3; None: a loss sets it.
        nearest: lower bound of distances, because near negatives have noisy gradients.
        farthest: upper bound: farther negatives almost surely have a loss of zero.

    Raises:
        InputError: a dimension under 3, or not 0 < nearest < farthest <= 2.
    """

    dimension: int | None = None
    nearest: float = 0.5
    farthest: float = 1.4

    def __post_init__(self) -> None:
        if self.dimension is not None:
            check_count("dimension", self.dimension, least=3)
        check_number("nearest", self.nearest)
        check_number("farthest", self.farthest)
        if not 0 < self.nearest < self.farthest <= 2:
            raise InputError(
                f"nearest, farthest: {self.nearest}, {self.farthest}; "
                "must be 0 < nearest < farthest <= 2"
            )

    def log_weights(self, distances: Tensor) -> Tensor:
        """``log 1/q(d)`` up to a constant; -inf beyond ``farthest``. Any shape."""
        if self.dimension is None:
            raise InputError("dimension: none given; set it to the dimension of the embeddings")
        # Just under 2, so that a farthest of exactly 2 has a finite weight.
        d = distances.clamp(min=self.nearest, max=min(self.farthest, 1.9999))
        weights = -(
            (self.dimension - 2) * d.log() + (self.dimension - 3) / 2 * (-d * d / 4).log1p()
        )
        return weights.masked_fill(distances > self.farthest, -torch.inf)

    def __call__(self, distances: Tensor, same: Tensor, different: Tensor, /) -> Triplets:
        """One triplet for each pair of anchor and positive whose anchor has a negative in range."""
        weights = self.log_weights(distances.detach()).masked_fill_(~different, -torch.inf)
        top = weights.amax(dim=1, keepdim=True)
        reachable = top.isfinite()
        anchor, positive = (same & reachable).nonzero(as_tuple=True)
        if len(anchor) == 0:
            return Triplets(anchor, positive, positive.clone())
        # The draws of an anchor are assigned to its positives in order.
        chances = (weights - top).exp_().masked_fill_(~reachable, 1)
        order = same.cumsum(dim=1)[anchor, positive] - 1
        drawn = torch.multinomial(chances, int(order.max()) + 1, replacement=True)
        return Triplets(anchor, positive, drawn[anchor, order])


def _one_each(
    distances: Tensor,
    same: Tensor,
    different: Tensor,
    choose_positive: Callable[[Tensor, Tensor], Tensor],
) -> Triplets:
    """One triplet per anchor: the chosen positive and the nearest negative."""
    anchor = (same.any(dim=1) & different.any(dim=1)).nonzero().squeeze(1)
    rows = distances.detach()[anchor]
    positive = choose_positive(rows, same[anchor])
    return Triplets(anchor, positive, _nearest(rows, different[anchor]))


def _farthest(distances: Tensor, mask: Tensor) -> Tensor:
    return distances.masked_fill(~mask, -torch.inf).argmax(dim=1)


def _nearest(distances: Tensor, mask: Tensor) -> Tensor:
    return distances.masked_fill(~mask, torch.inf).argmin(dim=1)
