"""Log-sum-exp over masked entries of a matrix; one matrix is kept for the backward pass."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["log_one_plus_exp", "log_one_plus_sum_exp", "log_sum_exp"]


def log_sum_exp(x: Tensor, mask: Tensor) -> Tensor:
    """``log Σ_j e^{x_ij}`` over the entries in ``mask``: [B, M], bool [B, M] -> [B].

    A row without entries has the value -inf, and gradient zero.
    """
    result, _ = cast(tuple[Tensor, Tensor], _LogSumExp.apply(x, mask, False))
    return result


def log_one_plus_sum_exp(x: Tensor, mask: Tensor) -> Tensor:
    """``log(1 + Σ_j e^{x_ij})`` over the entries in ``mask``: [B, M], bool [B, M] -> [B].

    A row without entries has the value 0, and gradient zero.
    """
    result, _ = cast(tuple[Tensor, Tensor], _LogSumExp.apply(x, mask, True))
    return result


def log_one_plus_exp(x: Tensor) -> Tensor:
    """``log(1 + e^x)``, elementwise: 0, with gradient 0, at -inf."""
    # By default softplus is linear from 20 on, which loses half of the digits of float64.
    return F.softplus(x, threshold=40)


class _LogSumExp(torch.autograd.Function):
    """The logarithms, and their derivatives: each entry's share of its sum.

    The shares are an output too, so that they can be differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, plus_one: bool) -> tuple[Tensor, Tensor]:
        shares = x.masked_fill(~mask, -torch.inf)
        top = shares.amax(dim=1, keepdim=True)
        top = top.clamp_(min=0) if plus_one else top.masked_fill_(top == -torch.inf, 0)
        total = shares.sub_(top).exp_().sum(dim=1, keepdim=True)
        if plus_one:
            total += (-top).exp()
        shares /= total.masked_fill(total == 0, 1)  # an empty row has no shares
        ctx.save_for_backward(shares)
        ctx.set_materialize_grads(False)  # the shares rarely have one
        return (total.log() + top).squeeze(1), shares

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor | None, by_shares: Tensor | None
    ) -> tuple[Tensor | None, None, None]:
        (shares,) = ctx.saved_tensors
        found = None if grad is None else shares * grad.unsqueeze(1)
        if by_shares is not None:  # ∂share_j/∂x_k = share_j (δ_jk - share_k)
            part = shares * by_shares
            part = part - shares * part.sum(dim=1, keepdim=True)
            found = part if found is None else found + part
        return found, None, None
