"""All-gather of rows over the ranks, with a gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from likewise.once_differentiable import once_differentiable, origin

__all__ = ["all_gather", "is_whole_batch", "whole_batch"]

_WHOLE: ContextVar[bool] = ContextVar("whole_batch", default=False)


@contextmanager
def whole_batch() -> Iterator[None]:
    """Losses called inside are given the batch of all ranks, already gathered."""
    token = _WHOLE.set(True)
    try:
        yield
    finally:
        _WHOLE.reset(token)


def is_whole_batch() -> bool:
    """Whether a loss called now is given the batch of all ranks, or there is only one rank."""
    return _WHOLE.get() or not dist.is_initialized() or dist.get_world_size() == 1


def all_gather(x: Tensor, *, group: dist.ProcessGroup | None = None) -> Tensor:
    """The rows of ``x`` [b, …] of all ranks, in the order of the ranks: [B, …].

    Ranks may have different numbers of rows. The gradient of this rank's rows is the sum of the
    gradients that all ranks compute for them.
    """
    if not dist.is_initialized() or dist.get_world_size(group) == 1:
        return x
    result: Tensor = _AllGather.apply(x, origin(x), group)
    return result


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, source: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        world, rank = dist.get_world_size(group), dist.get_rank(group)
        own = torch.tensor([len(x)], device=x.device)
        counts = [torch.empty_like(own) for _ in range(world)]
        dist.all_gather(counts, own, group=group)
        sizes = [int(count) for count in counts]

        # Parts are padded to the largest: collectives need equal shapes.
        padded = x.new_zeros(max(sizes), *x.shape[1:])
        padded[: len(x)] = x
        parts = [torch.empty_like(padded) for _ in range(world)]
        dist.all_gather(parts, padded, group=group)

        start = sum(sizes[:rank])
        ctx.origin, ctx.group, ctx.own = source, group, slice(start, start + len(x))
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    @once_differentiable("a loss over the batch of several processes")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        total = grad.contiguous().clone()
        dist.all_reduce(total, group=ctx.group)
        return total[ctx.own], None, None
