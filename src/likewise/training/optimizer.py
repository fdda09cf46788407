"""The optimiser over the network's weights and the loss's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from likewise.training.fusing import can_fuse
from likewise.training.recipe import Optimizer

__all__ = ["build_optimizer"]


def build_optimizer(choice: Optimizer, module: nn.Module, loss: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of a recipe.

    Weight decay pulls matrices and kernels only: on biases, normalisations and slopes it would
    not regularise but bias. Class weights, centres and proxies of the loss are parameters like
    any other (forgetting them is the classic mistake), with a learning rate of their own if named.
    """
    loss_lr = choice.loss_lr or choice.lr
    groups: list[dict[str, Any]] = []
    for part, lr in ((module, choice.lr), (loss, loss_lr)):
        trained = [p for p in part.parameters() if p.requires_grad]
        for decayed in (True, False):
            chosen = [p for p in trained if (p.ndim > 1) is decayed]
            if chosen:
                decay = choice.weight_decay if decayed else 0.0
                settings = {"lr": lr, "weight_decay": decay, "peak_lr": lr}
                # None leaves the choice to torch.
                groups.append({"params": chosen, **settings, "fused": can_fuse(chosen) or None})
    if choice.name == "sgd":
        return torch.optim.SGD(groups, lr=choice.lr, momentum=choice.momentum)
    return torch.optim.AdamW(groups, lr=choice.lr)
