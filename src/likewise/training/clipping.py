"""Gradients cut to a length, whether they are dense, sparse, or shared out over processes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["clip_gradients"]


@torch.no_grad()
def clip_gradients(
    parameters: Iterable[nn.Parameter], limit: float, *, split: frozenset[int] = frozenset()
) -> Tensor:
    """Scale all gradients so that their common length is at most ``limit``.

    Args:
        parameters: with their gradients.
        limit: the greatest length.
        split: the ``id`` of parameters of which each process holds other rows: the squares of
            their gradients are added up over the processes. All others are the same on all.

    Returns:
        The length before, a scalar, the same on all processes.
    """
    alike: list[Tensor] = []
    own: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is not None:
            grad = parameter.grad
            if grad.is_sparse:
                # In place: coalescing would make the values anew, and lose the scaling.
                grad = parameter.grad = grad.coalesce()
                grad = grad._values()
            (own if id(parameter) in split else alike).append(grad)
    if not alike and not own and not split:
        return torch.zeros(())
    device = (alike or own)[0].device if alike or own else torch.device("cpu")
    length = _length(alike, device)
    if split:
        square = _length(own, device).square()
        dist.all_reduce(square)
        length = (length.square() + square).sqrt()
    factor = (limit / (length + 1e-6)).clamp(max=1.0)
    for grad in alike + own:
        grad.mul_(factor.to(grad.device, grad.dtype))
    return length


def _length(tensors: list[Tensor], device: torch.device) -> Tensor:
    if not tensors:
        return torch.zeros((), device=device)
    lengths = torch._foreach_norm(tensors)
    return torch.linalg.vector_norm(torch.stack([length.to(device) for length in lengths]))
