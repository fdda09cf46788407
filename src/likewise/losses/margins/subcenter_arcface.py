"""Sub-centre ArcFace: several centres per class, the nearest one counts."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.losses.figure_settings import Boundary, Curve, FigureSettings
from likewise.losses.head.arguments import count, number
from likewise.losses.head.head import Head
from likewise.losses.margins.angle import angle, falling_cosine
from likewise.losses.registration import register_loss
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
    """ArcFace where the cosine to a class is the largest to any of its K sub-centres.

    Wrong labels and odd photos gather at a sub-centre of their own and leave the class's main one
    alone; afterwards, samples far from the main one can be dropped. Averaged over the batch.

    Source: Sub-center ArcFace, ECCV 2020. See :class:`~likewise.losses.Head` for shapes,
    attributes and errors.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        margin: m, in radians, from 0 to π.
        scale: s, or ``"auto"`` (see :func:`~likewise.losses.automatic_scale`).
        subcenters: K; ``weight`` is [C·K, D], the rows ``j·K`` to ``j·K+K-1`` are class j's.
        gradient: ``"exact"``, or ``"detached"``: the target logit has the slope of the cosine.
        memory_budget: bytes that the logits held at one time may take.

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
        """``cos(θ + m)``, falling all the way."""
        return falling_cosine(angle(cosine) + margin)
