"""SphereFace2: one binary decision per class instead of a softmax over all classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from likewise.losses.head.arguments import fixed, number
from likewise.losses.head.head import Head
from likewise.losses.head.reduction import Logistic, Reduction
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import Hyperparameter, SearchSpace

__all__ = ["SphereFace2"]


@register_loss(
    "sphereface2",
    search_space=SearchSpace(
        (Hyperparameter("margin", 0.05, 0.5), Hyperparameter("scale", 4.0, 40.0, log=True))
    ),
    figure=FigureSettings(
        "SphereFace2",
        "A binary decision for each class, each with its margin.",
        {"scale": 6.0, "margin": 0.1},
        "r = 6, m = 0.1, λ = 0.7",
        loss_lr=1e-3,
        spread=True,
        boundary=Boundary(
            "g(cos θ₁) - m > -b/r  and  g(cos θ₂) + m < -b/r",
            (Curve("g(cos θ) - m, m = 0.4"),),
            others="g(cos θ) + m",
            largest_angle=math.pi,
        ),
    ),
)
class SphereFace2(Head):
    """``λ/r·log(1 + e^-(r(g(c_y)-m)+b)) + (1-λ)/r·Σ_{j≠y} log(1 + e^(r(g(c_j)+m)+b))``.

    ``g(x) = 2((x+1)/2)^t - 1`` spreads large cosines. Each class is decided independently, without
    a sum over all classes. Averaged over the batch; the sum over classes is not divided by their
    number.

    Source: SphereFace2, arXiv 2108.01513.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, in cosine, from 0 to 2.
        scale: r, a number above 0.
        positive_weight: λ, between 0 and 1.
        exponent: t, at least 1.
        gradient: ``"exact"``, or ``"detached"``: every logit has the slope of its cosine, as in
            the authors' code.

    Attributes:
        bias: b, a parameter; initially the gradients of positives and negatives cancel for random
            embeddings.

    Example:
        >>> import torch
        >>> from likewise.losses import SphereFace2
        >>> loss = SphereFace2(num_classes=10, embedding_dim=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    takes_prototypes = False
    label_smoothing: float = fixed(0.0)  # a decision on each class has no softmax
    scale: float = number(default=40.0, above=0)
    margin: float = number(default=0.4, least=0, most=2)
    positive_weight: float = number(default=0.7, above=0, below=1)
    exponent: float = number(default=3.0, least=1)

    def __post_init__(self) -> None:
        """Add the bias."""
        super().__post_init__()
        at_zero = 2 * 0.5**self.exponent - 1  # g(0): random embeddings have cosines near 0
        self.bias = nn.Parameter(
            torch.tensor(
                balanced_bias(
                    self.scale * (at_zero - self.margin),
                    self.scale * (at_zero + self.margin),
                    self.positive_weight,
                    (1 - self.positive_weight) * (self.num_classes - 1),
                )
            )
        )

    def offset(self) -> Tensor:
        """The bias."""
        return self.bias

    def reduce(self, target: Tensor) -> Reduction:
        """Logistic, weighted λ/r and (1-λ)/r."""
        return Logistic(
            target,
            positive=self.positive_weight / self.scale,
            negative=(1 - self.positive_weight) / self.scale,
        )

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``g(c) - m``."""
        return self.unmargined(cosine) - margin

    def others(self, cosine: Tensor, target: Tensor) -> Tensor:  # noqa: ARG002 (not needed)
        """``g(c) + m``."""
        return self.unmargined(cosine) + self.margin * self.margin_fraction

    def unmargined(self, cosine: Tensor) -> Tensor:
        """``g(c)``."""
        # Due to rounding a cosine may be below -1, where a power is NaN.
        return 2 * ((cosine + 1) / 2).clamp(min=0).pow(self.exponent) - 1


def balanced_bias(target: float, other: float, positive: float, negative: float) -> float:
    """The bias ``b`` with ``positive·σ(-(target + b)) = negative·σ(other + b)``.

    With it the gradient of the one positive logit balances that of all negative ones. Zero if there
    is no negative.

    With ``v = e^(other+b)``, ``z = positive/negative`` and ``q = e^(target-other)`` it is the
    positive root of ``q·v² + (1-z)·v - z = 0``.
    """
    if negative == 0:
        return 0.0
    z, q = positive / negative, math.exp(target - other)
    root = math.sqrt((1 - z) ** 2 + 4 * q * z)
    # Two forms of the same root; each cancels in the range of the other.
    if z < 1:
        return math.log(2 * z / (1 - z + root)) - other
    return math.log((z - 1 + root) / 2) - target
