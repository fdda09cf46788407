"""Activation checkpointing: blocks keep only their input, and recompute their activations."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from likewise.errors import InputError
from likewise.training.step.buffers import preserved_buffers

__all__ = ["blocks_of", "checkpoint_activations"]

LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def blocks_of(module: nn.Module) -> dict[str, nn.Module]:
    """The repeated blocks of a network, by name.

    A block is a member of a ``Sequential``, ``ModuleList`` or ``ModuleDict`` that contains at least
    two layers with weights and no smaller block: the residual blocks of IResNet and ResNets, the
    inverted residuals of MobileFaceNet, the layers of a transformer.

    Example:
        >>> from likewise.models.registry import Backbone, create_backbone
        >>> from likewise.training.step.activation_checkpointing import blocks_of
        >>> net = create_backbone(Backbone("iresnet18"), height=32, width=32)
        >>> list(blocks_of(net))[:3]
        ['layer1.0', 'layer1.1', 'layer2.0']
    """
    candidates = {
        f"{name}.{place}".lstrip("."): child
        for name, part in module.named_modules()
        if isinstance(part, LISTS)
        for place, child in part.named_children()
        if _layers(child) > 1
    }
    return {
        name: block
        for name, block in candidates.items()
        if not any(other.startswith(name + ".") for other in candidates)
    }


def _layers(module: nn.Module) -> int:
    """The number of layers with a matrix or a kernel."""
    return sum(any(p.ndim > 1 for p in part.parameters(False)) for part in module.modules())


def checkpoint_activations(module: nn.Module) -> int:
    """Drop the activations of each block of ``module``; the backward pass recomputes them.

    Memory falls to the inputs of all blocks and the activations of one, at the cost of one more
    forward pass. The gradients are the same: dropout draws the same masks again, and only the first
    pass updates running statistics. In evaluation nothing changes. (Chen et al., arXiv 1604.06174.)

    Returns:
        The number of blocks.

    Raises:
        InputError: the network has no blocks.
    """
    blocks = blocks_of(module)
    if not blocks:
        raise InputError(
            "training.checkpoint_activations: this network has no repeated blocks whose "
            "activations could be recomputed; leave it out, or use batch.micro"
        )
    for block in blocks.values():
        # A bound method, not a closure, so that a copy of the network runs its own blocks.
        block.forward = MethodType(_forward, block)
    return len(blocks)


def _forward(block: nn.Module, *inputs: Any, **options: Any) -> Any:
    forward: Callable[..., Any] = MethodType(type(block).forward, block)
    if not (block.training and torch.is_grad_enabled()):
        return forward(*inputs, **options)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), preserved_buffers(block)

    result: Tensor = checkpoint(
        forward, *inputs, use_reentrant=False, context_fn=contexts, **options
    )
    return result
