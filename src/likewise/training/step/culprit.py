"""Who made a number that is not finite: the first module to do so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from likewise.training.step.buffers import buffers_aside
from likewise.training.step.random_state import random_state, restore_random_state

__all__ = ["culprit_backward", "culprit_forward"]


@torch.no_grad()
def culprit_forward(module: nn.Module, run: Callable[[], object]) -> str:
    """The first part of ``module`` whose output is not finite when ``run`` calls it again.

    Weights are looked at first: one that is not finite spoils whatever comes through it. Nothing
    changes: neither buffers, nor the state of the random generators.

    Args:
        module: the network.
        run: calls its parts, without a compiled forward pass.

    Returns:
        Its name and kind, or what else can be said.
    """
    for name, parameter in module.named_parameters():
        if not bool(parameter.isfinite().all()):
            return f"the weights {name}"
    found: list[str] = []
    handles: list[RemovableHandle] = []
    for name, part in module.named_modules():
        if name and not list(part.children()):
            handles.append(part.register_forward_hook(_note(name, found)))
    before = random_state()
    try:
        with buffers_aside(module):
            run()
    finally:
        restore_random_state(before)
        for handle in handles:
            handle.remove()
    return found[0] if found else "no layer by itself (what lies between the layers)"


def _note(name: str, found: list[str]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(part: nn.Module, _: Any, output: Any) -> None:
        if not found and isinstance(output, Tensor) and not bool(output.isfinite().all()):
            found.append(f"{name} ({type(part).__name__})")

    return hook


def culprit_backward(module: nn.Module, loss: nn.Module) -> str:
    """Where the gradients of the weights stop being finite.

    The gradient runs from the loss to the first layer, so of those that are not finite the one
    that stands last in the network came first; if the loss's own weights have such a gradient, it
    was the loss.
    """
    for part in (loss, module):
        for name, parameter in reversed(list(part.named_parameters())):
            grad = parameter.grad
            if grad is None:
                continue
            values = grad.coalesce()._values() if grad.is_sparse else grad
            if not bool(values.isfinite().all()):
                whose = f"of {type(loss).__name__}" if part is loss else "of the network"
                return f"{name} {whose}"
    return "no weight by itself"
