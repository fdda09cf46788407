"""The state of the random number generators of a process."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["random_state", "restore_random_state"]


def random_state() -> dict[str, Tensor]:
    """The state of torch's generators, on the CPU and on the GPU."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_state(states: dict[str, Tensor]) -> None:
    """Set the state that ``random_state`` returned."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
