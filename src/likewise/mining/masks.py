"""Masks of the positive and the negative pairs of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["pair_masks"]


def pair_masks(labels: Tensor, anchors: int | None = None) -> tuple[Tensor, Tensor]:
    """Compare the labels of the first ``anchors`` samples with the labels of all samples.

    A sample is not its own positive; it is excluded by its row, not by a distance of 0.

    Args:
        labels: int64 [M].
        anchors: B, the number of anchors, which come first; None: all samples.

    Returns:
        ``same`` and ``different``, both bool [B, M].
    """
    count = len(labels) if anchors is None else anchors
    same = labels[:count].unsqueeze(1) == labels.unsqueeze(0)
    different = ~same
    rows = torch.arange(count, device=labels.device)
    same[rows, rows] = False
    return same, different
