"""From logits to a loss per row, block of classes by block of classes.

A reduction sees the logits of the other classes in pieces, keeps a few numbers a row, and then
gives the loss of each row and its derivative by any logit. Pieces may come from column blocks or
from other processes: what is kept (a largest logit and a sum) can be merged.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from likewise.losses.classes.shard import Shard

__all__ = ["CrossEntropy", "Logistic", "Reduction"]


class Reduction(Protocol):
    """Losses of ``b`` rows from their target logits [b] and blocks of other logits [b, J].

    In a block the entry of a row's own class is ``-inf``: it counts for nothing.
    """

    def add(self, logits: Tensor) -> None:
        """Take in one block; its memory may be overwritten."""

    def merge(self, shard: Shard) -> None:
        """Take in what the other processes kept, once every block was added."""

    def losses(self) -> Tensor:
        """The loss of each row [b], once every block was added."""

    def target_slope(self) -> Tensor:
        """Derivative of each row's loss by its target logit, [b]."""

    def slope_(self, logits: Tensor) -> Tensor:
        """Derivative of each row's loss by the logits of a block, written over them."""


class CrossEntropy:
    """``-log softmax``: with ``L`` the log-sum-exp of the others, ``log(1 + e^(L - target))``.

    Written in this form the loss keeps its digits when the target dominates, where
    ``logsumexp - target`` would cancel to zero.
    """

    def __init__(self, target: Tensor) -> None:
        self.target = target
        # Starting from the target keeps the largest finite when there is no other class.
        self.largest = target.clone()
        self.sum = torch.zeros_like(target)

    def add(self, logits: Tensor) -> None:
        """Merge a block into the running maximum and sum."""
        largest = torch.maximum(self.largest, logits.amax(1))
        self.sum *= (self.largest - largest).exp_()
        self.sum += logits.sub_(largest[:, None]).exp_().sum(1)
        self.largest = largest

    def merge(self, shard: Shard) -> None:
        """Bring all sums under the largest logit of all, and add them up."""
        if shard.processes == 1:
            return
        largest = shard.max_(self.largest.clone())
        self.sum *= (self.largest - largest).exp_()
        self.sum = shard.sum_(self.sum)
        self.largest = largest

    def _lead(self) -> Tensor:
        # Differences of large logits first: of their sum with a logarithm little would be left.
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
        """Add the sums up."""
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
