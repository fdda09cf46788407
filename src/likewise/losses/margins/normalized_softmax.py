"""NormFace: softmax over cosines."""

from __future__ import annotations

from torch import Tensor

from likewise.losses.head.head import MEMORY_BUDGET, Head, Scale

__all__ = ["NormalizedSoftmax"]


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

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        scale: Scale = 64.0,
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__(num_classes, embedding_dim, scale=scale, memory_budget=memory_budget)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:  # noqa: ARG002 (there is none)
        """The cosine itself."""
        return cosine
