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
    check_loss_finite,
    check_number,
    check_rows_finite,
)
from likewise.losses.classes.class_weights import allocate_rows, draw_rows
from likewise.losses.classes.placement import current_placement
from likewise.losses.classes.step_classes import all_columns
from likewise.losses.head.shared_cross_entropy import shared_cross_entropy
from likewise.losses.wrappers.sum import Composable

__all__ = ["Softmax"]


class Softmax(Composable):
    """Cross-entropy over ``<w_j, z> + b_j``, with no margin and nothing normalised.

    There is nothing to fuse here, so it is torch's own cross-entropy, behind the interface of the
    family: float32 under any autocast, ``hits``, and the same errors. Averaged over the batch.
    Its classes can be shared out over processes (see :func:`~likewise.losses.place_classes`), but
    not sampled: that is what :class:`~likewise.losses.NormalizedSoftmax` is for.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        bias: whether each class has one.

    Attributes:
        weight: class weights [C, D], or the rows of this process's own classes.
        bias: [C], or as many; or None.
        hits: after a call, [B] bool: is the label's logit above all others?
        compared: how many classes a call compares with: chance hits one in so many.

    Raises:
        InputError: a wrong shape, dtype or device, a label out of range, embeddings not finite;
            classes that are to be sampled.

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
        placement = current_placement()
        if placement.sampled:
            raise InputError(
                "softmax: its classes cannot be sampled or memory-mapped, as each has a bias that "
                "every step moves; normalized_softmax can"
            )
        self.shard = placement.shard
        self.weight = allocate_rows(placement, self.num_classes, 1, self.embedding_dim)
        self.bias = nn.Parameter(torch.zeros(len(self.weight))) if bias else None
        self.register_buffer("hits", torch.zeros(0, dtype=torch.bool), persistent=False)
        self.compared = self.num_classes
        draw_rows(self.weight, *self.own_class_rows()["weight"], embedding_dim**-0.5)

    def own_class_rows(self) -> dict[str, tuple[int, int]]:
        """The first of its rows among those of all classes, and how many all are."""
        rows = (self.shard.span(self.num_classes).start, self.num_classes)
        return {"weight": rows} if self.bias is None else {"weight": rows, "bias": rows}

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
            check_rows_finite("Softmax", embeddings.detach())
            bias = None if self.bias is None else self.bias.to(dtype)
            logits = F.linear(self.shard.partial(embeddings), self.weight.to(dtype), bias)
            if self.shard.processes > 1:
                columns = all_columns(labels, self.num_classes, self.shard, sparse=False)
                loss, self.hits = shared_cross_entropy(logits, columns)
            else:
                own = logits.detach().gather(1, labels[:, None])
                self.hits = (logits.detach() >= own).sum(1) == 1
                # A mean over no row would be NaN.
                loss = F.cross_entropy(logits, labels, reduction="sum") / max(len(labels), 1)
        check_loss_finite("Softmax", loss)
        return loss
