"""UniFace: one threshold that parts every positive pair from every negative one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from likewise.losses.head.head import MEMORY_BUDGET, Gradient, Head, Scale
from likewise.losses.head.reduction import Logistic, Reduction

__all__ = ["UniFace"]


class UniFace(Head):
    """``log(1 + e^-(s(c_y-m)-b)) + Σ_{j≠y} log(1 + e^(s·c_j-b))``, with one learned ``b``.

    A softmax only asks that the own class come first among those in its row; here ``b/s`` is one
    threshold for all, as verification has. Averaged over the batch; the sum over classes is not
    divided by their number.

    Source: UniFace (unified cross-entropy, USS), ICCV 2023. See :class:`~likewise.losses.Head`
    for shapes, attributes and errors.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        margin: m, in cosine, from 0 to 2.
        scale: s, or ``"auto"`` (see :func:`~likewise.losses.automatic_scale`).
        gradient: ``"exact"`` or ``"detached"``: here the same, as a shift has slope one.
        memory_budget: bytes that the logits held at one time may take.

    Attributes:
        bias: b, a parameter, at first ``ln(10·C)``.

    Example:
        >>> import torch
        >>> from likewise.losses import UniFace
        >>> loss = UniFace(num_classes=10, embedding_dim=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    most_margin = 2.0

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        margin: float = 0.4,
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
        self.bias = nn.Parameter(torch.tensor(math.log(10 * self.num_classes)))

    def offset(self) -> Tensor:
        """``-b``."""
        return -self.bias

    def reduce(self, target: Tensor) -> Reduction:
        """Logistic, every decision with weight one."""
        return Logistic(target)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos θ - m``."""
        return cosine - margin
