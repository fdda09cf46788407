"""The optimiser over the network's weights and the loss's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from likewise.training.layer_rates import layer_rates
from likewise.training.recipe import Optimizer

__all__ = ["build_optimizer"]


def build_optimizer(
    choice: Optimizer, module: nn.Module, loss: nn.Module, *others: nn.Module
) -> torch.optim.Optimizer:
    """The optimiser of a recipe.

    Weight decay pulls matrices and kernels only: on biases, normalisations and slopes it would
    not regularise but bias. Class weights, centres and proxies of the loss are parameters like
    any other (forgetting them is the classic mistake), with a learning rate of their own if named.
    The network's layers may have learning rates of their own (``layer_rates``).

    Args:
        choice: of the recipe.
        module: the network.
        loss: the loss.
        others: what else is trained, at the network's peak learning rate.

    Raises:
        InputError: a pattern fits no weight.
    """
    factors = layer_rates(choice, module)
    groups = _groups(choice, [(p, choice.lr * factors[n]) for n, p in module.named_parameters()])
    for part, lr in ((loss, choice.loss_lr or choice.lr), *((part, choice.lr) for part in others)):
        groups += _groups(choice, [(p, lr) for p in part.parameters()])
    if choice.name == "sgd":
        return torch.optim.SGD(groups, lr=choice.lr, momentum=choice.momentum)
    return torch.optim.AdamW(groups, lr=choice.lr)


def _groups(choice: Optimizer, rates: list[tuple[nn.Parameter, float]]) -> list[dict[str, Any]]:
    """Parameter groups by learning rate, the largest first; decayed ones before the others."""
    groups = []
    for lr in sorted({lr for _, lr in rates}, reverse=True):
        trained = [p for p, own in rates if own == lr and p.requires_grad]
        for decayed in (True, False):
            chosen = [p for p in trained if (p.ndim > 1) is decayed]
            if chosen:
                decay = choice.weight_decay if decayed else 0.0
                groups.append({"params": chosen, "lr": lr, "weight_decay": decay, "peak_lr": lr})
    return groups
