"""AirFace: logits that are linear in the angle."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.losses.head.arguments import number
from likewise.losses.head.head import Head
from likewise.losses.margins.angle import angle
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import SCALE, Hyperparameter, SearchSpace

__all__ = ["AirFace"]


@register_loss(
    "airface",
    search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.6), SCALE)),
    figure=FigureSettings(
        "AirFace",
        "Logits are linear in the angle, and a margin is added to it.",
        {"scale": 10.0, "margin": 0.3},
        "s = 10, m = 0.3 (17°)",
        boundary=Boundary(
            "θ₁ + m < θ₂", (Curve("(π - 2(θ + m))/π, m = 0.45"),), others="(π - 2θ)/π"
        ),
    ),
)
class AirFace(Head):
    """Cross-entropy with logits ``s·(π - 2θ)/π``, and ``θ_y + m`` for the row's own class.

    The logit is linear in the angle, so the target logit keeps falling and has the same slope at
    every angle. At ``θ = 0`` and π every logit has a kink, with subgradient zero. Averaged over the
    batch.

    Source: Li-ArcFace, in AirFace, arXiv 1907.12256.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, in radians, from 0 to π.

    Example:
        >>> import torch
        >>> from likewise.losses import AirFace
        >>> loss = AirFace(num_classes=10, embedding_dim=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    margin: float = number(default=0.45, least=0, most=math.pi)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``(π - 2(θ + m))/π``."""
        return 1 - (angle(cosine) + margin) * (2 / math.pi)

    def others(self, cosine: Tensor, target: Tensor) -> Tensor:  # noqa: ARG002 (not needed)
        """``(π - 2θ)/π``."""
        return self.unmargined(cosine)

    def unmargined(self, cosine: Tensor) -> Tensor:
        """``(π - 2θ)/π``."""
        return 1 - angle(cosine) * (2 / math.pi)
