"""Sub-centre ArcFace: several centres per class, the nearest one counts."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.losses.head.head import MEMORY_BUDGET, Gradient, Head, Scale
from likewise.losses.margins.angle import angle, falling_cosine

__all__ = ["SubCenterArcFace"]


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

    most_margin = math.pi

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        margin: float = 0.5,
        scale: Scale = 64.0,
        subcenters: int = 3,
        gradient: Gradient = "exact",
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__(
            num_classes,
            embedding_dim,
            scale=scale,
            margin=margin,
            gradient=gradient,
            memory_budget=memory_budget,
            subcenters=subcenters,
        )

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos(θ + m)``, falling all the way."""
        return falling_cosine(angle(cosine) + margin)
