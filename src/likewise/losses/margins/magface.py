"""MagFace: longer embeddings get a larger margin, and length is rewarded."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.arguments import check_number
from likewise.losses.head.arguments import fixed, number
from likewise.losses.head.head import Head
from likewise.losses.margins.angle import angle, falling_cosine
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import SCALE, Hyperparameter, SearchSpace

__all__ = ["MagFace"]


@register_loss(
    "magface",
    search_space=SearchSpace(
        (Hyperparameter("regularization", 0.1, 30.0, log=True), SCALE),
        {"margin_low": 0.2, "margin_high": 0.5, "norm_low": 2.0, "norm_high": 20.0},
    ),
    figure=FigureSettings(
        "MagFace",
        "Longer embeddings get a larger margin, and length is rewarded.",
        {
            "scale": 16.0,
            "margin_low": 0.2,
            "margin_high": 0.4,
            "norm_low": 0.2,
            "norm_high": 4.0,
            "regularization": 0.1,
        },
        "s = 16, m = 0.2…0.4 over ‖z‖ = 0.2…4",
        boundary=Boundary(
            "θ₁ + m(‖z‖) < θ₂",
            (
                Curve("‖z‖ = 60: m = 0.62", norm=60.0),
                Curve("‖z‖ = 110: m = 0.80", norm=110.0),
                Curve("‖z‖ = 10: m = 0.45", norm=10.0),
            ),
        ),
    ),
)
class MagFace(Head):
    """ArcFace with a margin that grows with the embedding's length, plus a reward for length.

    With ``a = ‖z‖`` clipped to ``[norm_low, norm_high]``, the margin ``m(a)`` rises linearly from
    ``margin_low`` to ``margin_high``, and ``λ(1/a + a/norm_high²)`` is added. Easy samples become
    long, hard ones stay short, so the length measures the quality of the photo. A clipped length
    gets no gradient; otherwise the gradient of the length includes that of the margin. Loss and
    reward are averaged over the batch.

    Source: MagFace, arXiv 2103.06627.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin_low: in radians.
        margin_high: in radians, from ``margin_low`` to π.
        norm_low: above 0.
        norm_high: above ``norm_low``.
        regularization: λ, at least 0.
        gradient: ``"exact"``, or ``"detached"``: the target logit has the slope of the cosine,
            and the margin has no gradient with respect to the length.

    Example:
        >>> import torch
        >>> from likewise.losses import MagFace
        >>> loss = MagFace(num_classes=10, embedding_dim=4)
        >>> loss(20 * torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    margin: float = fixed(0.0)
    margin_low: float = number(default=0.45, least=0)
    margin_high: float = number(default=0.8, least=0, most=math.pi)
    norm_low: float = number(default=10.0, above=0)
    norm_high: float = number(default=110.0, above=0)
    regularization: float = number(default=35.0, least=0)

    def __post_init__(self) -> None:
        """Check that each range has a lower and an upper end."""
        check_number("margin_high", self.margin_high, least=self.margin_low, most=math.pi)
        check_number("norm_high", self.norm_high, above=self.norm_low)
        self.margin = self.margin_high
        super().__post_init__()

    def margins(self, norms: Tensor) -> Tensor:
        """``m(a)`` of each row, [B]."""
        position = (self._clipped(norms) - self.norm_low) / (self.norm_high - self.norm_low)
        margin = self.margin_low + (self.margin_high - self.margin_low) * position
        return margin * self.margin_fraction

    def penalty(self, norms: Tensor) -> Tensor:
        """``λ(1/a + a/norm_high²)`` of each row."""
        a = self._clipped(norms)
        return self.regularization * (1 / a + a / self.norm_high**2)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos(θ + m(a))``; it keeps falling past π."""
        return falling_cosine(angle(cosine) + margin)

    def _clipped(self, norms: Tensor) -> Tensor:
        return norms.clamp(self.norm_low, self.norm_high)
