"""ElasticFace: the margin of each photo is drawn anew in each step, around that of the others."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from likewise.losses.head.arguments import number
from likewise.losses.head.head import Head
from likewise.losses.margins.angle import angle, falling_cosine
from likewise.losses.margins.normal_draws import NormalDraws
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import SCALE, Hyperparameter, SearchSpace

__all__ = ["ElasticArcFace", "ElasticCosFace"]


class _Elastic(Head):
    """Margins that are drawn, and with ``plus`` handed out by the cosine to the own class."""

    deviation: float = number(default=0.05, least=0)
    plus: bool = False

    def __post_init__(self) -> None:
        """Add the random numbers."""
        super().__post_init__()
        self.draws = NormalDraws(self.placement.seed)

    def margins(self, norms: Tensor) -> Tensor:
        """Drawn margins [B] in training; m itself in evaluation."""
        mean = super().margins(norms)
        if not self.training:
            return mean
        drawn = self.draws.draw(len(norms)).to(norms)
        return mean + self.deviation * self.margin_fraction * drawn

    def _handed_out(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """The margin of each row [B]: with ``plus``, the largest for the lowest cosine."""
        if not self.plus or margin.ndim == 0:
            return margin
        nearest_first = cosine.detach().argsort(descending=True, stable=True)
        return torch.empty_like(margin).scatter(0, nearest_first, margin.sort().values)

    def extra_repr(self) -> str:
        """The arguments that ``print`` shows."""
        return f"{super().extra_repr()}, deviation={self.deviation:g}, plus={self.plus}"


@register_loss(
    "elastic_arcface",
    search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.6), SCALE)),
    figure=FigureSettings(
        "ElasticFace-Arc",
        "ArcFace whose margin is drawn anew for each photo in each step.",
        {"scale": 16.0, "margin": 0.3},
        "s = 16, m = 0.3 ± 0.05",
        boundary=Boundary(
            "θ₁ + m < θ₂, m drawn from N(0.5, 0.05²)",
            (
                Curve("cos(θ + m), m = 0.5"),
                Curve("m = 0.6, two deviations above", {"margin": 0.6}),
                Curve("m = 0.4, two deviations below", {"margin": 0.4}),
            ),
        ),
    ),
)
class ElasticArcFace(_Elastic):
    """ArcFace with a margin drawn for each row in each step: ``m_i ~ N(m, σ²)``.

    The target logit is ``s·cos(θ_y + m_i)`` among ``s·cos θ_j``. With ``plus`` (ElasticFace-Arc+)
    the margins drawn for a batch are sorted: the row with the lowest cosine to its own class gets
    the largest, the one with the highest the smallest. Margins have no gradient; a margin fraction
    scales m and σ. In evaluation the margin is m. Beyond π as in :class:`~likewise.losses.ArcFace`.
    Averaged over the batch.

    What is drawn depends on the seed of the placement and on the number of steps, which is a
    buffer: it is the same on all ranks, and a checkpoint continues it.

    Source: ElasticFace, arXiv 2109.09416. (The authors' code for ``plus`` sorts the margins, but
    then does not put each at its row; here it is done as the paper says.)
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, the mean margin, in radians, from 0 to π.
        deviation: σ, in radians; 0.05, with ``plus`` 0.0175 in the paper.
        plus: hand out the margins by the cosine, the largest to the farthest row.

    Attributes:
        draws: the random numbers; its ``state`` [2] holds the seed and the number of steps.

    Example:
        >>> import torch
        >>> from likewise.losses import ElasticArcFace
        >>> loss = ElasticArcFace(num_classes=10, embedding_dim=4, deviation=0.0175, plus=True)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    margin: float = number(default=0.5, least=0, most=math.pi)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos(θ + m_i)``; it keeps falling past π."""
        return falling_cosine(angle(cosine) + self._handed_out(cosine, margin))


@register_loss(
    "elastic_cosface",
    search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.5), SCALE)),
    figure=FigureSettings(
        "ElasticFace-Cos",
        "CosFace whose margin is drawn anew for each photo in each step.",
        {"scale": 16.0, "margin": 0.2},
        "s = 16, m = 0.2 ± 0.05",
        boundary=Boundary(
            "cos θ₁ - m > cos θ₂, m drawn from N(0.35, 0.05²)",
            (
                Curve("cos θ - m, m = 0.35"),
                Curve("m = 0.45, two deviations above", {"margin": 0.45}),
                Curve("m = 0.25, two deviations below", {"margin": 0.25}),
            ),
        ),
    ),
)
class ElasticCosFace(_Elastic):
    """CosFace with a margin drawn for each row in each step: ``m_i ~ N(m, σ²)``.

    The target logit is ``s·(cos θ_y - m_i)`` among ``s·cos θ_j``. How margins are drawn, and what
    ``plus`` does: see :class:`~likewise.losses.ElasticArcFace`. Averaged over the batch.

    Source: ElasticFace, arXiv 2109.09416.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, the mean margin, in cosine, from 0 to 2.
        deviation: σ, in cosine; 0.05, with ``plus`` 0.02 in the authors' code.
        plus: hand out the margins by the cosine, the largest to the farthest row.

    Attributes:
        draws: the random numbers; its ``state`` [2] holds the seed and the number of steps.

    Example:
        >>> import torch
        >>> from likewise.losses import ElasticCosFace
        >>> loss = ElasticCosFace(num_classes=10, embedding_dim=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    margin: float = number(default=0.35, least=0, most=2)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos θ - m_i``."""
        return cosine - self._handed_out(cosine, margin)
