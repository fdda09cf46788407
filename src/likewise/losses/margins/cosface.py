"""CosFace: a margin taken off the cosine."""

from __future__ import annotations

from torch import Tensor

from likewise.losses.figure_settings import Boundary, Curve, FigureSettings
from likewise.losses.head.arguments import number
from likewise.losses.head.head import Head
from likewise.losses.registration import register_loss
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

    Sources: CosFace, arXiv 1801.09414; AM-Softmax, arXiv 1801.05599 (with s=30). See
    :class:`~likewise.losses.Head` for shapes, attributes and errors.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        margin: m, in cosine, from 0 to 2.
        scale: s, or ``"auto"`` (see :func:`~likewise.losses.automatic_scale`).
        gradient: ``"exact"`` or ``"detached"``: here the same, as a shift has slope one.
        memory_budget: bytes that the logits held at one time may take.

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
