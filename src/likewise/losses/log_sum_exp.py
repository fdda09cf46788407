"""Sums of exponentials over chosen entries of a matrix, keeping one matrix for the gradient."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["log_one_plus_exp", "log_one_plus_sum_exp", "log_sum_exp"]


def log_sum_exp(x: Tensor, mask: Tensor) -> Tensor:
    """``log Σ_j e^{x_ij}`` over the entries in ``mask``: [B, M], bool [B, M] -> [B].

    A row without entries has the value -inf, and gradient zero. Differentiable once.
    """
    result: Tensor = _LogSumExp.apply(x, mask, False)
    return result


def log_one_plus_sum_exp(x: Tensor, mask: Tensor) -> Tensor:
    """``log(1 + Σ_j e^{x_ij})`` over the entries in ``mask``: [B, M], bool [B, M] -> [B].

    A row without entries has the value 0, and gradient zero. Differentiable once.
    """
    result: Tensor = _LogSumExp.apply(x, mask, True)
    return result


def log_one_plus_exp(x: Tensor) -> Tensor:
    """``log(1 + e^x)``, elementwise: 0, with gradient 0, at -inf."""
    # softplus turns linear at 20 unless told otherwise, which costs float64 half its digits.
    return F.softplus(x, threshold=40)


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, plus_one: bool) -> Tensor:
        shares = x.masked_fill(~mask, -torch.inf)
        top = shares.amax(dim=1, keepdim=True)
        top = top.clamp_(min=0) if plus_one else top.masked_fill_(top == -torch.inf, 0)
        total = shares.sub_(top).exp_().sum(dim=1, keepdim=True)
        if plus_one:
            total += (-top).exp()
        # Each entry's share of the sum is its derivative; an empty row has no shares.
        shares /= total.masked_fill(total == 0, 1)
        ctx.save_for_backward(shares)
        return (total.log() + top).squeeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (shares,) = ctx.saved_tensors
        return shares * grad.unsqueeze(1), None, None
