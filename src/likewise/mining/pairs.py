"""Pair miners, and sampling of balanced pairs from labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.machine import finest_float

__all__ = [
    "AdjacentPairs",
    "BalancedPairs",
    "MultiSimilarityPairs",
    "PairMiner",
    "balanced_pairs",
]


class PairMiner(Protocol):
    """Reduces the masks of same and different pairs [B, M], given the dissimilarities."""

    def __call__(
        self, dissimilarities: Tensor, same: Tensor, different: Tensor, /
    ) -> tuple[Tensor, Tensor]:
        """Return the masks of the pairs kept."""
        ...


@dataclass(frozen=True)
class AdjacentPairs:
    """Keeps the pairs of rows 0 and 1, 2 and 3, …, for a batch that consists of such pairs.

    ``torch.stack(balanced_pairs(labels, count), 1).flatten()`` are the rows of such a batch.
    """

    def __call__(
        self, _dissimilarities: Tensor, same: Tensor, different: Tensor, /
    ) -> tuple[Tensor, Tensor]:
        """Keep two entries per pair: (2i, 2i+1) and (2i+1, 2i)."""
        row = torch.arange(same.shape[0], device=same.device)
        column = torch.arange(same.shape[1], device=same.device)
        partner = (row ^ 1).unsqueeze(1) == column
        return same & partner, different & partner


@dataclass(frozen=True)
class BalancedPairs:
    """Keeps as many different pairs as same ones, at random, with torch's global generator.

    In a batch of P classes with K samples each, there are about P times as many different pairs,
    which dominate an average over all pairs.
    """

    def __call__(
        self, _dissimilarities: Tensor, same: Tensor, different: Tensor, /
    ) -> tuple[Tensor, Tensor]:
        """Subsample the more frequent kind; without pairs of one kind, keep none."""
        count = int(min(same.sum(), different.sum()))
        return _sample(same, count), _sample(different, count)


def _sample(mask: Tensor, count: int) -> Tensor:
    """Keep ``count`` of the true entries."""
    entries = mask.flatten().nonzero().squeeze(1)
    chosen = entries[torch.randperm(len(entries), device=mask.device)[:count]]
    kept = torch.zeros_like(mask).flatten()
    kept[chosen] = True
    return kept.view_as(mask)


@dataclass(frozen=True)
class MultiSimilarityPairs:
    """Keeps negatives nearer than the farthest positive, and positives farther than the nearest
    negative, each with a tolerance ε.

    An anchor without positives keeps no negatives, and one without negatives keeps no positives.
    Source: Wang et al., arXiv 1904.06627, equations 11 and 12.

    Args:
        epsilon: ε, in the unit of the dissimilarity (usually 1 - cosine); at least 0.

    Raises:
        InputError: a negative ``epsilon``.
    """

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        check_number("epsilon", self.epsilon, least=0)

    def __call__(
        self, dissimilarities: Tensor, same: Tensor, different: Tensor, /
    ) -> tuple[Tensor, Tensor]:
        """Mine each row independently."""
        d = dissimilarities.detach()
        farthest = d.masked_fill(~same, -torch.inf).amax(dim=1, keepdim=True)
        nearest = d.masked_fill(~different, torch.inf).amin(dim=1, keepdim=True)
        return same & (d > nearest - self.epsilon), different & (d < farthest + self.epsilon)


def balanced_pairs(
    labels: Tensor, count: int, *, generator: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw ``count`` pairs of samples, half of one class and half of two, without listing pairs.

    Same pairs are drawn uniformly from all same pairs of the data, different ones from all
    different pairs, with replacement. The same pairs come first; there is one more of them if
    ``count`` is odd.

    Args:
        labels: int64 [N].
        count: number of pairs, at least 1.
        generator: of the random numbers; None: torch's global one.

    Returns:
        ``first`` and ``second``, positions in ``labels``, both int64 [count].

    Raises:
        InputError: no class has two samples, or there is only one class.

    Example:
        >>> import torch
        >>> from likewise.mining import balanced_pairs
        >>> labels = torch.tensor([7, 7, 3, 3, 5])
        >>> first, second = balanced_pairs(labels, 6)
        >>> (labels[first] == labels[second]).tolist()
        [True, True, True, False, False, False]
    """
    check_count("count", count)
    classes, sizes = labels.unique(return_counts=True)
    if len(classes) < 2 or int(sizes.max()) < 2:
        raise InputError(
            f"labels: {len(labels)} samples of {len(classes)} classes; pairs need two classes, "
            "and a class with two samples"
        )
    order = labels.argsort(stable=True)
    starts = sizes.cumsum(0) - sizes
    halves = (count - count // 2, count // 2)

    # A same pair: a class by its number of pairs, then two different places within it.
    cls = _draw(sizes * (sizes - 1), halves[0], generator)
    place = _below(sizes[cls], generator)
    other = _below(sizes[cls] - 1, generator)
    same = (starts[cls] + place, starts[cls] + other + (other >= place))

    # A different pair: a class by its pairs with all others, a sample of it, one outside of it.
    cls = _draw(sizes * (len(labels) - sizes), halves[1], generator)
    place = starts[cls] + _below(sizes[cls], generator)
    other = _below(len(labels) - sizes[cls], generator)
    different = (place, other + (other >= starts[cls]) * sizes[cls])

    first, second = (order[torch.cat(sides)] for sides in zip(same, different, strict=True))
    return first, second


def _draw(weights: Tensor, count: int, generator: Generator | None) -> Tensor:
    """``count`` positions, drawn with probabilities proportional to the weights."""
    # Not torch.multinomial: that is limited to 2²⁴ categories.
    edges = weights.to(finest_float(weights.device)).cumsum(0)
    spots = edges[-1] * _uniform(count, weights, generator)
    return torch.searchsorted(edges, spots, right=True).clamp_(max=len(weights) - 1)


def _below(limits: Tensor, generator: Generator | None) -> Tensor:
    """Uniform integers from 0 to just below each limit."""
    spots = (limits * _uniform(len(limits), limits, generator)).long()
    return torch.minimum(spots, limits - 1)


def _uniform(count: int, like: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(
        count, generator=generator, device=like.device, dtype=finest_float(like.device)
    )
