"""NormFace: softmax over cosines."""

from __future__ import annotations

from torch import Tensor

from likewise.losses.head.arguments import fixed
from likewise.losses.head.head import Gradient, Head
from likewise.losses.registration import Boundary, FigureSettings, register_loss
from likewise.losses.search_space import SCALE, SearchSpace

__all__ = ["NormalizedSoftmax"]


@register_loss(
    "normalized_softmax",
    search_space=SearchSpace((SCALE,)),
    figure=FigureSettings(
        "Normalized softmax",
        "Only directions count, but nothing demands a gap.",
        {"scale": 16.0},
        "s = 16",
        boundary=Boundary("θ₁ < θ₂"),
    ),
)
class NormalizedSoftmax(Head):
    """Cross-entropy over ``s·cos θ_j``: only directions of embeddings and class weights count.

    For ``C`` evenly spread classes the loss is at least ``log(1 + (C-1)·e^(-s·C/(C-1)))``, which is
    large if the scale is small. Averaged over the batch.

    Source: NormFace, arXiv 1704.06369.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Example:
        >>> import torch
        >>> from likewise.losses import NormalizedSoftmax
        >>> loss = NormalizedSoftmax(num_classes=10, embedding_dim=4, scale="auto")
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    margin: float = fixed(0.0)
    gradient: Gradient = fixed("exact")

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:  # noqa: ARG002 (there is none)
        """The cosine itself."""
        return cosine
