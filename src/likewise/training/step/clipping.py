"""The length of the gradient, and its largest allowed one."""

from __future__ import annotations

from collections.abc import Container, Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["clip_gradients"]


@torch.no_grad()
def clip_gradients(
    parameters: Iterable[Tensor], most: float, *, split: Container[int] = frozenset()
) -> Tensor:
    """Shorten the gradients of all parameters together to the length ``most``, 0 for no limit.

    Sparse gradients, as class sampling leaves them, count by the rows that they hold.

    Args:
        parameters: with their gradients.
        most: the greatest length.
        split: the ``id`` of parameters of which each process holds other rows: their squares are
            added up over the processes. All other gradients are the same on all.

    Returns:
        The length before, [], the same on all processes; not finite if any gradient is not. Then
        nothing is shortened.
    """
    alike: list[Tensor] = []
    own: list[Tensor] = []
    device = torch.device("cpu")
    for parameter in parameters:
        device = parameter.device
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
        grad = parameter.grad._values() if parameter.grad.is_sparse else parameter.grad
        (own if id(parameter) in split else alike).append(grad)
    norm = nn.utils.get_total_norm(alike)
    if split:
        square = nn.utils.get_total_norm(own).to(device).square()
        dist.all_reduce(square)
        norm = (norm.to(device).square() + square).sqrt()
    held = alike + own
    if most and held:
        factor = torch.where(norm.isfinite(), most / (norm + 1e-6), 1.0).clamp(max=1.0)
        torch._foreach_mul_(held, factor.to(held[0].device))
    return norm
