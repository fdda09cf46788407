"""Pairwise Euclidean distances by a matrix product, without cancellation."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from likewise.distances.blocks import blocks, pairwise_in_blocks
from likewise.distances.differences import pairwise_norm

__all__ = ["pairwise_euclidean"]

# Below this fraction of ‖x‖²+‖y‖² the expansion ‖x‖²+‖y‖²-2<x,y> loses two digits or more, and
# the difference is computed instead.
NEAR = 0.01


def pairwise_euclidean(x: Tensor, y: Tensor) -> Tensor:
    """Distances ‖x_i - y_j‖ of ``x`` [N, D] and ``y`` [M, D]: [N, M].

    Equal rows have distance exactly 0, with subgradient 0. Distances and gradients of nearly equal
    rows keep their precision.
    """
    if not _squares_fit(x, y):
        return pairwise_in_blocks(partial(pairwise_norm, p=2), x, y)
    result: Tensor = _Euclidean.apply(x, y)
    return result


def _squares_fit(x: Tensor, y: Tensor) -> bool:
    """Whether sums of squares can neither overflow nor underflow."""
    ends = [torch.linalg.vector_norm(t.detach(), ord=torch.inf) for t in (x, y) if t.numel()]
    largest = float(torch.stack(ends).max()) if ends else 1.0
    limits = torch.finfo(x.dtype)
    # Upper bound: the sum of 2²² squares is finite. Lower: a millionth of the largest is not zero.
    return largest == 0 or limits.tiny**0.5 * 1e6 < largest < limits.max**0.5 / 2**12


class _Euclidean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        distances = _distances(x, y, *_centered(x, y))
        ctx.save_for_backward(x, y, distances)
        return distances

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, y, distances = ctx.saved_tensors
        x_centered, y_centered = _centered(x, y)
        # ∂d/∂x = (x - y)/d, summed over the rows of y as two matrix products.
        equal = distances == 0
        pull = (grad / distances.masked_fill(equal, 1)).masked_fill(equal, 0)
        near = _near(x_centered, y_centered, distances) & (pull != 0)
        far = pull.masked_fill(near, 0)
        grad_x = grad_y = None
        if ctx.needs_input_grad[0]:
            grad_x = (x_centered * far.sum(1, keepdim=True)).addmm_(far, y_centered, alpha=-1)
        if ctx.needs_input_grad[1]:
            grad_y = (y_centered * far.sum(0).unsqueeze(1)).addmm_(far.T, x_centered, alpha=-1)
        first, second = near.nonzero(as_tuple=True)
        for part in blocks(len(first), x.shape[1] * x.element_size()):
            i, j = first[part], second[part]
            step = (x[i] - y[j]) * pull[i, j].unsqueeze(1)
            if grad_x is not None:
                grad_x.index_add_(0, i, step)
            if grad_y is not None:
                grad_y.index_add_(0, j, step, alpha=-1)
        return grad_x, grad_y


def _centered(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both minus the mean of ``y``: distances do not change, but rounding errors get smaller."""
    mean = y.detach().mean(dim=0) if len(y) else 0
    return x - mean, y - mean


@torch.no_grad()
def _near(x: Tensor, y: Tensor, distances: Tensor) -> Tensor:
    """Where sums over x and y would cancel, bool [N, M]: there differences are computed."""
    squares_x, squares_y = x.square().sum(1, keepdim=True), y.square().sum(1)
    near = torch.empty_like(distances, dtype=torch.bool)
    for rows in blocks(len(x), len(y) * x.element_size()):
        torch.lt(distances[rows].square(), (squares_x[rows] + squares_y).mul_(NEAR), out=near[rows])
    return near


def _distances(x: Tensor, y: Tensor, x_centered: Tensor, y_centered: Tensor) -> Tensor:
    squares_x, squares_y = x_centered.square().sum(1, keepdim=True), y_centered.square().sum(1)
    result = x.new_empty(len(x), len(y))
    for rows in blocks(len(x), len(y) * x.element_size()):
        scale = squares_x[rows] + squares_y
        block = torch.addmm(scale, x_centered[rows], y_centered.T, alpha=-2, out=result[rows])
        near = block < scale.mul_(NEAR)
        first, second = near.nonzero(as_tuple=True)
        if len(first) > near.numel() // 8:  # tight clusters: all differences at once are cheaper
            block.copy_(
                torch.cdist(x[rows], y, compute_mode="donot_use_mm_for_euclid_dist").square_()
            )
        else:
            for part in blocks(len(first), x.shape[1] * x.element_size()):
                difference = x[rows][first[part]] - y[second[part]]
                block[first[part], second[part]] = difference.square_().sum(1)
        block.sqrt_()
    return result
