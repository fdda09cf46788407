"""The baseline: a linear classifier and cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.losses.anchors import Anchors, anchors_alone
from likewise.losses.checks import check_batch, check_loss_finite, check_rows_finite
from likewise.losses.classes.class_weights import allocate_rows, draw_rows
from likewise.losses.classes.placement import current_placement
from likewise.losses.classes.step_classes import all_columns
from likewise.losses.head.head import WEIGHTS_NOT_FINITE
from likewise.losses.head.scores import class_cosines, in_full_precision
from likewise.losses.head.sharded_cross_entropy import sharded_cross_entropy
from likewise.losses.loss import Loss
from likewise.losses.registration import Boundary, FigureSettings, register_loss
from likewise.losses.sample_weights import (
    ReductionName,
    check_reduction,
    check_weights,
    reduce_losses,
)

__all__ = ["Softmax"]


@register_loss(
    "softmax",
    figure=FigureSettings(
        "Softmax",
        "Length lowers the loss as well as compactness: classes fill their sectors and touch.",
        {"bias": False},
        "no bias, no margin",
        boundary=Boundary("θ₁ < θ₂  (equal ‖w‖, no bias)"),
    ),
)
class Softmax(Loss):
    """Cross-entropy over ``<w_j, z> + b_j``, with no margin and nothing normalised.

    It is torch's own cross-entropy with the interface of the family: float32 under any autocast,
    ``hits``, and the same errors. Averaged over the batch. Its classes can be sharded over ranks
    (see :func:`~likewise.losses.place_classes`), but not sampled: use
    :class:`~likewise.losses.NormalizedSoftmax` for that.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        bias: whether each class has a bias.
        label_smoothing: ε, from 0 to below 1, as in ``F.cross_entropy``.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of a sample is its loss.

    Attributes:
        weight: class weights [C, D], or the rows of this rank's own classes.
        bias: [C], or of this rank's own classes; or None.
        hits: after a call, [B] bool: whether the label's logit is above all others.
        compared: how many classes a call compares with.

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

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        bias: bool = True,
        label_smoothing: float = 0.0,
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__()
        self.label_smoothing = check_number("label_smoothing", label_smoothing, least=0, below=1)
        self.reduction = check_reduction(reduction)
        self.num_classes = check_count("num_classes", num_classes)
        self.embedding_dim = check_count("embedding_dim", embedding_dim)
        placement = current_placement()
        if placement.sampled:
            raise InputError(
                "softmax: its classes cannot be sampled or memory-mapped, because every step "
                "changes the bias of each; use normalized_softmax"
            )
        self.shard = placement.shard
        self.weight = allocate_rows(placement, self.num_classes, 1, self.embedding_dim)
        self.bias = nn.Parameter(torch.zeros(len(self.weight))) if bias else None
        self._hits = torch.zeros(0, dtype=torch.bool)
        self._compared = self.num_classes
        draw_rows(self.weight, *self.own_class_rows()["weight"], embedding_dim**-0.5)

    def own_class_rows(self) -> dict[str, tuple[int, int]]:
        """The first of this rank's rows among the rows of all classes, and how many those are."""
        rows = (self.shard.span(self.num_classes).start, self.num_classes)
        return {"weight": rows} if self.bias is None else {"weight": rows, "bias": rows}

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        anchors: Anchors = None,
        *,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The loss of embeddings [B, D] with int64 labels [B]; see ``Head``."""
        embeddings, labels = anchors_alone(embeddings, labels, anchors)
        check_batch("Softmax", embeddings, labels, self.weight, self.num_classes)
        with torch.autocast(embeddings.device.type, enabled=False):
            dtype = torch.promote_types(embeddings.dtype, self.weight.dtype)
            dtype = torch.promote_types(dtype, torch.float32)
            embeddings = embeddings.to(dtype)
            check_rows_finite("Softmax", embeddings.detach())
            weights = check_weights("Softmax", weights, embeddings)
            bias = None if self.bias is None else self.bias.to(dtype)
            logits = F.linear(self.shard.partial(embeddings), self.weight.to(dtype), bias)
            if self.shard.processes > 1:
                columns = all_columns(labels, self.num_classes, self.shard, sparse=False)
                losses, self._hits = sharded_cross_entropy(logits, columns, self.label_smoothing)
            else:
                own = logits.detach().gather(1, labels[:, None])
                self._hits = (logits.detach() >= own).sum(1) == 1
                losses = F.cross_entropy(
                    logits, labels, reduction="none", label_smoothing=self.label_smoothing
                )
            loss = reduce_losses(losses, self.reduction, weights)
        check_loss_finite("Softmax", loss, lambda: WEIGHTS_NOT_FINITE)
        return loss

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosines of embeddings [B, D] with each class weight [B, C], as of a head.

        Raises:
            InputError: a wrong shape, dtype or device, or embeddings that are not finite.
        """
        embeddings = in_full_precision("Softmax", embeddings, self.weight)
        return class_cosines(embeddings, self.weight)[0]

    def logits(self, embeddings: Tensor) -> Tensor:
        """``<w_j, z> + b_j`` of embeddings [B, D] for each class, [B, C], as of a head."""
        embeddings = in_full_precision("Softmax", embeddings, self.weight)
        bias = None if self.bias is None else self.bias.to(embeddings)
        with torch.autocast(embeddings.device.type, enabled=False):
            return F.linear(embeddings, self.weight.to(embeddings), bias)
