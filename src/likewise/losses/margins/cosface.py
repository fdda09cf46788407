"""CosFace: a margin taken off the cosine."""

from __future__ import annotations

from torch import Tensor

from likewise.losses.head.head import MEMORY_BUDGET, Gradient, Head, Scale

__all__ = ["CosFace"]


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

    most_margin = 2.0

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        margin: float = 0.35,
        scale: Scale = 64.0,
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
        )

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos θ - m``."""
        return cosine - margin
