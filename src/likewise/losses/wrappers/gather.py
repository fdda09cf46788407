"""A loss over the batch of all processes, with the gradient that one process would have."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from likewise.losses.wrappers.sum import Anchors, Wrapper, apply
from likewise.once_differentiable import once_differentiable, origin

__all__ = ["Gathered", "gather", "is_whole_batch"]

_WHOLE: ContextVar[bool] = ContextVar("whole_batch", default=False)


class Gathered(Wrapper):
    """Any loss, computed on the embeddings of all processes together.

    Each process gives its share of the batch, in any size, and each gets the loss of the whole.
    Gradients are such that *averaging* the parameters' gradients over the processes, as
    DistributedDataParallel does, gives the gradient of the whole batch in one process; this holds
    for the model and for the loss's own weights. Without a process group, or with one process, it
    is the loss itself. Miners that draw at random draw on each process for itself.

    Args:
        loss: any loss module; a ``CrossBatchMemory`` too, which then remembers all shares.
        group: the process group; the default one if None.

    Inputs: embeddings [b, D], labels int64 [b], of this process; D is the same on all.

    Example:
        >>> import torch
        >>> from likewise.losses import Gathered, SupCon
        >>> loss = Gathered(SupCon())
        >>> value = loss(torch.randn(8, 4), torch.arange(8) // 2)
    """

    def __init__(self, loss: nn.Module, *, group: dist.ProcessGroup | None = None) -> None:
        super().__init__()
        self.loss = loss
        self.group = group

    def inner(self) -> Sequence[nn.Module]:
        """The loss."""
        return (self.loss,)

    def forward(self, embeddings: Tensor, labels: Tensor, anchors: Anchors = None) -> Tensor:
        """The loss of the whole batch, the same on every process.

        With ``anchors`` the other rows are memory, each process's its own.
        """
        if anchors is None:
            everyone, names = self._all(embeddings), self._all(labels)
        else:
            new = anchors if isinstance(anchors, int) else len(anchors)
            everyone = torch.cat([self._all(embeddings[:new]), self._all(embeddings[new:])])
            fresh = self._all(labels[:new])
            names = torch.cat([fresh, self._all(labels[new:])])
            anchors = len(fresh) if isinstance(anchors, int) else self._all(anchors)
        token = _WHOLE.set(True)
        try:
            return apply(self.loss, everyone, names, anchors)
        finally:
            _WHOLE.reset(token)

    def _all(self, x: Tensor) -> Tensor:
        return gather(x, group=self.group)


def is_whole_batch() -> bool:
    """Whether the loss at work is given the batch of all processes, or one process is alone."""
    return _WHOLE.get() or not dist.is_initialized() or dist.get_world_size() == 1


def gather(x: Tensor, *, group: dist.ProcessGroup | None = None) -> Tensor:
    """The rows of ``x`` [b, …] of all processes, in the order of their ranks: [B, …].

    Processes may have different numbers of rows. The gradient of this process's rows is the sum
    of what all processes derive by them.
    """
    if not dist.is_initialized() or dist.get_world_size(group) == 1:
        return x
    result: Tensor = _Gather.apply(x, origin(x), group)
    return result


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, source: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        world, rank = dist.get_world_size(group), dist.get_rank(group)
        own = torch.tensor([len(x)], device=x.device)
        counts = [torch.empty_like(own) for _ in range(world)]
        dist.all_gather(counts, own, group=group)
        sizes = [int(count) for count in counts]

        # Shares are padded to the largest: collectives want equal shapes.
        padded = x.new_zeros(max(sizes), *x.shape[1:])
        padded[: len(x)] = x
        shares = [torch.empty_like(padded) for _ in range(world)]
        dist.all_gather(shares, padded, group=group)

        start = sum(sizes[:rank])
        ctx.origin, ctx.group, ctx.own = source, group, slice(start, start + len(x))
        return torch.cat([share[:size] for share, size in zip(shares, sizes, strict=True)])

    @staticmethod
    @once_differentiable("a loss over the batch of several processes")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        total = grad.contiguous().clone()
        dist.all_reduce(total, group=ctx.group)
        return total[ctx.own], None, None
