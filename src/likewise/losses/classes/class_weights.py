"""Allocation and initialisation of the class weights that a rank owns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from likewise.losses.classes.mapped_rows import mapped_zeros
from likewise.losses.classes.placement import Placement

__all__ = ["allocate_rows", "draw_rows", "mark_coalesced"]

# Rows are drawn in blocks of about this many numbers, of which a rank keeps its own rows.
_BLOCK_NUMBERS = 2**24


def allocate_rows(placement: Placement, classes: int, each: int, dim: int) -> nn.Parameter:
    """Uninitialised weights [own·``each``, ``dim``] of the classes that this rank owns."""
    span = placement.shard.span(classes)
    shape = ((span.stop - span.start) * each, dim)
    if placement.storage == "mmap" and placement.folder is not None:
        return nn.Parameter(mapped_zeros(placement.folder, shape, torch.get_default_dtype()))
    return nn.Parameter(torch.empty(shape))


@torch.no_grad()
def draw_rows(weight: Tensor, first: int, total: int, deviation: float) -> None:
    """Initialise the rows from ``first`` on, of ``total`` rows, with normal numbers around 0.

    Every rank draws all rows, block by block in the same order, and keeps its own: the initial
    weights of a class do not depend on the number of ranks.
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
    """Mark a sparse gradient as coalesced if its rows are sorted and unique.

    Autograd loses this mark, and ``coalesce`` would copy the gradient.
    """
    grad = weight.grad
    if grad is not None and grad.is_sparse and not grad.is_coalesced():
        rows = grad._indices()[0]
        grad._coalesced_(bool((rows[1:] > rows[:-1]).all()))
