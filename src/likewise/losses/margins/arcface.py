"""ArcFace: a margin added to the angle."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.losses.head.arguments import number
from likewise.losses.head.head import Head
from likewise.losses.margins.angle import angle, falling_cosine
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import SCALE, Hyperparameter, SearchSpace

__all__ = ["ArcFace"]


@register_loss(
    "arcface",
    search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.6), SCALE)),
    figure=FigureSettings(
        "ArcFace",
        "A margin added to the angle: the same gap everywhere.",
        {"scale": 16.0, "margin": 0.3},
        "s = 16, m = 0.3 (17°)",
        boundary=Boundary("θ₁ + m < θ₂", (Curve("cos(θ + m), m = 0.5"),)),
    ),
)
class ArcFace(Head):
    """Cross-entropy with target logit ``s·cos(θ_y + m)`` among ``s·cos θ_j``.

    Beyond ``θ_y + m = π`` the cosine would rise again, so it is replaced by ``-2 - cos(θ_y + m)``,
    which keeps falling. At ``θ_y = 0`` and π the logit has a kink, with subgradient zero. Averaged
    over the batch.

    Source: ArcFace, arXiv 1801.07698.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, in radians, from 0 to π.
        gradient: the derivative of the target logit with respect to the cosine is
            ``s·sin(θ+m)/sin θ`` if ``"exact"``, s if ``"detached"``.

    Example:
        >>> import torch
        >>> from likewise.losses import ArcFace
        >>> loss = ArcFace(num_classes=10, embedding_dim=4, margin=0.3, scale="auto")
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).backward()
        >>> loss.hits.shape, loss.weight.grad.shape
        (torch.Size([3]), torch.Size([10, 4]))
    """

    margin: float = number(default=0.5, least=0, most=math.pi)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos(θ + m)``; it keeps falling past π."""
        return falling_cosine(angle(cosine) + margin)
