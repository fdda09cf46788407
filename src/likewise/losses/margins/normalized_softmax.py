"""NormFace: softmax over cosines."""

from __future__ import annotations

from torch import Tensor

from likewise.losses.figure_settings import Boundary, FigureSettings
from likewise.losses.head.arguments import fixed
from likewise.losses.head.head import Gradient, Head
from likewise.losses.registration import register_loss
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
    """Cross-entropy over ``s·cos θ_j``: embeddings and class weights count by direction only.

    The floor of the loss, for ``C`` evenly spread classes, is ``log(1 + (C-1)·e^(-s·C/(C-1)))``:
    with a small scale it cannot be small. Averaged over the batch.

    Source: NormFace, arXiv 1704.06369. See :class:`~likewise.losses.Head` for shapes, attributes
    and errors.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        scale: s, or ``"auto"`` (see :func:`~likewise.losses.automatic_scale`).
        memory_budget: bytes that the logits held at one time may take.

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
