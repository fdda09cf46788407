"""Search spaces of the losses: their ranges in numbers, and the points that the trials evaluate."""

from __future__ import annotations

import math

from likewise.losses import Hyperparameter, SearchSpace, automatic_scale
from likewise.losses.registry import registered_losses

__all__ = ["learning_rate", "search_spaces", "trial_position", "value_at"]

# Kronecker's sequence: any number of trials covers each range evenly. The first trial lies in the
# middle of every range.
STRIDES = ((math.sqrt(5) - 1) / 2, math.sqrt(2) - 1, math.sqrt(3) - 1)


def search_spaces() -> dict[str, SearchSpace]:
    """The declared search spaces of all losses, by label: ``cosface``, ``triplet:batch_hard``."""
    return {
        f"{name}:{space.variant}" if space.variant else name: space
        for name, found in registered_losses().items()
        for space in found.search_spaces
    }


def value_at(parameter: Hyperparameter, position: float, num_classes: int) -> float | int:
    """The value at a position in the range, from 0 to 1, rounded to three digits.

    Example:
        >>> from likewise.lab.compare.search_space import value_at
        >>> from likewise.losses import Hyperparameter
        >>> value_at(Hyperparameter("temperature", 0.05, 0.2, log=True), 0.5, 20)
        0.1
    """
    low, high = parameter.low, parameter.high
    if parameter.whole:
        return min(int(high), int(low + position * (high - low + 1)))
    value = low * (high / low) ** position if parameter.log else low + position * (high - low)
    if parameter.unit == "automatic scale":
        value *= automatic_scale(num_classes)
    return float(f"{value:.3g}")


def learning_rate(middle: float) -> Hyperparameter:
    """The range of the learning rate, from a third of ``middle`` to three times it."""
    return Hyperparameter("lr", middle / 3, 3 * middle, log=True)


def trial_position(trial: int, number: int) -> float:
    """The position of a trial (from 0) in the range of a hyperparameter (from 0), in [0, 1).

    Example:
        >>> from likewise.lab.compare.search_space import trial_position
        >>> [round(trial_position(trial, 0), 2) for trial in range(4)]
        [0.5, 0.12, 0.74, 0.35]
    """
    return (0.5 + trial * STRIDES[number]) % 1.0
