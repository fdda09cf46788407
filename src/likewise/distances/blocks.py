"""Pairwise measures in blocks: bounded memory in the forward and the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

__all__ = ["BLOCK_BYTES", "blocks", "pairwise_in_blocks"]

BLOCK_BYTES = 16 * 2**20
"""Size of the intermediate results of one block: about that of a cache."""

Measure = Callable[..., Tensor]


def pairwise_in_blocks(measure: Measure, x: Tensor, y: Tensor, *parameters: Tensor) -> Tensor:
    """Apply ``measure(x [n, D], y [m, D], *parameters) -> [n, m]`` block by block.

    ``measure`` may hold a few [n, m, D] intermediate results. The backward pass recomputes each
    block, so only the result [N, M] is kept. It can be differentiated as often as ``measure``; with
    ``create_graph=True`` every block is kept.

    Args:
        measure: compares every row of one block with every row of another.
        x: [N, D].
        y: [M, D].
        parameters: further tensors that need a gradient, passed to ``measure`` unchanged.

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


def _pair_blocks(x: Tensor, y: Tensor) -> Iterator[tuple[slice, slice]]:
    """Pairs of rows of ``x`` and rows of ``y`` whose [n, m, D] fits in one block."""
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
        for rows, columns in _pair_blocks(x, y):
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
        again = torch.is_grad_enabled()  # the gradient will be differentiated again
        for rows, columns in _pair_blocks(x, y):
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
