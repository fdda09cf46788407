"""The definition of a member of the softmax family, as the fused loss receives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from likewise.losses.head.reduction import Reduction

__all__ = ["Variant"]


@dataclass(frozen=True)
class Variant:
    """How cosines become logits, and logits a loss.

    The logit of class ``j`` in row ``b`` is ``scale_b · f(c_bj) + bias`` where ``f`` is ``target``
    for the row's own class and ``others`` for all other classes. Both are differentiable torch
    expressions; autograd computes their derivatives on small tensors.
    """

    target: Callable[[Tensor, Tensor], Tensor]
    """``(cosines [B], margins [B]) -> [B]``."""

    others: Callable[[Tensor, Tensor], Tensor]
    """``(cosines [b, J], target values [b]) -> [b, J]``; most return the cosines unchanged."""

    reduction: Callable[[Tensor], Reduction]
    """Creates the reduction of a chunk of rows from its target logits [b]."""

    subcenters: int = 1
    """Weight rows per class; the cosine of a class is that of its nearest row."""

    unit_weights: bool = True
    """False: logits use ``‖w_j‖·cosine``, that is, class weights keep their length."""

    memory_budget: int = 2**29
    """The most bytes of logits in memory at one time."""
