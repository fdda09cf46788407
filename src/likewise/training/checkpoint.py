"""Checkpoints: all that a run needs to continue exactly, in one safetensors file.

Nothing is pickled. Tensors are named by what they belong to (``network/…``, ``loss/…``,
``optimizer/3/exp_avg``, ``random/cpu``); plain values stand as JSON in the header.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from likewise.errors import InputError
from likewise.models.weights import read_tensors, write_tensors

__all__ = [
    "load_checkpoint",
    "optimizer_tensors",
    "random_state",
    "restore_optimizer",
    "restore_random_state",
    "save_checkpoint",
]

Parts = dict[str, dict[str, Tensor]]


def save_checkpoint(path: Path, parts: Parts, values: dict[str, Any]) -> None:
    """Write ``parts`` and ``values`` atomically: a crash leaves the checkpoint before.

    Raises:
        LikewiseError: the disk is full or the folder cannot be written.
    """
    named = {
        f"{part}/{name}": tensor
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }
    write_tensors(path, named, values)


def load_checkpoint(path: Path) -> tuple[Parts, dict[str, Any]]:
    """Read what ``save_checkpoint`` wrote.

    Raises:
        InputError: it is missing or damaged.
    """
    if not path.exists():
        raise InputError(f"{path}: no checkpoint to resume from; start without --resume")
    tensors, values = read_tensors(path)
    parts: Parts = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = tensor
    return parts, values


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of every parameter, by its number in the optimiser."""
    return {
        f"{number}/{name}": torch.as_tensor(value).clone()
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of ``optimizer_tensors``."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition("/")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def random_state() -> dict[str, Tensor]:
    """The state of torch's generators."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_state(states: dict[str, Tensor]) -> None:
    """The inverse of ``random_state``."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
