"""CurricularFace: hard classes count little at first, and more as training succeeds."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from likewise.losses.head.arguments import buffer, number
from likewise.losses.head.head import Head
from likewise.losses.margins.angle import angle, falling_cosine
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import SCALE, Hyperparameter, SearchSpace

__all__ = ["CurricularFace"]


@register_loss(
    "curricularface",
    search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.6), SCALE)),
    figure=FigureSettings(
        "CurricularFace",
        "Hard classes count little at first, more as training succeeds.",
        {"scale": 16.0, "margin": 0.3},
        "s = 16, m = 0.3 (17°)",
        loss_lr=1e-3,
        spread=True,
        boundary=Boundary(
            "θ₁ + m < θ₂; while t is small, hard classes count less",
            (
                Curve("cos(θ + m), m = 0.5; early: t = 0"),
                Curve("the same, late: t = 0.7", buffers={"progress": 0.7}),
            ),
            others="other class, t = 0, own at 45°",
        ),
    ),
)
class CurricularFace(Head):
    """ArcFace's target logit; the logit of a hard class is ``s·c_j(t + c_j)``, not ``s·c_j``.

    ``t`` is a running mean of the target cosine, ``t ← rate·mean(cos θ_y) + (1 - rate)·t`` from 0:
    while it is small, hard classes have little weight. A class is hard if its cosine exceeds
    ``cos(θ_y + m)``, continued past π as in :class:`~likewise.losses.ArcFace`. In training, each
    batch updates ``t`` before it is used. A margin fraction of 0 does not change the weight of hard
    classes. Averaged over the batch.

    Source: CurricularFace, arXiv 2004.00288.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, in radians, from 0 to π.
        rate: weight of a batch in the running mean t, from 0 to 1.

    Attributes:
        progress: t, a buffer, initially 0.

    Example:
        >>> import torch
        >>> from likewise.losses import CurricularFace
        >>> loss = CurricularFace(num_classes=10, embedding_dim=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    margin: float = number(default=0.5, least=0, most=math.pi)
    rate: float = number(default=0.01, least=0, most=1)
    progress: Tensor = buffer(0.0)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos(θ + m)``; it keeps falling past π; in training, ``t`` is updated first."""
        if self.training and len(cosine):
            seen = cosine.detach().mean().to(self.progress.dtype)
            self.progress.lerp_(seen, self.rate)
        return falling_cosine(angle(cosine) + margin)

    def others(self, cosine: Tensor, target: Tensor) -> Tensor:
        """``c`` for easy classes, ``c(t + c)`` for hard ones."""
        hard = cosine > target[:, None]
        return torch.where(hard, cosine * (self.progress.to(cosine.dtype) + cosine), cosine)
