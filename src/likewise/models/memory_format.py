"""Channels last: the memory layout in which most convolutions run fastest."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["choose_memory_format"]

WIDE = 128  # channels; narrower convolutions gain nothing on a CPU (benchmarks/training.py)


def choose_memory_format(
    module: nn.Module, wanted: bool | None, device: torch.device
) -> torch.memory_format:
    """The memory format for a network and its images.

    Args:
        module: the network.
        wanted: channels last or not. None chooses it where it is faster: for any convolution on a
            GPU, and for wide ones on a CPU.
        device: of the network.
    """
    if wanted is None:
        kernels = [m.weight for m in module.modules() if isinstance(m, nn.Conv2d)]
        widest = max((len(kernel) for kernel in kernels), default=0)
        wanted = widest > 0 if device.type == "cuda" else device.type == "cpu" and widest >= WIDE
    return torch.channels_last if wanted else torch.contiguous_format
