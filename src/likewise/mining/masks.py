"""Masks of the positive and the negative pairs of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["pair_masks"]


def pair_masks(
    labels: Tensor, anchors: int | None = None, *, of: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compare the labels of the first ``anchors`` samples with the labels of all samples.

    A sample is not its own positive; it is excluded by its row, not by a distance of 0.

    Args:
        labels: int64 [M].
        anchors: B, the number of anchors, which come first; None: all samples.
        of: the labels of anchors [B] that are not among the samples; then nothing is excluded.

    Returns:
        ``same`` and ``different``, both bool [B, M].
    """
    own = labels[:anchors] if of is None else of
    same = own.unsqueeze(1) == labels.unsqueeze(0)
    different = ~same
    if of is None:
        rows = torch.arange(len(own), device=labels.device)
        same[rows, rows] = False
    return same, different
