"""The fused head: loss and gradient of a whole softmax-family loss, in one pass over the classes.

Three matrix products are needed: cosines, gradient of the embeddings, gradient of the weights.
Everything else should be cheap beside them. The class weights are never copied to be normalised:
with the lengths ``n_j = ‖w_j‖``, ``cos = (u Wᵀ)/n`` and, for ``G = dL/dcos``,

    dL/du = (G/n) W        dL/dw_j = ((G/n)ᵀ u)_j - (Σ_b G_bj cos_bj / n_j²) w_j

The gradient is computed in the forward pass, while the cosines are in memory, over chunks of rows
that fit a memory budget. Within a chunk, classes are processed in blocks small enough for the
cache, so that all operations on a block after its matrix product are nearly free. The derivation is
in ``docs/losses/softmax-family.md``. Where the loss of each row is returned, its upstream gradient
is not known in the forward pass; the backward pass then computes the cosines once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from likewise.losses.classes.step_classes import Columns
from likewise.losses.head.class_blocks import ClassBlock, class_blocks, row_chunks
from likewise.losses.head.reduction import Reduction
from likewise.losses.head.target_logits import TargetLogits
from likewise.losses.head.variant import Variant
from likewise.losses.sample_weights import ReductionName
from likewise.once_differentiable import once_differentiable, origin

__all__ = ["fused_loss"]

_UNIT, _WEIGHT = 0, 1  # positions among the inputs


Others = Callable[[Tensor, Tensor], Tensor]


class _Pass:
    """One pass over a batch: its losses, its leads and, if needed, its gradients.

    Args:
        inputs: as for :func:`fused_loss`.
        columns: the classes to compare with.
        variant: the variant.
        needed: which of the inputs need a gradient in this pass.
        share: what the loss of each row counts in the result, [B].
        target: the target logits.
        others: the ``others`` of the variant.
    """

    def __init__(
        self,
        inputs: tuple[Tensor, ...],
        columns: Columns,
        variant: Variant,
        needed: tuple[bool, ...],
        share: Tensor,
        target: TargetLogits,
        others: Others,
    ) -> None:
        self.unit, self.weight, self.scale, _, self.bias = inputs
        self.columns, self.variant, self.needed = columns, variant, needed
        self.places, self.shard = columns.places, columns.shard
        self.share, self.target, self.others = share, target, others
        self.losses = torch.empty_like(self.scale)
        self.slope = torch.empty_like(self.scale)  # of the loss, by the target logit
        self.lead = torch.empty_like(self.scale)
        self.gradients = [
            (self._rows_of_gradient() if x is self.weight else torch.zeros_like(x))
            if need
            else None
            for x, need in zip(inputs, needed, strict=True)
        ]

    def _rows_of_gradient(self) -> Tensor:
        rows = self.columns.count * self.variant.subcenters
        # The first chunk writes every row, so it need not be zeroed.
        empty = self.weight.new_empty if len(self.places) else self.weight.new_zeros
        return empty(rows, self.weight.shape[1])

    def run(self) -> None:
        """Process all chunks, then add the gradients through the target logits."""
        blocks = class_blocks(self.weight, self.columns, self.variant)
        chunks = row_chunks(self.weight, self.columns, self.variant)
        for rows in chunks:
            cosines, reduction = self._forward(rows, blocks)
            if any(self.needed):
                self.slope[rows] = reduction.target_slope() * self.share[rows]
                ends = {"first": rows is chunks[0], "last": rows is chunks[-1]}
                self._backward(rows, blocks, cosines, reduction, **ends)
        if len(self.places) and any(self.needed):
            self._add_target_gradients()

    def _forward(self, rows: slice, blocks: list[ClassBlock]) -> tuple[list[Tensor], Reduction]:
        reduction = self.variant.reduction(self.target.logit.detach()[rows])
        nearest = torch.full_like(self.scale[rows], -torch.inf)
        cosines = []
        for block in blocks:
            cosine = block.cosines(self.unit[rows])
            _, other = block.per_class(cosine, self.places[rows])
            nearest = torch.maximum(nearest, other.amax(1))
            reduction.add(self._logits(self._value(other, rows), rows, block))
            cosines.append(cosine)
        reduction.merge(self.shard)
        nearest = self.shard.max_(nearest)
        self.losses[rows] = reduction.losses()
        self.lead[rows] = self.target.nearness[rows] - nearest
        return cosines, reduction

    def _value(self, cosine: Tensor, rows: slice) -> Tensor:
        return self.others(cosine, self.target.value.detach()[rows])

    def _logits(self, value: Tensor, rows: slice, block: ClassBlock) -> Tensor:
        logits = torch.addcmul(self.bias, value.detach(), self.scale[rows, None])
        return block.put(logits, self.places[rows], -torch.inf)

    def _backward(
        self,
        rows: slice,
        blocks: list[ClassBlock],
        cosines: list[Tensor],
        reduction: Reduction,
        *,
        first: bool,
        last: bool,
    ) -> None:
        d_unit, d_weight, d_scale, _, d_bias = self.gradients
        into = (None if d_unit is None else d_unit[rows], d_weight)
        for block, cosine in zip(blocks, cosines, strict=True):
            winner, other = block.per_class(cosine, self.places[rows])
            with torch.enable_grad():
                other = other.detach().requires_grad_()
                value = self._value(other, rows)
            slope = reduction.slope_(self._logits(value, rows, block))
            if d_scale is not None:
                d_scale[rows] += (slope * value.detach()).sum(1) * self.share[rows]
            if d_bias is not None:
                d_bias += slope.sum(1) @ self.share[rows]
            slope *= (self.scale[rows] * self.share[rows])[:, None]
            if value is not other:
                (slope,) = torch.autograd.grad(value, other, slope)
            slope = block.per_row(slope, winner)
            block.add_gradients(slope, cosine, self.unit[rows], *into, first=first, last=last)

    def _add_target_gradients(self) -> None:
        by_target = self.target.gradients(self.slope)
        for position, gradient in enumerate(by_target):
            total = self.gradients[position]
            if total is None:
                continue
            if position == _WEIGHT:
                if gradient is not None:
                    total.index_add_(0, self.target.rows, gradient)
                continue
            if self.shard.processes > 1:  # parts, which are averaged over the ranks in the end
                total *= self.shard.processes
            if gradient is None:
                continue
            # The target logits are the same on all ranks; only their rows are sharded.
            total.add_(gradient, alpha=self.shard.processes if position == _UNIT else 1)


class _FusedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        unit: Tensor,
        weight: Tensor,
        scale: Tensor,
        margin: Tensor,
        bias: Tensor,
        source: Tensor,
        columns: Columns,
        variant: Variant,
        needed: tuple[bool, ...],
        reduction: ReductionName,
        row_weights: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        inputs = (unit, weight, scale, margin, bias)
        share = torch.ones_like(scale) if row_weights is None else row_weights
        if reduction == "mean":
            share = share / max(len(scale), 1)
        target = TargetLogits(inputs, columns, variant, needed)
        now = (False,) * len(needed) if reduction == "none" else needed
        walk = _Pass(inputs, columns, variant, now, share, target, variant.others)
        walk.run()
        ctx.columns, ctx.variant, ctx.shape = columns, variant, weight.shape
        ctx.origin = source
        ctx.mark_non_differentiable(walk.lead)
        losses = walk.losses * share
        if reduction == "none":
            ctx.save_for_backward(*inputs)
            ctx.later = (needed, share, target, variant.others_now())
            return losses, walk.lead
        ctx.save_for_backward(*walk.gradients)
        ctx.later = None
        return losses.sum(), walk.lead

    @staticmethod
    @once_differentiable("a loss of the softmax family")
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        gradients = list(ctx.saved_tensors)
        if ctx.later is not None:
            needed, share, *rest = ctx.later
            walk = _Pass(
                ctx.saved_tensors, ctx.columns, ctx.variant, needed, share * upstream, *rest
            )
            walk.run()
            gradients = walk.gradients
        # Scaled in place: there is no memory for a second gradient of the weights.
        # On an accelerator always scaled, because a comparison would wait for the device.
        elif upstream.device.type != "cpu" or upstream.item() != 1:
            for gradient in gradients:
                if gradient is not None:
                    gradient.mul_(upstream)
        if ctx.columns.sparse and gradients[_WEIGHT] is not None:
            rows = ctx.columns.weight_rows(ctx.variant.subcenters)
            gradients[_WEIGHT] = _sparse(rows, gradients[_WEIGHT], ctx.shape)
        return (*gradients, *[None] * 6)


def _sparse(rows: Tensor | None, values: Tensor, shape: torch.Size) -> Tensor:
    """The sparse gradient [own·K, D] with ``values`` in these rows, which are sorted."""
    if rows is None:
        rows = torch.arange(len(values), device=values.device)
    return torch.sparse_coo_tensor(
        rows[None], values, shape, check_invariants=False, is_coalesced=True
    )


def fused_loss(
    unit: Tensor,
    weight: Tensor,
    scale: Tensor,
    margin: Tensor,
    bias: Tensor,
    columns: Columns,
    variant: Variant,
    reduction: ReductionName = "mean",
    row_weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The loss of a batch, reduced, and the lead of each row's own class, [B].

    Differentiable once with respect to the first five arguments. With an upstream gradient other
    than 1 only one backward pass is possible, because the stored gradients are scaled in place.
    Where the loss of each row is returned, the gradients are computed in the backward pass.

    Args:
        unit: embeddings of unit length, [B, D].
        weight: class weights [own·K, D] of this rank; the K rows of a class are contiguous.
        scale: multiplies the logits of a row, [B].
        margin: passed to ``variant.target``, [] or [B].
        bias: added to every logit, [].
        columns: the classes to compare with, and the position of each row's class among them.
        variant: the variant.
        reduction: the mean or the sum over the rows, [], or each row's loss, [B] (``"none"``).
        row_weights: multiply the losses of the rows, [B], without a gradient; None: all are 1.

    The lead of a row is the cosine to its own class minus the cosine to the nearest other class,
    without margin: if it is above 0, the nearest class is the right one.

    If classes are sharded, all ranks are called with the same batch and return the same loss. The
    gradient of a rank's own weights is exact; other gradients are exact when averaged over ranks.
    With ``"none"``, the upstream gradients [B] must be the same on all ranks.
    """
    inputs = (unit, weight, scale, margin, bias)
    needed = tuple(torch.is_grad_enabled() and tensor.requires_grad for tensor in inputs)
    return _apply(*inputs, origin(*inputs), columns, variant, needed, reduction, row_weights)


# Already fused: torch.compile leaves this call out of its graph.
_apply: Callable[..., tuple[Tensor, Tensor]] = torch.compiler.disable(_FusedLoss.apply)
