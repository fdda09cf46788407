"""What makes one member of the softmax family: the small object that the fused head is given."""

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
    for the row's own class and ``others`` for the rest. Both are written once, as differentiable
    torch expressions: their derivatives come from autograd over small tensors.
    """

    target: Callable[[Tensor, Tensor], Tensor]
    """``(cosines [B], margins [B]) -> [B]``."""

    others: Callable[[Tensor, Tensor], Tensor]
    """``(cosines [b, J], target values [b]) -> [b, J]``; most return the cosines as they are."""

    reduction: Callable[[Tensor], Reduction]
    """From the target logits [b] of a chunk of rows to the reduction of that chunk."""

    subcenters: int = 1
    """Weight rows per class; the cosine of a class is that of its nearest row."""

    unit_weights: bool = True
    """False puts ``‖w_j‖·cosine`` where a cosine stands: class weights keep their length."""

    memory_budget: int = 2**29
    """Bytes that the logits held at one time may take."""
