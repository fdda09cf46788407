"""SphereFace and L-Softmax: the angle to the own class is multiplied by m."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from likewise.losses.head.arguments import count, fixed, number
from likewise.losses.head.head import Head, Scale
from likewise.losses.margins.angle import angle, falling_cosine
from likewise.losses.registration import Boundary, Curve, FigureSettings, register_loss
from likewise.losses.search_space import Hyperparameter, SearchSpace

__all__ = ["Annealing", "LSoftmax", "SphereFace"]

# λ falls from 10 to its minimum within 200 steps.
_SPACE = SearchSpace(
    (
        Hyperparameter("minimum", 0.3, 8.0, log=True),
        Hyperparameter("margin", 2, 4, whole=True),
    ),
    {"base": 10.0, "gamma": 0.1, "power": 1.0},
)
_MILD = {"base": 10.0, "gamma": 0.02, "power": 1.0, "minimum": 0.0}  # λ: from 10 to 0.8


def _curves(margin: int) -> tuple[Curve, ...]:
    """ψ itself, and its blend with the cosine at the λ that SphereFace's schedule ends with."""
    return tuple(
        Curve(label, {"margin": margin, "base": weight, "minimum": weight})
        for label, weight in ((f"ψ(θ), m = {margin}", 0.0), ("blended, λ = 5", 5.0))
    )


class Annealing(nn.Module):
    """``λ = max(λ_min, base·(1 + γ·step)^-p)``: the weight of the plain logit in the target.

    The step counts calls in training, from zero. It is a buffer, so checkpoints keep it.

    Source: L-Softmax, arXiv 1612.02295, and SphereFace, arXiv 1704.08063, section 3.4.

    Args:
        base: λ at the first step.
        gamma: γ, how fast λ falls.
        power: p, how steeply it falls.
        minimum: λ_min.

    Example:
        >>> from likewise.losses.margins.sphereface import Annealing
        >>> annealing = Annealing(base=1000.0, gamma=0.12, power=1.0, minimum=5.0)
        >>> annealing.advance()
        >>> round(annealing.weight(), 1)
        892.9
    """

    step: Tensor

    def __init__(self, base: float, gamma: float, power: float, minimum: float) -> None:
        super().__init__()
        self.base, self.gamma, self.power, self.minimum = base, gamma, power, minimum
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def weight(self) -> float:
        """λ at this step."""
        falling: float = (1 + self.gamma * int(self.step)) ** -self.power
        return max(self.minimum, self.base * falling)

    def share(self, like: Tensor) -> Tensor:
        """``1/(1 + λ)`` at this step, [], in the dtype of ``like``; nothing is read from a GPU."""
        falling = (1 + self.gamma * self.step.to(like.dtype)) ** -self.power
        return 1 / (1 + (self.base * falling).clamp(min=self.minimum))

    def advance(self) -> None:
        """Count one training step."""
        self.step += 1


@register_loss(
    "sphereface",
    search_space=_SPACE,
    figure=FigureSettings(
        "SphereFace",
        "The angle to the own class counts three times.",
        {"margin": 3, **_MILD},
        "m = 3, λ from 10 to 0.8",
        boundary=Boundary("m·θ₁ < θ₂  (up to π/m)", _curves(4)),
    ),
)
class SphereFace(Head):
    """Cross-entropy with target logit ``‖z‖·ψ(θ_y)`` among ``‖z‖·cos θ_j`` (A-Softmax).

    ``ψ(θ) = (-1)^k cos(mθ) - 2k`` on ``[kπ/m, (k+1)π/m]`` falls from 1 to ``1 - 2m``. It is too
    hard to begin with, so the target is ``(λ·cos θ + ψ(θ))/(1 + λ)`` with a λ that falls during
    training (:class:`~likewise.losses.margins.sphereface.Annealing`). A margin fraction f
    leaves the fraction f of the change that the margin makes. Only the direction of a class weight
    counts. Averaged over the batch.

    Source: SphereFace, arXiv 1704.08063, with its published schedule.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, a whole number of at least 1.
        base: λ at the first step.
        gamma: γ; ``λ = max(minimum, base·(1 + γ·step)^-power)``.
        power: p.
        minimum: λ_min.

    Example:
        >>> import torch
        >>> from likewise.losses import SphereFace
        >>> loss = SphereFace(num_classes=10, embedding_dim=4, margin=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    takes_prototypes = False
    scale: Scale = fixed(1.0)  # the length of the embedding takes its place
    margin: int = count(default=4)
    base: float = number(default=1000.0, least=0)
    gamma: float = number(default=0.12, least=0)
    power: float = number(default=1.0, least=0)
    minimum: float = number(default=5.0, least=0)

    def __post_init__(self) -> None:
        """Add the annealing."""
        super().__post_init__()
        self.annealing = Annealing(self.base, self.gamma, self.power, self.minimum)

    def scales(self, norms: Tensor) -> Tensor:
        """The lengths of the embeddings."""
        return norms

    def margins(self, norms: Tensor) -> Tensor:
        """The weight of ψ in the target: f/(1 + λ)."""
        share = self.margin_fraction * self.annealing.share(norms)
        if self.training:
            self.annealing.advance()
        return share

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos θ`` and ``ψ(θ)``, blended; ``margin`` is the weight of ``ψ(θ)``."""
        return cosine + margin * (falling_cosine(self.margin * angle(cosine)) - cosine)


@register_loss(
    "lsoftmax",
    search_space=_SPACE,
    figure=FigureSettings(
        "L-Softmax",
        "The angle to the own class counts twice; weights keep their length.",
        {"margin": 2, **_MILD},
        "m = 2, λ from 10 to 0.8",
        boundary=Boundary("m·θ₁ < θ₂  (equal ‖w‖; up to π/m)", _curves(2)),
    ),
)
class LSoftmax(SphereFace):
    """Cross-entropy with target logit ``‖w_y‖‖z‖·ψ(θ_y)`` among ``<w_j, z>``.

    As :class:`SphereFace`, but the class weights keep their length, and with its own schedule.

    Source: Large-Margin Softmax, arXiv 1612.02295.
    Other arguments, shapes, attributes and errors: see :class:`~likewise.losses.Head`.

    Args:
        margin: m, a whole number of at least 1.
        base: λ at the first step.
        gamma: γ; ``λ = max(minimum, base·(1 + γ·step)^-power)``.
        power: p.
        minimum: λ_min.

    Example:
        >>> import torch
        >>> from likewise.losses import LSoftmax
        >>> loss = LSoftmax(num_classes=10, embedding_dim=4, margin=2)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    unit_weights = False
    gamma: float = 2.5e-5
    power: float = 35.0
    minimum: float = 0.0

    def reset_parameters(self) -> None:
        """Draw rows of about unit length, because their length counts here."""
        self.draw(self.embedding_dim**-0.5)
