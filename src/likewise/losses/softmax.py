"""The baseline: a linear classifier and cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from likewise.errors import InputError
from likewise.losses.checks import (
    check_count,
    check_embeddings,
    check_labels,
    check_number,
    check_rows_finite,
)

__all__ = ["Softmax"]


class Softmax(nn.Module):
    """Cross-entropy over ``<w_j, z> + b_j``, with no margin and nothing normalised.

    There is nothing to fuse here, so it is torch's own cross-entropy, behind the interface of the
    family: float32 under any autocast, ``hits``, and the same errors. Averaged over the batch.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        bias: whether each class has one.

    Attributes:
        weight: class weights [C, D].
        bias: [C], or None.
        hits: after a call, [B] bool: is the class with the largest logit the label?

    Raises:
        InputError: a wrong shape, dtype or device, a label out of range, embeddings not finite.

    Example:
        >>> import torch
        >>> from likewise.losses import Softmax
        >>> loss = Softmax(num_classes=10, embedding_dim=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    hits: Tensor

    def __init__(self, num_classes: int, embedding_dim: int, *, bias: bool = True) -> None:
        super().__init__()
        self.num_classes = check_count("num_classes", num_classes)
        self.embedding_dim = check_count("embedding_dim", embedding_dim)
        self.weight = nn.Parameter(torch.empty(num_classes, embedding_dim))
        self.bias = nn.Parameter(torch.zeros(num_classes)) if bias else None
        self.register_buffer("hits", torch.zeros(0, dtype=torch.bool), persistent=False)
        nn.init.normal_(self.weight, std=embedding_dim**-0.5)

    def set_margin_fraction(self, fraction: float) -> None:
        """Accept any fraction in [0, 1]: there is no margin to scale."""
        check_number("fraction", fraction, least=0, most=1)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of embeddings [B, D] with int64 labels [B]."""
        check_embeddings(embeddings, self.embedding_dim)
        if embeddings.device != self.weight.device:
            raise InputError(
                f"embeddings: on {embeddings.device}; must be on {self.weight.device}, "
                "beside the class weights"
            )
        check_labels(labels, embeddings, self.num_classes)
        with torch.autocast(embeddings.device.type, enabled=False):
            dtype = torch.promote_types(embeddings.dtype, self.weight.dtype)
            dtype = torch.promote_types(dtype, torch.float32)
            embeddings = embeddings.to(dtype)
            check_rows_finite("Softmax", torch.linalg.vector_norm(embeddings.detach(), dim=1))
            bias = None if self.bias is None else self.bias.to(dtype)
            logits = F.linear(embeddings, self.weight.to(dtype), bias)
            self.hits = logits.detach().argmax(1) == labels
            # A mean over no row would be NaN.
            return F.cross_entropy(logits, labels, reduction="sum") / max(len(labels), 1)
