"""Fused optimisers: one kernel moves a weight and its moments, instead of one kernel a formula."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

__all__ = ["can_fuse"]

DEVICES = ("cpu", "cuda", "mps")


def can_fuse(parameters: Sequence[Tensor]) -> bool:
    """Whether torch has a fused step for these parameters, which must get dense gradients."""
    return all(p.is_floating_point() and p.device.type in DEVICES for p in parameters)
