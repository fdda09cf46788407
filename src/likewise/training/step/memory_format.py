"""Channels last: the memory layout in which most convolutions run fastest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["layout_for", "match_layout"]

WIDE = 128  # channels: below, the convolutions of a CPU gain nothing (benchmarks/training.py)


def layout_for(module: nn.Module, wanted: bool | None, device: torch.device) -> torch.memory_format:
    """The layout for a network and its images.

    Args:
        module: the network.
        wanted: channels last, or not, or None for: where it pays. That is on a GPU, whose matrix
            units want it, and on a CPU where the convolutions are wide.
        device: where it runs.
    """
    if wanted is None:
        kernels = [m.weight for m in module.modules() if isinstance(m, nn.Conv2d)]
        widest = max((len(kernel) for kernel in kernels), default=0)
        wanted = widest > 0 if device.type == "cuda" else device.type == "cpu" and widest >= WIDE
    return torch.channels_last if wanted else torch.contiguous_format


@torch.no_grad()
def match_layout(optimizer: torch.optim.Optimizer) -> None:
    """Give the optimiser's state the layout of its parameters.

    A fused step runs over memory, not over indices: moments that came from a file, row by row,
    beside weights in channels last would be added to the wrong weights, without a word.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            fits = isinstance(value, Tensor) and value.shape == parameter.shape
            if fits and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
