"""UniFace: one threshold that parts every positive pair from every negative one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from likewise.losses.figure_settings import Boundary, Curve, FigureSettings
from likewise.losses.head.arguments import number
from likewise.losses.head.head import Head
from likewise.losses.head.reduction import Logistic, Reduction
from likewise.losses.registration import register_loss
from likewise.losses.search_space import SCALE, Hyperparameter, SearchSpace

__all__ = ["UniFace"]


@register_loss(
    "uniface",
    search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.5), SCALE)),
    figure=FigureSettings(
        "UniFace",
        "A single threshold separates all genuine pairs from all impostor pairs.",
        {"scale": 5.0, "margin": 0.05},
        "s = 5, m = 0.05",
        boundary=Boundary(
            "cos θ₁ - m > b/s  and  cos θ₂ < b/s",
            (Curve("cos θ - m, m = 0.4"),),
            largest_angle=math.pi,
        ),
    ),
)
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

    takes_prototypes = False
    margin: float = number(default=0.4, least=0, most=2)

    def __post_init__(self) -> None:
        """Add the bias."""
        super().__post_init__()
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
