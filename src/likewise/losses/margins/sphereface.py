"""SphereFace and L-Softmax: the angle to the own class counts m times."""

from __future__ import annotations

from torch import Tensor

from likewise.losses.checks import check_count
from likewise.losses.head.head import MEMORY_BUDGET, Gradient, Head
from likewise.losses.margins.angle import angle, falling_cosine
from likewise.losses.margins.annealing import Annealing

__all__ = ["LSoftmax", "SphereFace"]


class SphereFace(Head):
    """Cross-entropy with target logit ``‖z‖·ψ(θ_y)`` among ``‖z‖·cos θ_j`` (A-Softmax).

    ``ψ(θ) = (-1)^k cos(mθ) - 2k`` on ``[kπ/m, (k+1)π/m]`` falls from 1 to ``1 - 2m``. It is too
    hard to start with, so the target is ``(λ·cos θ + ψ(θ))/(1 + λ)`` with a λ that falls as
    training goes on (:class:`~likewise.losses.margins.annealing.Annealing`). A margin fraction f
    leaves the share f of what the margin changes. Class weights count by direction only. Averaged
    over the batch.

    Source: SphereFace, arXiv 1704.08063, with its published schedule. See
    :class:`~likewise.losses.Head` for shapes, attributes and errors.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        margin: m, a whole number of at least 1.
        base: λ at the first step.
        gamma: γ; ``λ = max(minimum, base·(1 + γ·step)^-power)``.
        power: p.
        minimum: λ_min, what remains.
        gradient: ``"exact"``, or ``"detached"``: the target logit has the slope of the cosine.
        memory_budget: bytes that the logits held at one time may take.

    Example:
        >>> import torch
        >>> from likewise.losses import SphereFace
        >>> loss = SphereFace(num_classes=10, embedding_dim=4, margin=4)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        margin: int = 4,
        base: float = 1000.0,
        gamma: float = 0.12,
        power: float = 1.0,
        minimum: float = 5.0,
        gradient: Gradient = "exact",
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__(
            num_classes,
            embedding_dim,
            scale=1.0,  # the length of the embedding takes its place
            margin=check_count("margin", margin),
            gradient=gradient,
            memory_budget=memory_budget,
        )
        self.annealing = Annealing(base, gamma, power, minimum)

    def scales(self, norms: Tensor) -> Tensor:
        """The lengths themselves."""
        return norms

    def margins(self, norms: Tensor) -> Tensor:
        """The share of ψ in the target: f/(1 + λ)."""
        share = self.margin_fraction * self.annealing.share(norms)
        if self.training:
            self.annealing.advance()
        return share

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """``cos θ`` and ``ψ(θ)``, blended; ``margin`` is the share of the second."""
        return cosine + margin * (falling_cosine(self.margin * angle(cosine)) - cosine)


class LSoftmax(SphereFace):
    """Cross-entropy with target logit ``‖w_y‖‖z‖·ψ(θ_y)`` among ``<w_j, z>``.

    As :class:`SphereFace`, but the class weights keep their length, and with its own schedule.

    Source: Large-Margin Softmax, arXiv 1612.02295. See :class:`~likewise.losses.Head` for shapes,
    attributes and errors.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        margin: m, a whole number of at least 1.
        base: λ at the first step.
        gamma: γ; ``λ = max(minimum, base·(1 + γ·step)^-power)``.
        power: p.
        minimum: λ_min, what remains.
        gradient: ``"exact"``, or ``"detached"``: the target logit has the slope of the cosine.
        memory_budget: bytes that the logits held at one time may take.

    Example:
        >>> import torch
        >>> from likewise.losses import LSoftmax
        >>> loss = LSoftmax(num_classes=10, embedding_dim=4, margin=2)
        >>> loss(torch.randn(3, 4), torch.tensor([0, 1, 9])).shape
        torch.Size([])
    """

    unit_weights = False

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        margin: int = 4,
        base: float = 1000.0,
        gamma: float = 2.5e-5,
        power: float = 35.0,
        minimum: float = 0.0,
        gradient: Gradient = "exact",
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__(
            num_classes,
            embedding_dim,
            margin=margin,
            base=base,
            gamma=gamma,
            power=power,
            minimum=minimum,
            gradient=gradient,
            memory_budget=memory_budget,
        )

    def reset_parameters(self) -> None:
        """Draw rows of about unit length: here their length counts."""
        self.draw(self.embedding_dim**-0.5)
