"""MagFace: longer embeddings get a larger margin, and are drawn to be long."""

from __future__ import annotations

import math

from torch import Tensor

from likewise.losses.checks import check_number
from likewise.losses.head.head import MEMORY_BUDGET, Gradient, Head, Scale
from likewise.losses.margins.angle import angle, falling_cosine

__all__ = ["MagFace"]


class MagFace(Head):
    """ArcFace whose margin grows with the embedding's length, plus a reward for length.

    With ``a = ‖z‖`` clipped to ``[norm_low, norm_high]`` the margin ``m(a)`` goes straight from
    ``margin_low`` to ``margin_high``, and ``λ(1/a + a/norm_high²)`` is added: easy samples move
    out, hard ones stay in, and the length tells the quality of the photo. Where the length is
    clipped it gets no gradient; elsewhere it gets all of it, the margin's too. Averaged over the
    batch, the reward as well.

    Source: MagFace, arXiv 2103.06627. See :class:`~likewise.losses.Head` for shapes, attributes
    and errors.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        margin_low: in radians.
        margin_high: in radians, from ``margin_low`` to π.
        norm_low: above 0.
        norm_high: above ``norm_low``.
        regularization: λ, at least 0.
        scale: s, or ``"auto"`` (see :func:`~likewise.losses.automatic_scale`).
        gradient: ``"exact"``, or ``"detached"``: the target logit has the slope of the cosine,
            and the margin gives none to the length.
        memory_budget: bytes that the logits held at one time may take.

    Example:
        >>> import torch
        >>> from likewise.losses import MagFace
        >>> loss = MagFace(num_classes=10, embedding_dim=4)
        >>> loss(20 * torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        margin_low: float = 0.45,
        margin_high: float = 0.8,
        norm_low: float = 10.0,
        norm_high: float = 110.0,
        regularization: float = 35.0,
        scale: Scale = 64.0,
        gradient: Gradient = "exact",
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        low = check_number("margin_low", margin_low, least=0)
        super().__init__(
            num_classes,
            embedding_dim,
            scale=scale,
            margin=check_number("margin_high", margin_high, least=low, most=math.pi),
            gradient=gradient,
            memory_budget=memory_budget,
        )
        self.margin_low, self.margin_high = low, self.margin
        self.norm_low = check_number("norm_low", norm_low, above=0)
        self.norm_high = check_number("norm_high", norm_high, above=self.norm_low)
        self.regularization = check_number("regularization", regularization, least=0)

    def margins(self, norms: Tensor) -> Tensor:
        """``m(a)`` of each row, [B]."""
        way = (self._clipped(norms) - self.norm_low) / (self.norm_high - self.norm_low)
        margin = self.margin_low + (self.margin_high - self.margin_low) * way
        return margin * self.margin_fraction

    def penalty(self, norms: Tensor) -> Tensor:
        """``λ(1/a + a/norm_high²)``, averaged."""
        a = self._clipped(norms)
        return self.regularization * (1 / a + a / self.norm_high**2).sum() / max(len(a), 1)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos(θ + m(a))``, falling all the way."""
        return falling_cosine(angle(cosine) + margin)

    def _clipped(self, norms: Tensor) -> Tensor:
        return norms.clamp(self.norm_low, self.norm_high)
