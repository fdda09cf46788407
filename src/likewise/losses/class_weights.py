"""The rows of class weights that a process owns: allocated, and drawn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from likewise.losses.placement import Placement

__all__ = ["allocate_rows", "draw_rows"]

# Rows are drawn in blocks of about this many numbers: what one process draws and drops.
_BLOCK_NUMBERS = 2**24


def allocate_rows(placement: Placement, classes: int, each: int, dim: int) -> nn.Parameter:
    """Weights [own·``each``, ``dim``] of the classes that this process owns, not filled."""
    span = placement.shard.span(classes)
    shape = ((span.stop - span.start) * each, dim)
    return nn.Parameter(torch.empty(shape))


@torch.no_grad()
def draw_rows(weight: Tensor, first: int, total: int, deviation: float) -> None:
    """Fill rows ``first`` and on, of ``total``, with normal numbers around 0.

    Every process draws all rows, block by block in one order, and keeps its own: what a class
    begins with does not depend on how many processes share the classes.
    """
    dim = weight.shape[1]
    step = max(16, _BLOCK_NUMBERS // dim // 16 * 16)
    last = first + len(weight)
    for start in range(0, total, step):
        stop = min(start + step, total)
        if first <= start and stop <= last:
            nn.init.normal_(weight[start - first : stop - first], std=deviation)
            continue
        drawn = torch.empty(stop - start, dim, dtype=weight.dtype, device=weight.device)
        nn.init.normal_(drawn, std=deviation)
        low, high = max(start, first), min(stop, last)
        if low < high:
            weight[low - first : high - first] = drawn[low - start : high - start]
