"""Angles of cosines, and a cosine that falls past π: with finite gradients everywhere.

The derivative of ``acos`` is infinite at ±1, where the gradient of the cosine itself is zero: their
product would be NaN.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

__all__ = ["angle", "falling_cosine"]


class _Angle(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cosine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine)
        return cosine.clamp(-1.0, 1.0).acos()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        (cosine,) = ctx.saved_tensors
        square = (1 - cosine) * (1 + cosine)  # of the sine
        kink = square <= torch.finfo(cosine.dtype).eps
        slope: Tensor = (-1 / square.masked_fill(kink, 1.0).sqrt()).masked_fill(kink, 0.0)
        return upstream * slope


def angle(cosine: Tensor) -> Tensor:
    """Angles in radians, in [0, π], of cosines of any shape.

    A cosine beyond ±1 due to rounding counts as ±1. At ±1 the angle has a kink; its subgradient is
    zero, the mean of the slopes in all directions.

    Example:
        >>> import torch
        >>> from likewise.losses.margins.angle import angle
        >>> angle(torch.tensor([1.0000001, 0.0]))
        tensor([0.0000, 1.5708])
    """
    return cast(Tensor, _Angle.apply(cosine))


def falling_cosine(phase: Tensor) -> Tensor:
    """The cosine of ``phase`` ≥ 0 on [0, π], continued beyond π so that it keeps falling.

    ``(-1)^k cos(phase) - 2k`` with ``k = floor(phase / π)``: the ψ of L-Softmax (arXiv 1612.02295),
    and for ``phase = θ + m`` past π the value ``-2 - cos(θ + m)``. Continuous, once differentiable.

    Example:
        >>> import math, torch
        >>> from likewise.losses.margins.angle import falling_cosine
        >>> falling_cosine(torch.tensor([0.0, math.pi, 2 * math.pi]))
        tensor([ 1., -1., -3.])
    """
    turns = (phase.detach() / math.pi).floor()
    return (1 - 2 * (turns % 2)) * phase.cos() - 2 * turns
