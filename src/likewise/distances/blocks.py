"""Pairwise measures in blocks: memory bounded forwards and backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["BLOCK_BYTES", "blocks", "pairwise_in_blocks"]

BLOCK_BYTES = 16 * 2**20
"""The size of one block of intermediate results: near a cache, far from any memory limit."""

Measure = Callable[..., Tensor]


def pairwise_in_blocks(measure: Measure, x: Tensor, y: Tensor, *parameters: Tensor) -> Tensor:
    """Apply ``measure(x [n, D], y [m, D], *parameters) -> [n, m]`` block by block.

    ``measure`` may hold some [n, m, D] intermediates. The backward pass computes each block again
    instead of keeping it, so only the result [N, M] outlives the call. It can be differentiated
    as often as ``measure``; but where a graph of the gradient is asked for, every block is kept.

    Args:
        measure: compares every row of one block with every row of another.
        x: [N, D].
        y: [M, D].
        parameters: further tensors that the gradient should reach, passed on as they are.

    Returns:
        [N, M].
    """
    result: Tensor = _InBlocks.apply(measure, x, y, *parameters)
    return result


def blocks(rows: int, bytes_per_row: int) -> Iterator[slice]:
    """Cut ``rows`` into slices of at most ``BLOCK_BYTES``, at least one row each."""
    step = max(1, BLOCK_BYTES // max(1, bytes_per_row))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _tiles(x: Tensor, y: Tensor) -> Iterator[tuple[slice, slice]]:
    """Rows of ``x`` times rows of ``y``, each tile's [n, m, D] within one block."""
    bytes_per_pair = x.shape[1] * x.element_size()
    for columns in blocks(len(y), bytes_per_pair):
        for rows in blocks(len(x), bytes_per_pair * (columns.stop - columns.start)):
            yield rows, columns


class _InBlocks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, measure: Measure, x: Tensor, y: Tensor, *parameters: Tensor) -> Tensor:
        ctx.measure = measure
        ctx.save_for_backward(x, y, *parameters)
        result = x.new_empty(len(x), len(y))
        for rows, columns in _tiles(x, y):
            result[rows, columns] = measure(x[rows], y[columns], *parameters)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, *parameters = ctx.saved_tensors
        inputs = (x, y, *parameters)
        needed = ctx.needs_input_grad[1:]
        totals = [
            torch.zeros_like(t) if need else None for t, need in zip(inputs, needed, strict=True)
        ]
        again = torch.is_grad_enabled()  # the gradient is to be differentiated in turn
        for rows, columns in _tiles(x, y):
            block = [x[rows], y[columns], *parameters]
            if not again:
                block = [t.detach().requires_grad_(n) for t, n in zip(block, needed, strict=True)]
            wanted = [t for t, need in zip(block, needed, strict=True) if need]
            with torch.enable_grad():
                value = ctx.measure(*block)
            found = iter(
                torch.autograd.grad(value, wanted, grad[rows, columns], create_graph=again)
            )
            whole = slice(None)
            parts = (rows, columns, *[whole] * len(parameters))
            for total, part in zip(totals, parts, strict=True):
                if total is not None:
                    total[part] += next(found)
        return None, *totals
