"""ArcFace: a margin added to the angle."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.losses.figure_settings import Boundary, Curve, FigureSettings
from likewise.losses.head.arguments import number
from likewise.losses.head.head import Head
from likewise.losses.margins.angle import angle, falling_cosine
from likewise.losses.registration import register_loss
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

    Where ``θ_y + m`` passes π the cosine would rise again; ``-2 - cos(θ_y + m)`` goes on falling.
    At ``θ_y = 0`` and π the logit has a kink: the subgradient taken there is zero. Averaged over
    the batch.

    Source: ArcFace, arXiv 1801.07698. See :class:`~likewise.losses.Head` for shapes, attributes
    and errors.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        margin: m, in radians, from 0 to π.
        scale: s, or ``"auto"`` (see :func:`~likewise.losses.automatic_scale`).
        gradient: ``"exact"``: the slope of the target logit by the cosine is
            ``s·sin(θ+m)/sin θ``; ``"detached"``: it is s.
        memory_budget: bytes that the logits held at one time may take.

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
        """``cos(θ + m)``, falling all the way."""
        return falling_cosine(angle(cosine) + margin)
