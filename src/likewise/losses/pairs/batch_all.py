"""The mean over all active triplets of a batch, exactly, in O(B² log B), without listing them.

For an anchor a, negative n is active with positive p if ``d(a,p) + m > d(a,n)``. The thresholds
``d(a,p) + m`` of the anchor's positives are sorted once. A binary search then gives for each
negative the number of positives above it, which is the negated derivative with respect to
``d(a,n)``. A cumulative sum over the search results gives for each positive its number of active
negatives, the derivative with respect to ``d(a,p)``. As the terms are linear, their sum is
``Σ_p count_p (d(a,p) + m) - Σ_n count_n d(a,n)``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from likewise.distances.blocks import blocks
from likewise.machine import finest_float

__all__ = ["active_hinges"]


def active_hinges(
    distances: Tensor,
    labels: Tensor,
    margin: float,
    *,
    semi_hard: bool = False,
    anchor_labels: Tensor | None = None,
) -> Tensor:
    """The sum of ``m + d(a,p) - d(a,n)`` over the triplets of each anchor where it is above zero.

    Args:
        distances: [B, M]; the first B of the M samples are the anchors.
        labels: int64 [M].
        margin: m.
        semi_hard: only negatives farther than the positive, ``d(a,n) > d(a,p)``.
        anchor_labels: int64 [B], of anchors that are not among the samples; None: they are the
            first B samples.

    Returns:
        [B], times B over the number of all these triplets, so that their mean is that of the
        triplets: zero, with gradient zero, if no triplet is active.
    """
    result: Tensor = _ActiveHinges.apply(distances, labels, margin, semi_hard, anchor_labels)
    return result


class _Classes(NamedTuple):
    """Samples grouped by class: the members of class k are ``order[start[k]:][:size[k]]``.

    ``anchors_of`` [B] are the classes of the anchors, ``of`` [M] those of the samples; the anchors
    are the first samples if ``inside``.
    """

    anchors_of: Tensor
    inside: bool
    of: Tensor
    order: Tensor
    start: Tensor
    size: Tensor


class _ActiveHinges(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        distances: Tensor,
        labels: Tensor,
        margin: float,
        semi_hard: bool,
        anchor_labels: Tensor | None,
    ) -> Tensor:
        classes = _grouped(labels, len(distances), anchor_labels)
        # The derivative of the sum of all active terms, filled row by row; these are integers.
        counts = torch.empty_like(distances)
        totals = distances.new_empty(len(distances), dtype=finest_float(distances.device))
        active = labels.new_zeros(())
        for rows in blocks(len(distances), 16 * distances.shape[1]):
            totals[rows], found = _rows(distances, classes, rows, margin, semi_hard, counts[rows])
            active += found
        share = (len(distances) / active.clamp_(min=1).to(totals.dtype)).to(distances)
        ctx.save_for_backward(counts, share)
        return (totals * share).to(distances)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        counts, share = ctx.saved_tensors  # constants: the sum is piecewise linear
        return counts * (grad * share).unsqueeze(1), None, None, None, None


def _grouped(labels: Tensor, anchors: int, anchor_labels: Tensor | None) -> _Classes:
    if anchor_labels is None:
        _, of, size = labels.unique(return_inverse=True, return_counts=True)
        anchors_of = of[:anchors]
    else:
        names, both = torch.cat([anchor_labels, labels]).unique(return_inverse=True)
        anchors_of, of = both[:anchors], both[anchors:]
        size = of.bincount(minlength=len(names))  # 0 for a class that only anchors have
    inside = anchor_labels is None
    return _Classes(anchors_of, inside, of, of.argsort(stable=True), size.cumsum(0) - size, size)


def _rows(
    distances: Tensor,
    classes: _Classes,
    rows: slice,
    margin: float,
    semi_hard: bool,
    counts: Tensor,
) -> tuple[Tensor, Tensor]:
    """Fill ``counts`` [n, M] for the anchors ``rows``; return their sums and number."""
    block = distances[rows].contiguous()
    device = block.device
    cls = classes.anchors_of[rows].unsqueeze(1)

    # The positives of each anchor, sorted by distance; shorter rows are padded with -inf.
    width = int(classes.size[cls].max())
    place = torch.arange(width, device=device)
    column = classes.order[(classes.start[cls] + place).clamp_(max=len(classes.order) - 1)]
    padding = place >= classes.size[cls]
    if classes.inside:  # an anchor is not its own positive
        padding |= column == torch.arange(rows.start, rows.stop, device=device).unsqueeze(1)
    to_positive, by_distance = block.gather(1, column).masked_fill_(padding, -torch.inf).sort(dim=1)
    column = column.gather(1, by_distance)
    threshold = to_positive + margin

    # For each negative, positives below `first` have too low a threshold, and those from `last` on
    # are not nearer than the negative. Entries that are not negatives get an empty range.
    no_negative = classes.of.unsqueeze(0) == cls
    first = torch.searchsorted(threshold, block, right=True, out_int32=True)
    first.masked_fill_(no_negative, width)
    starts = _histogram(first, width)
    if semi_hard:
        last = torch.searchsorted(to_positive, block, out_int32=True)
        last = torch.maximum(first, last.masked_fill_(no_negative, width))
        starts -= _histogram(last, width)
        torch.sub(first, last, out=counts)
    else:
        torch.sub(first, width, out=counts)
    of_positive = starts.cumsum(dim=1)[:, :width]

    active = of_positive.sum()
    of_positive = of_positive.to(block)
    fine = finest_float(device)
    totals = torch.where(of_positive > 0, of_positive * threshold, 0).sum(dim=1, dtype=fine)
    totals += (block * counts).sum(dim=1)
    counts.scatter_add_(1, column, of_positive)
    return totals, active


def _histogram(positions: Tensor, width: int) -> Tensor:
    """Counts of the values 0..width in each row: int64 [n, width + 1]."""
    rows = torch.arange(len(positions), device=positions.device).unsqueeze(1)
    flat = (positions + rows * (width + 1)).flatten()  # int64: rows times width may pass 2³¹
    return flat.bincount(minlength=len(positions) * (width + 1)).view(len(positions), width + 1)
