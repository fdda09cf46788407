"""Classes shared out over processes: each owns a contiguous stretch of the class weights.

A head on one process of P is given the embeddings of all (see
:mod:`likewise.losses.wrappers.gather`), compares them with its own C/P classes, and exchanges a few
numbers a row: the cosine of the row's own class, the largest logit and a sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from likewise.errors import InputError

__all__ = ["Shard", "class_rows"]


@dataclass(frozen=True)
class Shard:
    """Which share of the classes this process owns, and with whom it exchanges numbers.

    Args:
        rank: of this process, from 0.
        processes: how many share the classes.
        group: their process group; the default one if None.

    Raises:
        InputError: a rank that is not one of the processes.

    Example:
        >>> from likewise.losses import Shard
        >>> [Shard(rank, 3).span(10) for rank in range(3)]
        [slice(0, 4, None), slice(4, 7, None), slice(7, 10, None)]
    """

    rank: int = 0
    processes: int = 1
    group: dist.ProcessGroup | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.processes:
            raise InputError(
                f"rank: {self.rank}; with {self.processes} processes it is from 0 to "
                f"{self.processes - 1}"
            )

    def span(self, num_classes: int) -> slice:
        """The classes of this process; sizes differ by at most one, the first are the larger.

        Raises:
            InputError: there are more processes than classes.
        """
        if num_classes < self.processes:
            raise InputError(
                f"processes: {self.processes}; {num_classes} classes cannot be shared out over "
                f"more than {num_classes}"
            )
        size, more = divmod(num_classes, self.processes)
        start = self.rank * size + min(self.rank, more)
        return slice(start, start + size + (self.rank < more))

    def sum_(self, numbers: Tensor) -> Tensor:
        """Add up ``numbers`` over the processes, in place."""
        if self.processes > 1:
            dist.all_reduce(numbers, dist.ReduceOp.SUM, group=self.group)
        return numbers

    def max_(self, numbers: Tensor) -> Tensor:
        """Take the largest of ``numbers`` over the processes, in place."""
        if self.processes > 1:
            dist.all_reduce(numbers, dist.ReduceOp.MAX, group=self.group)
        return numbers

    def partial(self, x: Tensor) -> Tensor:
        """``x`` as it is, for work of which each process does its share.

        Its gradient is multiplied by the number of processes: gathered embeddings and parameters
        that all hold alike have their gradients *averaged* in the end, and an average of shares,
        each times P, is their sum.
        """
        return x if self.processes == 1 else cast(Tensor, _Partial.apply(x, self.processes))


class _Partial(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, processes: int) -> Tensor:
        ctx.processes = processes
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.processes, None


@runtime_checkable
class ShardedByClass(Protocol):
    """A module that holds only the rows of its own classes."""

    def own_class_rows(self) -> dict[str, tuple[int, int]]:
        """Of each tensor that is split: its first row among those of all classes, and all."""


def class_rows(loss: nn.Module) -> dict[str, tuple[int, int]]:
    """Which tensors of ``loss.state_dict()`` are split by class.

    Returns:
        For each such name the first global row that is held here, and the number of rows of all
        processes together. The sizes of all stretches follow from :meth:`Shard.span`.

    Example:
        >>> from likewise.losses import Placement, Shard, class_rows, create_loss
        >>> second = Placement(shard=Shard(1, 2))
        >>> loss = create_loss("arcface", num_classes=9, embedding_dim=4, placement=second)
        >>> loss.weight.shape, class_rows(loss)
        (torch.Size([4, 4]), {'weight': (5, 9)})
    """
    found = {}
    for prefix, module in loss.named_modules():
        if isinstance(module, ShardedByClass):
            for name, rows in module.own_class_rows().items():
                found[f"{prefix}.{name}" if prefix else name] = rows
    saved = loss.state_dict().keys()  # a head without weights of its own saves none
    return {name: rows for name, rows in found.items() if name in saved}
