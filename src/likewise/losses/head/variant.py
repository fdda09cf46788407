"""The definition of a member of the softmax family, as the fused loss receives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from likewise.losses.head.reduction import Reduction

__all__ = ["Logits", "Variant", "detached_others", "detached_target", "still"]

Logits = Callable[[Tensor, Tensor], Tensor]
Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Variant:
    """How cosines become logits, and logits a loss.

    The logit of class ``j`` in row ``b`` is ``scale_b · f(c_bj) + bias`` where ``f`` is ``target``
    for the row's own class and ``others`` for all other classes. Both are differentiable torch
    expressions; autograd computes their derivatives on small tensors.
    """

    target: Logits
    """``(cosines [B], margins [B]) -> [B]``."""

    others: Logits
    """``(cosines [b, J], target values [b]) -> [b, J]``; most return the cosines unchanged."""

    others_now: Callable[[], Logits]
    """Gives ``others`` with its running state of this moment, for a later backward pass."""

    reduction: Callable[[Tensor], Reduction]
    """Creates the reduction of a chunk of rows from its target logits [b]."""

    subcenters: int = 1
    """Weight rows per class; the cosine of a class is that of its nearest row."""

    unit_weights: bool = True
    """False: logits use ``‖w_j‖·cosine``, that is, class weights keep their length."""

    memory_budget: int = 2**29
    """The most bytes of logits in memory at one time."""


def detached_target(target: Logits) -> Logits:
    """``target`` with its values, but with the slope of the plain cosine."""

    def detached(cosine: Tensor, margin: Tensor) -> Tensor:
        with torch.no_grad():
            shift = target(cosine, margin) - cosine
        return cosine + shift

    return detached


def detached_others(others: Logits) -> Logits:
    """``others`` with its values, but with the slope of the plain cosine."""

    def detached(cosine: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            value = others(cosine, target)
        return cosine if value is cosine else cosine + (value - cosine).detach()

    return detached


def still(module: Module) -> Module:
    """The module as it is now: with its own copy of the buffers, which a later call may change."""
    found = object.__new__(type(module))
    found.__dict__ |= module.__dict__
    found.__dict__["_buffers"] = {
        name: None if buffer is None else buffer.clone() for name, buffer in module._buffers.items()
    }
    return found
