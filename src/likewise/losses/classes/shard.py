"""Classes sharded over ranks: each rank owns a contiguous block of the class weights.

A head on one of P ranks receives the embeddings of all ranks (see
:mod:`likewise.losses.wrappers.gather`), compares them with its own C/P classes, and exchanges a few
numbers per row: the cosine of the row's own class, the largest logit and a sum.
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
    """The classes that this rank owns, and the process group with which it exchanges numbers.

    Args:
        rank: of this process, from 0.
        processes: the world size.
        group: the process group; None: the default one.

    Raises:
        InputError: a rank that is not below the world size.

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
                f"rank: {self.rank}; must be from 0 to {self.processes - 1} for "
                f"{self.processes} processes"
            )

    def span(self, num_classes: int) -> slice:
        """The classes of this rank; the first ranks may own one class more than the others.

        Raises:
            InputError: there are more processes than classes.
        """
        if num_classes < self.processes:
            raise InputError(
                f"processes: {self.processes}; {num_classes} classes cannot be sharded over more "
                f"than {num_classes}"
            )
        size, more = divmod(num_classes, self.processes)
        start = self.rank * size + min(self.rank, more)
        return slice(start, start + size + (self.rank < more))

    def sum_(self, numbers: Tensor) -> Tensor:
        """All-reduce ``numbers`` to their sum over the ranks, in place."""
        if self.processes > 1:
            dist.all_reduce(numbers, dist.ReduceOp.SUM, group=self.group)
        return numbers

    def max_(self, numbers: Tensor) -> Tensor:
        """All-reduce ``numbers`` to their maximum over the ranks, in place."""
        if self.processes > 1:
            dist.all_reduce(numbers, dist.ReduceOp.MAX, group=self.group)
        return numbers

    def partial(self, x: Tensor) -> Tensor:
        """``x`` unchanged, as input of work of which each rank does a part.

        The gradient is multiplied by the world size P: gradients of gathered embeddings and of
        replicated parameters are *averaged* over the ranks in the end, and the average of P times
        the parts is their sum.
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
    """A module that holds only the rows of the classes of its rank."""

    def own_class_rows(self) -> dict[str, tuple[int, int]]:
        """For each sharded tensor its first row among the rows of all classes, and their number."""


def class_rows(loss: nn.Module) -> dict[str, tuple[int, int]]:
    """The tensors of ``loss.state_dict()`` that are sharded by class.

    Returns:
        For each name the first global row held by this rank, and the number of rows of all ranks.
        The rows of each rank follow from :meth:`Shard.span`.

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
    saved = loss.state_dict().keys()  # a head in a PrototypeMemory saves none
    return {name: rows for name, rows in found.items() if name in saved}
