"""The combined margin: on the angle, as a factor and added, and subtracted from the cosine."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.losses.head.arguments import fixed, number
from likewise.losses.head.head import Head
from likewise.losses.margins.angle import angle, falling_cosine
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import Hyperparameter, SearchSpace

__all__ = ["CombinedMargin"]


@register_loss(
    "combined",
    search_space=SearchSpace(
        (Hyperparameter("m2", 0.05, 0.4), Hyperparameter("m3", 0.05, 0.3)), {"scale": "auto"}
    ),
    figure=FigureSettings(
        "Combined margin",
        "One margin added to the angle, another one subtracted from the cosine.",
        {"scale": 16.0, "m1": 1.0, "m2": 0.15, "m3": 0.1},
        "s = 16, m₂ = 0.15, m₃ = 0.1",
        boundary=Boundary("cos(m₁θ₁ + m₂) - m₃ > cos θ₂", (Curve("m₂ = 0.3, m₃ = 0.2"),)),
    ),
)
class CombinedMargin(Head):
    """Cross-entropy with target logit ``s·(cos(m1·θ_y + m2) - m3)`` among ``s·cos θ_j``.

    Beyond ``m1·θ_y + m2 = π`` the cosine is continued so that it keeps falling, as in
    :class:`~likewise.losses.ArcFace`. (m, 0, 0) is SphereFace's margin, (1, m, 0) ArcFace's,
    (1, 0, m) CosFace's. With a margin fraction f they are ``1 + f(m1-1)``, ``f·m2`` and ``f·m3``.
    Averaged over the batch.

    Source: ArcFace, arXiv 1801.07698, section 3.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        m1: multiplies the angle, at least 1.
        m2: added to the angle, in radians, from 0 to π.
        m3: subtracted from the cosine, from 0 to 2.

    Example:
        >>> import torch
        >>> from likewise.losses import CombinedMargin
        >>> loss = CombinedMargin(num_classes=10, embedding_dim=4, m2=0.2)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    margin: float = fixed(1.0)  # scaled by the margin fraction, it scales all three
    m1: float = number(default=1.0, least=1)
    m2: float = number(default=0.3, least=0, most=math.pi)
    m3: float = number(default=0.2, least=0, most=2)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos(m1·θ + m2) - m3``; it keeps falling past π; ``margin`` scales all three."""
        phase = (1 + margin * (self.m1 - 1)) * angle(cosine) + margin * self.m2
        return falling_cosine(phase) - margin * self.m3

    def extra_repr(self) -> str:
        """Show the three margins."""
        shown = super().extra_repr().rpartition(", margin=")[0]
        return f"{shown}, m1={self.m1:g}, m2={self.m2:g}, m3={self.m3:g}"
