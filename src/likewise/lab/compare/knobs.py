"""What is tuned: a learning rate and the main knobs of a loss, each within declared bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from likewise.losses import automatic_scale

__all__ = ["Knob", "learning_rate", "place"]

Unit = Literal["", "automatic scale", "root of the dimension"]
# Steps around the unit circle that never fall into step with each other: any number of trials
# covers each range evenly (Kronecker's sequence). The first trial is the middle of every range.
STRIDES = ((math.sqrt(5) - 1) / 2, math.sqrt(2) - 1, math.sqrt(3) - 1)


@dataclass(frozen=True)
class Knob:
    """A parameter of a loss and the range in which it is tuned.

    Args:
        name: of the parameter.
        low: the lowest value.
        high: the highest.
        log: cover the range evenly in ratios, not in differences.
        whole: only whole numbers.
        unit: what the bounds count: nothing, the automatic scale for the number of classes, or
            the typical length of an embedding, √D.
    """

    name: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    unit: Unit = ""

    def at(self, share: float, num_classes: int, embedding_dim: int) -> float | int:
        """The value at a share of the range, to three digits.

        Example:
            >>> from likewise.lab.compare.knobs import Knob
            >>> Knob("temperature", 0.05, 0.2, log=True).at(0.5, 20, 64)
            0.1
        """
        if self.whole:
            return min(int(self.high), int(self.low + share * (self.high - self.low + 1)))
        if self.log:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + share * (self.high - self.low)
        if self.unit == "automatic scale":
            value *= automatic_scale(num_classes)
        elif self.unit == "root of the dimension":
            value *= math.sqrt(embedding_dim)
        return float(f"{value:.3g}")

    def range(self) -> str:
        """The bounds in words, for the page."""
        text = f"{self.name} {self.low:g} … {self.high:g}"
        return f"{text} × {self.unit}" if self.unit else text


def learning_rate(middle: float) -> Knob:
    """The range of the learning rate, the same for every loss: a third to three times."""
    return Knob("lr", middle / 3, 3 * middle, log=True)


def place(trial: int, knob: int) -> float:
    """Where trial ``trial`` (from 0) stands in the range of the ``knob``-th knob, in [0, 1).

    Example:
        >>> from likewise.lab.compare.knobs import place
        >>> [round(place(trial, 0), 2) for trial in range(4)]
        [0.5, 0.12, 0.74, 0.35]
    """
    return (0.5 + trial * STRIDES[knob]) % 1.0
