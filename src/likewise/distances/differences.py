"""Norms of differences, computed pair by pair, for which no matrix product exists."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["norm", "pairwise_norm"]


def pairwise_norm(x: Tensor, y: Tensor, *, p: float) -> Tensor:
    """``norm(x_i - y_j)``: [n, D], [m, D] -> [n, m]."""
    if p in (1, math.inf) and not torch.is_grad_enabled():
        # No power can overflow and no gradient is needed: torch's kernel avoids [n, m, D].
        return torch.cdist(x, y, p=p)
    return norm(x.unsqueeze(1) - y.unsqueeze(0), p)


def norm(difference: Tensor, p: float) -> Tensor:
    """The p-norm over the last dimension, [..., D] -> [...]; the subgradient at 0 is 0."""
    length: Tensor
    if p in (1, math.inf):
        length = torch.linalg.vector_norm(difference, ord=p, dim=-1)
        return length
    # A norm is homogeneous: dividing by a constant scale changes neither value nor gradient.
    scale = difference.detach().abs().amax(dim=-1, keepdim=True)
    scale = scale.masked_fill(scale == 0, 1)
    length = torch.linalg.vector_norm(difference / scale, ord=p, dim=-1)
    return length * scale.squeeze(-1)
