"""The optimiser over the network's weights and the loss's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from likewise.errors import InputError
from likewise.losses import Head, class_rows
from likewise.training.recipe.recipe import HeadChoice, Optimizer
from likewise.training.step.fusing import can_fuse
from likewise.training.step.layer_rates import layer_rates
from likewise.training.step.row_optimizer import RowAdamW, RowSGD

__all__ = ["build_optimizer"]


def build_optimizer(
    choice: Optimizer, module: nn.Module, loss: nn.Module, head: HeadChoice | None = None
) -> torch.optim.Optimizer:
    """The optimiser of a recipe.

    Weight decay pulls matrices and kernels only: on biases, normalisations and slopes it would
    not regularise but bias. Class weights, centres and proxies of the loss are parameters like
    any other (forgetting them is the classic mistake), with a learning rate of their own if named.
    The network's layers may have learning rates of their own (``layer_rates``).
    Class weights that are sampled, memory-mapped or kept with row-wise moments move row by row.

    Raises:
        InputError: row-wise moments under ``sgd``, or for a loss without class weights; a pattern
            of learning rates that fits no weight.
    """
    loss_lr = choice.loss_lr or choice.lr
    rows = _class_rows(choice, loss, head or HeadChoice())
    apart = {id(p) for p in rows}
    factors = layer_rates(choice, module)
    groups = _groups(choice, [(p, choice.lr * factors[n]) for n, p in module.named_parameters()])
    groups += _groups(choice, [(p, loss_lr) for p in loss.parameters() if id(p) not in apart])
    if rows:
        return _row_optimizer(choice, groups, rows, loss, head or HeadChoice())
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
                settings = {"lr": lr, "weight_decay": decay, "peak_lr": lr}
                # None leaves the choice to torch.
                groups.append({"params": chosen, **settings, "fused": can_fuse(chosen) or None})
    return groups


def _class_rows(choice: Optimizer, loss: nn.Module, head: HeadChoice) -> list[nn.Parameter]:
    """The class weights that move row by row."""
    if head.sample == 1 and head.storage == "memory" and head.moments == "full":
        return []
    split = class_rows(loss)
    rows = [p for name, p in loss.named_parameters() if name in split and p.requires_grad]
    if head.moments == "row" and choice.name != "adamw":
        raise InputError(
            f"head.moments: row; {choice.name} keeps no second moment: choose optimizer.name=adamw "
            "or head.moments=full"
        )
    if head.moments == "row" and not split:
        raise InputError("head.moments: row; this loss has no class weights: leave it at full")
    return rows


def _row_optimizer(
    choice: Optimizer,
    groups: list[dict[str, Any]],
    rows: list[nn.Parameter],
    loss: nn.Module,
    head: HeadChoice,
) -> torch.optim.Optimizer:
    lr = choice.loss_lr or choice.lr
    decay = {True: choice.weight_decay, False: 0.0}
    groups += [
        {"params": [p], "lr": lr, "weight_decay": decay[p.ndim > 1], "peak_lr": lr, "rows": True}
        for p in rows
    ]
    heads = (part for part in loss.modules() if isinstance(part, Head))
    mapped = (part.placement.folder for part in heads if part.placement.storage == "mmap")
    folder = next(mapped, None)
    if choice.name == "sgd":
        return RowSGD(groups, choice.lr, momentum=choice.momentum, folder=folder)
    return RowAdamW(groups, choice.lr, moments=head.moments, folder=folder)
