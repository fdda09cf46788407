"""Sub-centre ArcFace: several centres per class, of which the nearest counts."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.losses.head.arguments import count, number
from likewise.losses.head.head import Head
from likewise.losses.margins.angle import angle, falling_cosine
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import SCALE, Hyperparameter, SearchSpace

__all__ = ["SubCenterArcFace"]


@register_loss(
    "subcenter_arcface",
    search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.6), SCALE), {"subcenters": 2}),
    figure=FigureSettings(
        "Sub-centre ArcFace",
        "Two weights for each class; the nearer one counts.",
        {"scale": 16.0, "margin": 0.3, "subcenters": 2},
        "s = 16, m = 0.3 (17°), K = 2",
        boundary=Boundary(
            "θ₁ + m < θ₂, each to the nearest sub-centre", (Curve("cos(θ + m), m = 0.5"),)
        ),
    ),
)
class SubCenterArcFace(Head):
    """ArcFace in which the cosine to a class is the largest cosine to its K sub-centres.

    Mislabeled and unusual photos gather at a sub-centre of their own and do not distort the main
    one; after training, samples far from the main one can be removed. Averaged over the batch.

    Source: Sub-center ArcFace, ECCV 2020.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, in radians, from 0 to π.
        subcenters: K; ``weight`` is [C·K, D], rows ``j·K`` to ``j·K+K-1`` belong to class j.

    Example:
        >>> import torch
        >>> from likewise.losses import SubCenterArcFace
        >>> loss = SubCenterArcFace(num_classes=10, embedding_dim=4, subcenters=2)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape, loss.weight.shape
        (torch.Size([]), torch.Size([20, 4]))
    """

    takes_prototypes = False
    margin: float = number(default=0.5, least=0, most=math.pi)
    subcenters: int = count(default=3)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos(θ + m)``; it keeps falling past π."""
        return falling_cosine(angle(cosine) + margin)
