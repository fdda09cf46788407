"""The classes with which a rank compares a batch: the columns of its logits."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from likewise.losses.classes.shard import Shard

__all__ = ["Columns", "all_columns", "chosen_columns"]


@dataclass(frozen=True)
class Columns:
    """The classes that this rank compares with, and the column of each label.

    Args:
        count: number of classes.
        most: the largest number of classes of any rank; it sets the chunks of rows, which must be
            the same on all ranks.
        places: [B] int64: the column of each row's own class; outside ``[0, count)`` if the class
            belongs to another rank.
        chosen: [count] int64, sorted: the classes, counted from the first class of this rank; None
            if all its classes take part.
        sparse: whether the gradient of the weights is a sparse tensor over these classes.
        shard: the classes that this rank owns.
    """

    count: int
    most: int
    places: Tensor
    chosen: Tensor | None = None
    sparse: bool = False
    shard: Shard = field(default_factory=Shard)

    def here(self) -> Tensor | None:
        """The rows of the batch whose class belongs to this rank; None if all do."""
        if self.shard.processes == 1:
            return None
        return ((self.places >= 0) & (self.places < self.count)).nonzero()[:, 0]

    def everywhere(self, num_classes: int) -> int:
        """How many classes all ranks compare with, if each draws as many as this one."""
        return num_classes if self.chosen is None else self.count * self.shard.processes

    def weight_rows(self, each: int) -> Tensor | None:
        """The rows of the weights [own·``each``, D] that take part; None if all do."""
        return None if self.chosen is None else rows_of(self.chosen, each)


def rows_of(classes: Tensor, each: int) -> Tensor:
    """The weight rows of some classes, ``each`` contiguous rows per class."""
    if each == 1:
        return classes
    return (classes[:, None] * each + torch.arange(each, device=classes.device)).flatten()


def all_columns(labels: Tensor, num_classes: int, shard: Shard, *, sparse: bool) -> Columns:
    """Columns of every class that this rank owns."""
    span = shard.span(num_classes)
    places = labels - span.start if span.start else labels
    most = -(-num_classes // shard.processes)
    return Columns(span.stop - span.start, most, places, None, sparse, shard)


def chosen_columns(
    labels: Tensor, num_classes: int, shard: Shard, chosen: Tensor, most: int
) -> Columns:
    """Columns of the classes ``chosen`` [S], sorted; they include all labels of this rank."""
    own = labels - shard.span(num_classes).start
    place = torch.searchsorted(chosen, own).clamp_(max=len(chosen) - 1)
    places = torch.where(chosen[place] == own, place, -1)
    return Columns(len(chosen), most, places, chosen, True, shard)
