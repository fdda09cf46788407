"""Gradient clipping by the norm over all parameters and ranks."""

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
    """Scale the gradients of all parameters, so that their total norm is at most ``most``.

    A sparse gradient, as class sampling leaves it, counts with the rows that it holds.

    Args:
        parameters: with their gradients.
        most: the largest norm; 0 for no limit.
        split: the ``id`` of the parameters that are sharded by rows: their squares are summed over
            the ranks. All other gradients are the same on every rank.

    Returns:
        The norm before clipping, [], the same on all ranks. It is not finite if any gradient is
        not; then nothing is scaled.
    """
    replicated: list[Tensor] = []
    sharded: list[Tensor] = []
    device = torch.device("cpu")
    for parameter in parameters:
        device = parameter.device
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
        grad = parameter.grad._values() if parameter.grad.is_sparse else parameter.grad
        (sharded if id(parameter) in split else replicated).append(grad)
    norm = nn.utils.get_total_norm(replicated)
    if split:
        square = nn.utils.get_total_norm(sharded).to(device).square()
        dist.all_reduce(square)
        norm = (norm.to(device).square() + square).sqrt()
    gradients = replicated + sharded
    if most and gradients:
        factor = torch.where(norm.isfinite(), most / (norm + 1e-6), 1.0).clamp(max=1.0)
        torch._foreach_mul_(gradients, factor.to(gradients[0].device))
    return norm
