"""The blend that lets a hard margin in slowly, step by step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from likewise.losses.checks import check_number

__all__ = ["Annealing"]


class Annealing(nn.Module):
    """``λ = max(λ_min, base·(1 + γ·step)^-p)``: how much of the plain logit is still mixed in.

    The step counts training calls, from zero, and is a buffer: it is in the checkpoint.

    Source: L-Softmax, arXiv 1612.02295, and SphereFace, arXiv 1704.08063, section 3.4.

    Args:
        base: λ at the first step.
        gamma: γ, how fast it falls.
        power: p, how steeply.
        minimum: λ_min, what remains.

    Example:
        >>> from likewise.losses.margins.annealing import Annealing
        >>> annealing = Annealing(base=1000.0, gamma=0.12, power=1.0, minimum=5.0)
        >>> annealing.advance()
        >>> round(annealing.weight(), 1)
        892.9
    """

    step: Tensor

    def __init__(self, base: float, gamma: float, power: float, minimum: float) -> None:
        super().__init__()
        self.base = check_number("base", base, least=0)
        self.gamma = check_number("gamma", gamma, least=0)
        self.power = check_number("power", power, least=0)
        self.minimum = check_number("minimum", minimum, least=0)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def weight(self) -> float:
        """λ at this step."""
        falling: float = (1 + self.gamma * int(self.step)) ** -self.power
        return max(self.minimum, self.base * falling)

    def share(self, like: Tensor) -> Tensor:
        """``1/(1 + λ)`` at this step, [], as a tensor like ``like``: nothing waits for the step."""
        falling = (1 + self.gamma * self.step.to(like.dtype)) ** -self.power
        return 1 / (1 + (self.base * falling).clamp(min=self.minimum))

    def advance(self) -> None:
        """Count one training step."""
        self.step += 1
