"""Cross-entropy over logits whose classes are sharded over ranks."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from likewise.losses.classes.step_classes import Columns
from likewise.losses.head.reduction import CrossEntropy, SmoothedCrossEntropy
from likewise.once_differentiable import once_differentiable, origin

__all__ = ["sharded_cross_entropy"]


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, source: Tensor, columns: Columns, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        ctx.origin = source
        shard, here = columns.shard, columns.here()
        rows = torch.arange(len(logits), device=logits.device) if here is None else here
        own = (rows, columns.places[rows])
        target = logits.new_zeros(len(logits))
        target[rows] = logits[own]
        whole = shard.sum_(target)
        reduction = SmoothedCrossEntropy(whole, smoothing) if smoothing else CrossEntropy(whole)
        others = logits.index_put(own, logits.new_tensor(-torch.inf))
        hits = target > shard.max_(others.amax(1))
        reduction.add(others.clone())
        reduction.merge(shard)
        slope = reduction.slope_(others)
        slope[own] = reduction.target_slope()[rows]
        ctx.save_for_backward(slope)
        ctx.mark_non_differentiable(hits)
        return reduction.losses(), hits

    @staticmethod
    @once_differentiable("Softmax with sharded classes")
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return upstream[:, None] * slope, None, None, None


def sharded_cross_entropy(
    logits: Tensor, columns: Columns, label_smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each row over the classes of all ranks, and which rows are right.

    Args:
        logits: of this rank's own classes, [B, own]; their gradient is exact.
        columns: the position of each row's class, and the ranks.
        label_smoothing: as in ``F.cross_entropy``, over the classes of all ranks.

    Returns:
        The losses [B], and whether the label's logit is above all others, [B] bool; on every rank.
    """
    return cast(
        tuple[Tensor, Tensor], _CrossEntropy.apply(logits, origin(logits), columns, label_smoothing)
    )
