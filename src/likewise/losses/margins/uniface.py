"""UniFace: one threshold that separates all positive pairs from all negative ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from likewise.losses.head.arguments import fixed, number
from likewise.losses.head.head import Head
from likewise.losses.head.reduction import Logistic, Reduction
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
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

    A softmax only requires that the own class comes first among all classes of a sample; here
    ``b/s`` is one threshold for all samples, as in verification. Averaged over the batch; the sum
    over classes is not divided by their number.

    Source: UniFace (unified cross-entropy, USS), ICCV 2023.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, in cosine, from 0 to 2.
        gradient: ``"exact"`` and ``"detached"`` are the same here, because a shift has slope 1.

    Attributes:
        bias: b, a parameter, initially ``ln(10·C)``.

    Example:
        >>> import torch
        >>> from likewise.losses import UniFace
        >>> loss = UniFace(num_classes=10, embedding_dim=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    takes_prototypes = False
    label_smoothing: float = fixed(0.0)  # a decision on each class has no softmax
    margin: float = number(default=0.4, least=0, most=2)

    def __post_init__(self) -> None:
        """Add the bias."""
        super().__post_init__()
        self.bias = nn.Parameter(torch.tensor(math.log(10 * self.num_classes)))

    def offset(self) -> Tensor:
        """``-b``."""
        return -self.bias

    def reduce(self, target: Tensor) -> Reduction:
        """Logistic, all decisions with weight one."""
        return Logistic(target)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos θ - m``."""
        return cosine - margin
