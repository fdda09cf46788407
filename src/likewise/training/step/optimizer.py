"""The optimiser of a recipe: AdamW or SGD over the weights of the network and of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.losses import Head, class_rows
from likewise.models.backbones.stages import stages_of
from likewise.training.recipe.name_patterns import matching
from likewise.training.recipe.recipe import HeadChoice, Optimizer
from likewise.training.step.row_optimizer import RowAdamW, RowSGD

__all__ = ["build_optimizer", "layer_rates"]

FUSED_DEVICES = ("cpu", "cuda", "mps")


def build_optimizer(
    choice: Optimizer, module: nn.Module, loss: nn.Module, head: HeadChoice | None = None
) -> torch.optim.Optimizer:
    """Build the optimiser of a recipe.

    Weight decay applies to matrices and kernels only, not to biases, normalisations and slopes.
    Class weights, centres and proxies of the loss are trained as well, with a learning rate of
    their own if the recipe names one; the layers of the network may have their own, too
    (:func:`layer_rates`). Class weights that are sampled, memory-mapped or kept with row-wise
    moments are updated row by row.

    Raises:
        InputError: row-wise moments under ``sgd``, or for a loss without class weights; a pattern
            of learning rates that matches no weight; Nesterov's momentum without momentum; a clip
            of the loss's weights for a loss without any.
    """
    _check(choice, loss)
    loss_lr = choice.loss_lr or choice.lr
    rows = _class_rows(choice, loss, head or HeadChoice())
    by_rows = {id(p) for p in rows}
    factors = layer_rates(choice, module)
    groups = _groups(choice, [(p, choice.lr * factors[n]) for n, p in module.named_parameters()])
    groups += _groups(choice, [(p, loss_lr) for p in loss.parameters() if id(p) not in by_rows])
    if rows:
        return _row_optimizer(choice, groups, rows, loss, head or HeadChoice())
    if choice.name == "sgd":
        return torch.optim.SGD(
            groups, lr=choice.lr, momentum=choice.momentum, nesterov=choice.nesterov
        )
    return torch.optim.AdamW(groups, lr=choice.lr, betas=choice.betas, eps=choice.eps)


def _check(choice: Optimizer, loss: nn.Module) -> None:
    if choice.name == "sgd" and choice.nesterov and not choice.momentum:
        raise InputError(
            "optimizer.nesterov: needs momentum; set optimizer.momentum=0.9, or leave it out"
        )
    if choice.loss_clip is not None and not any(p.requires_grad for p in loss.parameters()):
        raise InputError(
            "optimizer.loss_clip: this loss has no weights; leave it out, optimizer.clip is that "
            "of the network"
        )


def layer_rates(choice: Optimizer, module: nn.Module) -> dict[str, float]:
    """The factor of the learning rate of each parameter, by its name.

    The factor is ``layer_decay`` to the power of the number of stages between the parameter and
    the output (:func:`~likewise.models.backbones.stages.stages_of`; Clark et al., ELECTRA, arXiv
    2003.10555), times the factor of the first pattern in ``lr_scale`` that matches the name.

    Raises:
        InputError: a pattern of ``lr_scale`` matches no parameter.
    """
    stages = stages_of(module)
    last = max(stages.values(), default=0)
    factors = {name: choice.layer_decay ** (last - stage) for name, stage in stages.items()}
    scaled: set[str] = set()
    for pattern, factor in choice.lr_scale.items():
        for name in matching("optimizer.lr_scale", [pattern], factors):
            if name not in scaled:
                factors[name] *= factor
                scaled.add(name)
    return factors


def _groups(choice: Optimizer, rates: list[tuple[nn.Parameter, float]]) -> list[dict[str, Any]]:
    """Parameter groups by learning rate, the largest first; those with weight decay before others.

    A checkpoint relies on this order.
    """
    groups = []
    for lr in sorted({lr for _, lr in rates}, reverse=True):
        trained = [p for p, own in rates if own == lr and p.requires_grad]
        for decayed in (True, False):
            chosen = [p for p in trained if (p.ndim > 1) is decayed]
            if chosen:
                decay = choice.weight_decay if decayed else 0.0
                settings = {"lr": lr, "weight_decay": decay, "peak_lr": lr}
                # None leaves the choice to torch.
                groups.append({"params": chosen, **settings, "fused": _can_fuse(chosen) or None})
    return groups


def _can_fuse(parameters: Sequence[Tensor]) -> bool:
    """Whether torch has a fused step for these parameters, whose gradients are dense."""
    return all(p.is_floating_point() and p.device.type in FUSED_DEVICES for p in parameters)


def _class_rows(choice: Optimizer, loss: nn.Module, head: HeadChoice) -> list[nn.Parameter]:
    """The class weights that are updated row by row."""
    if head.sample == 1 and head.storage == "memory" and head.moments == "full":
        return []
    split = class_rows(loss)
    rows = [p for name, p in loss.named_parameters() if name in split and p.requires_grad]
    if head.moments == "row" and choice.name != "adamw":
        raise InputError(
            f"head.moments: row; {choice.name} keeps no second moment; choose optimizer.name=adamw "
            "or head.moments=full"
        )
    if head.moments == "row" and not split:
        raise InputError("head.moments: row; this loss has no class weights; leave it at full")
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
        return RowSGD(
            groups, choice.lr, momentum=choice.momentum, nesterov=choice.nesterov, folder=folder
        )
    return RowAdamW(
        groups, choice.lr, betas=choice.betas, eps=choice.eps, moments=head.moments, folder=folder
    )
