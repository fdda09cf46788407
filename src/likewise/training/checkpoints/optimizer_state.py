"""The state of an optimiser as named tensors, by the parameter that each belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["named_parameters", "optimizer_tensors", "restore_optimizer"]


def named_parameters(network: nn.Module, loss: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of both, as ``network.fc.weight`` and ``loss.weight``."""
    parts = {"network": network, "loss": loss}
    return {
        f"{part}.{name}": parameter
        for part, module in parts.items()
        for name, parameter in module.named_parameters()
    }


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, names: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The state of every parameter, as ``network.fc.weight/exp_avg``."""
    return {
        f"{name}/{key}": torch.as_tensor(value).detach()
        for name, parameter in names.items()
        for key, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    names: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
) -> None:
    """The inverse of ``optimizer_tensors``.

    Raises:
        KeyError: a tensor belongs to no parameter of the optimiser.
    """
    listed = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = {id(parameter): number for number, parameter in enumerate(listed)}
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        name, _, value = key.rpartition("/")
        state.setdefault(numbers[id(names[name])], {})[value] = tensor
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
