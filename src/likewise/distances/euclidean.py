"""Pairwise Euclidean distances at the speed of a matrix product, without its cancellation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from likewise.distances.blocks import blocks

__all__ = ["pairwise_euclidean"]

# Below this fraction of ‖x‖²+‖y‖² the expansion ‖x‖²+‖y‖²-2<x,y> has lost two digits or more,
# and the difference is taken instead.
NEAR = 0.01


def pairwise_euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Distances ‖x_i - y_j‖ of ``x`` [N, D] and ``y`` [M, D]: [N, M], differentiable once.

    Equal rows have distance exactly 0, and there the subgradient 0.
    """
    result: Tensor = _Euclidean.apply(x, y)
    return result


class _Euclidean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        # Distances do not feel a shift, rounding does: the products are taken from the middle.
        middle = y.mean(dim=0) if len(y) else 0
        from_middle = x - middle, y - middle
        distances = _distances(x, y, *from_middle)
        ctx.save_for_backward(*from_middle, distances)
        return distances

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, y, distances = ctx.saved_tensors
        # ∂d/∂x = (x - y)/d, summed over the rows of y as two matrix products.
        pull = (grad / distances).masked_fill_(distances == 0, 0)
        grad_x = grad_y = None
        if ctx.needs_input_grad[0]:
            grad_x = (x * pull.sum(1, keepdim=True)).addmm_(pull, y, alpha=-1)
        if ctx.needs_input_grad[1]:
            grad_y = (y * pull.sum(0).unsqueeze(1)).addmm_(pull.T, x, alpha=-1)
        return grad_x, grad_y


def _distances(x: Tensor, y: Tensor, x_middle: Tensor, y_middle: Tensor) -> Tensor:
    squares_x, squares_y = x_middle.square().sum(1, keepdim=True), y_middle.square().sum(1)
    result = x.new_empty(len(x), len(y))
    for rows in blocks(len(x), len(y) * x.element_size()):
        scale = squares_x[rows] + squares_y
        block = torch.addmm(scale, x_middle[rows], y_middle.T, alpha=-2, out=result[rows])
        near = block < scale.mul_(NEAR)
        first, second = near.nonzero(as_tuple=True)
        if len(first) > near.numel() // 8:  # tight clusters: pair by pair costs more than all
            block.copy_(
                torch.cdist(x[rows], y, compute_mode="donot_use_mm_for_euclid_dist").square_()
            )
        else:
            for part in blocks(len(first), x.shape[1] * x.element_size()):
                difference = x[rows][first[part]] - y[second[part]]
                block[first[part], second[part]] = difference.square_().sum(1)
        block.sqrt_()
    return result
