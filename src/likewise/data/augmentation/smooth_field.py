"""Smooth random fields: numbers on a coarse grid, upsampled by bicubic interpolation."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["smooth_field"]


def smooth_field(coarse: Tensor, height: int, width: int) -> Tensor:
    """Upsample the numbers of a coarse grid, whose corners lie on the corners of the photo.

    Bicubic interpolation is linear and separable. As products with two small tables it is faster
    than ``torch.nn.functional.interpolate``, and the field of a photo does not depend on the batch.

    Args:
        coarse: float32 [N,C,cells,cells].
        height: of the field.
        width: of the field.

    Returns:
        float32 [N,C,height,width].
    """
    down, across = _table(coarse.shape[-2], height), _table(coarse.shape[-1], width)
    rows = _sum(coarse[..., cell, None] * across[cell] for cell in range(len(across)))
    return _sum(rows[..., cell, None, :] * down[cell, :, None] for cell in range(len(down)))


def _sum(parts: Iterable[Tensor]) -> Tensor:
    first, *others = parts
    for other in others:
        first += other
    return first


@lru_cache(maxsize=16)
def _table(cells: int, size: int) -> Tensor:
    """How much each cell adds to each place: float32 [cells,size]."""
    single = torch.eye(cells)[None, :, :, None]
    table = F.interpolate(single, (size, 1), mode="bicubic", align_corners=True)
    return table[0, :, :, 0].contiguous()
