"""Reductions from logits to a loss per row, one block of classes after the other.

A reduction receives the logits of the other classes in blocks, keeps a few numbers per row, and
then gives the loss of each row and its derivative with respect to any logit. The numbers kept (a
largest logit and a sum) can be merged over blocks and over ranks.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from likewise.losses.classes.shard import Shard

__all__ = ["CrossEntropy", "Logistic", "Reduction", "SmoothedCrossEntropy"]


class Reduction(Protocol):
    """Losses of ``b`` rows from their target logits [b] and blocks of other logits [b, J].

    In a block, the entry of a row's own class is ``-inf`` and has no effect.
    """

    def add(self, logits: Tensor) -> None:
        """Add one block; its memory may be overwritten."""

    def merge(self, shard: Shard) -> None:
        """Merge with the other ranks, after every block was added."""

    def losses(self) -> Tensor:
        """The loss of each row [b], after every block was added."""

    def target_slope(self) -> Tensor:
        """Derivative of each row's loss with respect to its target logit, [b]."""

    def slope_(self, logits: Tensor) -> Tensor:
        """Derivative of each row's loss with respect to the logits of a block, in place."""


class CrossEntropy:
    """``-log softmax``: with ``L`` the log-sum-exp of the others, ``log(1 + e^(L - target))``.

    This form keeps its precision when the target dominates, where ``logsumexp - target`` would
    cancel to zero.
    """

    def __init__(self, target: Tensor) -> None:
        self.target = target
        # Starting from the target keeps the largest logit finite if there is no other class.
        self.largest = target.clone()
        self.sum = torch.zeros_like(target)

    def add(self, logits: Tensor) -> None:
        """Merge a block into the running maximum and sum."""
        largest = torch.maximum(self.largest, logits.amax(1))
        self.sum *= (self.largest - largest).exp_()
        self.sum += logits.sub_(largest[:, None]).exp_().sum(1)
        self.largest = largest

    def merge(self, shard: Shard) -> None:
        """Rescale the sums of all ranks to the largest logit, and add them up."""
        if shard.processes == 1:
            return
        largest = shard.max_(self.largest.clone())
        self.sum *= (self.largest - largest).exp_()
        self.sum = shard.sum_(self.sum)
        self.largest = largest

    def _lead(self) -> Tensor:
        # Subtract the large logits first: adding the logarithm before would lose its digits.
        return (self.target - self.largest) - self.sum.log()

    def losses(self) -> Tensor:
        """``-log p(target)`` of each row."""
        return -F.logsigmoid(self._lead())

    def target_slope(self) -> Tensor:
        """``p(target) - 1``."""
        return -torch.sigmoid(-self._lead())

    def slope_(self, logits: Tensor) -> Tensor:
        """``p(class)``."""
        total = self.sum + (self.target - self.largest).exp()
        return logits.sub_(self.largest[:, None]).exp_().div_(total[:, None])


class SmoothedCrossEntropy(CrossEntropy):
    """Cross-entropy with smoothed labels: each of the J classes gets ε/J, and the own 1-ε more.

    It is the cross-entropy plus ``ε·(target - mean)``, with the mean of the J logits of the row.
    """

    def __init__(self, target: Tensor, smoothing: float) -> None:
        super().__init__(target)
        self.smoothing = smoothing
        self.total = torch.zeros_like(target)  # of the other logits
        self.classes = torch.zeros_like(target)

    def add(self, logits: Tensor) -> None:
        """Also add up the logits of the other classes, and count all."""
        self.total += logits.masked_fill(logits == -torch.inf, 0).sum(1)
        self.classes += logits.shape[1]
        super().add(logits)

    def merge(self, shard: Shard) -> None:
        """Also add up the sums and the counts of all ranks."""
        super().merge(shard)
        self.total, self.classes = shard.sum_(torch.stack([self.total, self.classes]))

    def losses(self) -> Tensor:
        """The smoothed loss of each row."""
        mean = (self.target + self.total) / self.classes
        return super().losses() + self.smoothing * (self.target - mean)

    def target_slope(self) -> Tensor:
        """``p(target) - 1 + ε - ε/J``."""
        return super().target_slope() + self.smoothing * (1 - 1 / self.classes)

    def slope_(self, logits: Tensor) -> Tensor:
        """``p(class) - ε/J``."""
        own = logits == -torch.inf
        slope = super().slope_(logits).sub_((self.smoothing / self.classes)[:, None])
        return slope.masked_fill_(own, 0)


class Logistic:
    """One binary decision per class: ``positive·log(1+e^-target) + negative·Σ log(1+e^other)``."""

    def __init__(self, target: Tensor, *, positive: float = 1.0, negative: float = 1.0) -> None:
        self.target = target
        self.positive = positive
        self.negative = negative
        self.sum = torch.zeros_like(target)

    def add(self, logits: Tensor) -> None:
        """Sum ``log(1 + e^other)`` over a block."""
        self.sum -= F.logsigmoid(-logits).sum(1)

    def merge(self, shard: Shard) -> None:
        """Add up the sums of all ranks."""
        self.sum = shard.sum_(self.sum)

    def losses(self) -> Tensor:
        """The weighted sum of all decisions of each row."""
        return self.negative * self.sum - self.positive * F.logsigmoid(self.target)

    def target_slope(self) -> Tensor:
        """``-positive·σ(-target)``."""
        return -self.positive * torch.sigmoid(-self.target)

    def slope_(self, logits: Tensor) -> Tensor:
        """``negative·σ(other)``."""
        return logits.sigmoid_().mul_(self.negative)
