"""The state of the optimiser in the memory format of its parameters."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["match_memory_format"]


@torch.no_grad()
def match_memory_format(optimizer: torch.optim.Optimizer) -> None:
    """Give the state of the optimiser the memory format of its parameters.

    A fused step runs over memory, not over indices. Moments loaded from a file are contiguous; with
    weights in channels last they would silently be applied to the wrong weights.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            fits = isinstance(value, Tensor) and value.shape == parameter.shape
            if fits and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
