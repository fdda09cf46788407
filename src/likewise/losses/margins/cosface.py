"""CosFace: a margin subtracted from the cosine."""

from __future__ import annotations

from torch import Tensor

from likewise.losses.head.arguments import number
from likewise.losses.head.head import Head
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import SCALE, Hyperparameter, SearchSpace

__all__ = ["CosFace"]


@register_loss(
    "cosface",
    aliases=("am_softmax",),
    search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.5), SCALE)),
    figure=FigureSettings(
        "CosFace",
        "A margin subtracted from the cosine.",
        {"scale": 16.0, "margin": 0.2},
        "s = 16, m = 0.2",
        boundary=Boundary("cos θ₁ - m > cos θ₂", (Curve("cos θ - m, m = 0.35"),)),
    ),
)
class CosFace(Head):
    """Cross-entropy with target logit ``s·(cos θ_y - m)`` among ``s·cos θ_j``; also AM-Softmax.

    Averaged over the batch.

    Sources: CosFace, arXiv 1801.09414; AM-Softmax, arXiv 1801.05599 (with s=30).
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, in cosine, from 0 to 2.
        gradient: ``"exact"`` and ``"detached"`` are the same here, because a shift has slope 1.

    Example:
        >>> import torch
        >>> from likewise.losses import CosFace
        >>> loss = CosFace(num_classes=10, embedding_dim=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    margin: float = number(default=0.35, least=0, most=2)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos θ - m``."""
        return cosine - margin
