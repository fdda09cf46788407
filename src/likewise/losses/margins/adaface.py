"""AdaFace: the margin depends on the quality of the photo, estimated by the embedding's length."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.losses.head.arguments import buffer, number
from likewise.losses.head.head import Head
from likewise.losses.margins.angle import angle
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import SCALE, Hyperparameter, SearchSpace

__all__ = ["AdaFace"]

# Distance of the angle from 0 and π, and of the deviation from 0, as in the authors' code.
_EPSILON = 1e-3


@register_loss(
    "adaface",
    search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.5), SCALE), {"rate": 0.05}),
    figure=FigureSettings(
        "AdaFace",
        "Good photos get their margin on the cosine, bad photos on the angle.",
        {"scale": 16.0, "margin": 0.2, "rate": 0.05},
        "s = 16, m = 0.2",
        boundary=Boundary(
            "cos(θ₁ - m·q) - (m + m·q) > cos θ₂",
            # Lengths that differ from the mean by a deviation or more saturate the quality.
            tuple(
                Curve(label, buffers={"norm_mean": 50.0, "norm_deviation": 10.0}, norm=norm)
                for label, norm in (
                    ("q = 0, m = 0.4", 50.0),
                    ("q = 1: good photo", 99.0),
                    ("q = -1: bad photo", 1.0),
                )
            ),
        ),
    ),
)
class AdaFace(Head):
    """Cross-entropy with target ``s·[cos(θ_y - m·q) - (m + m·q)]`` among ``s·cos θ_j``.

    The quality ``q = clip(h·(‖z‖ - μ)/(σ + ε), -1, 1)`` compares an embedding's length, clipped to
    [0.001, 100] and without gradient, with the running mean and deviation of the lengths. For good
    photos (q = 1) the margin is subtracted from the cosine, for bad ones (q = -1) it is added to
    the angle. The angle ``θ_y - m·q`` is clipped to [ε, π - ε], where its slope is zero; ε = 0.001.
    In training, each batch updates μ and σ before they are used; a batch of one sample updates μ
    only. Averaged over the batch.

    Source: AdaFace, arXiv 2204.00964.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, in radians and in cosine, from 0 to π/2.
        concentration: h; the smaller it is, the closer are the qualities of a batch to 0.
        rate: weight of a batch in the running μ and σ, from 0 to 1.

    Attributes:
        norm_mean: μ, a buffer, initially 20.
        norm_deviation: σ, a buffer, initially 100.

    Example:
        >>> import torch
        >>> from likewise.losses import AdaFace
        >>> loss = AdaFace(num_classes=10, embedding_dim=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    margin: float = number(default=0.4, least=0, most=math.pi / 2)
    concentration: float = number(default=0.333, above=0)
    rate: float = number(default=0.01, least=0, most=1)
    norm_mean: Tensor = buffer(20.0)
    norm_deviation: Tensor = buffer(100.0)

    def margins(self, norms: Tensor) -> Tensor:
        """The quality ``q`` of each row, [B]."""
        norms = norms.detach().clamp(0.001, 100.0)
        if self.training:
            self._observe(norms)
        spread = self.norm_deviation.to(norms.dtype) + _EPSILON
        quality = (norms - self.norm_mean.to(norms.dtype)) / spread * self.concentration
        return quality.clamp(-1.0, 1.0)

    def _observe(self, norms: Tensor) -> None:
        if len(norms) > 0:
            self.norm_mean.lerp_(norms.mean().to(self.norm_mean.dtype), self.rate)
        if len(norms) > 1:  # the deviation of one length is NaN, and σ would stay NaN
            self.norm_deviation.lerp_(norms.std().to(self.norm_deviation.dtype), self.rate)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos(θ - m·q) - (m + m·q)``; ``margin`` holds the qualities."""
        m = self.margin * self.margin_fraction
        turned = (angle(cosine) - m * margin).clamp(_EPSILON, math.pi - _EPSILON)
        return turned.cos() - (m + m * margin)
