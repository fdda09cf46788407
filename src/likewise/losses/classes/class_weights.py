"""The rows of class weights that a process owns: allocated, and drawn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from likewise.losses.classes.mapped_rows import mapped_zeros
from likewise.losses.classes.placement import Placement

__all__ = ["allocate_rows", "draw_rows", "mark_coalesced"]

# Rows are drawn in blocks of about this many numbers: what one process draws and drops.
_BLOCK_NUMBERS = 2**24


def allocate_rows(placement: Placement, classes: int, each: int, dim: int) -> nn.Parameter:
    """Weights [own·``each``, ``dim``] of the classes that this process owns, not filled."""
    span = placement.shard.span(classes)
    shape = ((span.stop - span.start) * each, dim)
    if placement.storage == "mmap" and placement.folder is not None:
        return nn.Parameter(mapped_zeros(placement.folder, shape, torch.get_default_dtype()))
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


def mark_coalesced(weight: Tensor) -> None:
    """Say of a sparse gradient that its rows are sorted and all different, if they are.

    Autograd forgets it, and whoever asks for a coalesced gradient would be given a copy.
    """
    grad = weight.grad
    if grad is not None and grad.is_sparse and not grad.is_coalesced():
        rows = grad._indices()[0]
        grad._coalesced_(bool((rows[1:] > rows[:-1]).all()))
