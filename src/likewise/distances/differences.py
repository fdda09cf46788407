"""Norms of differences, taken one by one: what no product of matrices can give."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["between", "norm"]


def between(x: Tensor, y: Tensor, *, p: float) -> Tensor:
    """``norm(x_i - y_j)``: [n, D], [m, D] -> [n, m]."""
    if p in (1, math.inf) and not torch.is_grad_enabled():
        # No power to overflow, and no gradient: torch's kernel needs no [n, m, D] at all.
        return torch.cdist(x, y, p=p)
    return norm(x.unsqueeze(1) - y.unsqueeze(0), p)


def norm(difference: Tensor, p: float) -> Tensor:
    """The p-norm over the last dimension, [..., D] -> [...]; torch's own subgradient at 0 is 0."""
    length: Tensor
    if p in (1, math.inf):
        length = torch.linalg.vector_norm(difference, ord=p, dim=-1)
        return length
    # A norm is homogeneous, so dividing by a constant scale changes neither value nor gradient.
    scale = difference.detach().abs().amax(dim=-1, keepdim=True)
    scale = scale.masked_fill(scale == 0, 1)
    length = torch.linalg.vector_norm(difference / scale, ord=p, dim=-1)
    return length * scale.squeeze(-1)
