"""The columns of one step: the classes that a process compares a batch with."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from likewise.losses.classes.shard import Shard

__all__ = ["Columns", "all_columns", "chosen_columns"]


@dataclass(frozen=True)
class Columns:
    """The classes that this process compares with, and where each label stands among them.

    Args:
        count: how many classes these are.
        most: how many any process may have; all cut their batches by it, in step.
        places: [B] int64: the column of each row's own class; outside ``[0, count)`` where it is
            another process's.
        chosen: [count] int64, sorted: the classes, counted from the first of this process; None
            for all of them.
        sparse: whether the gradient of the weights is a sparse tensor over these classes.
        shard: which share of the classes this process owns.
    """

    count: int
    most: int
    places: Tensor
    chosen: Tensor | None = None
    sparse: bool = False
    shard: Shard = field(default_factory=Shard)

    def here(self) -> Tensor | None:
        """The rows of the batch whose class is this process's; None if all are."""
        if self.shard.processes == 1:
            return None
        return ((self.places >= 0) & (self.places < self.count)).nonzero()[:, 0]

    def everywhere(self, num_classes: int) -> int:
        """How many classes all processes compare with, if each draws as many as this one."""
        return num_classes if self.chosen is None else self.count * self.shard.processes

    def weight_rows(self, each: int) -> Tensor | None:
        """The rows of the weights [own·``each``, D] that take part; None for all of them."""
        return None if self.chosen is None else rows_of(self.chosen, each)


def rows_of(classes: Tensor, each: int) -> Tensor:
    """The weight rows of some classes: ``each`` lie together, [len(classes)·``each``]."""
    if each == 1:
        return classes
    return (classes[:, None] * each + torch.arange(each, device=classes.device)).flatten()


def all_columns(labels: Tensor, num_classes: int, shard: Shard, *, sparse: bool) -> Columns:
    """Every class that this process owns."""
    span = shard.span(num_classes)
    places = labels - span.start if span.start else labels
    most = -(-num_classes // shard.processes)
    return Columns(span.stop - span.start, most, places, None, sparse, shard)


def chosen_columns(
    labels: Tensor, num_classes: int, shard: Shard, chosen: Tensor, most: int
) -> Columns:
    """Some of its classes: ``chosen`` [S], sorted, with every one that a label names."""
    own = labels - shard.span(num_classes).start
    place = torch.searchsorted(chosen, own).clamp_(max=len(chosen) - 1)
    places = torch.where(chosen[place] == own, place, -1)
    return Columns(len(chosen), most, places, chosen, True, shard)
