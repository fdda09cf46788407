"""The search space of a loss: the hyperparameters that ``likewise compare`` tunes, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from likewise.errors import InputError

__all__ = ["SCALE", "Hyperparameter", "SearchSpace"]


@dataclass(frozen=True)
class Hyperparameter:
    """A parameter of a loss, and the range in which it is tuned.

    Args:
        name: of the parameter.
        low: the lowest value.
        high: the highest value.
        log: cover the range evenly in ratios, not in differences.
        whole: only whole numbers.
        unit: of the bounds: none, or the automatic scale for the number of classes.
    """

    name: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    unit: Literal["", "automatic scale"] = ""

    def range(self) -> str:
        """The name and the bounds, as a page shows them."""
        text = f"{self.name} {self.low:g} … {self.high:g}"
        return f"{text} × {self.unit}" if self.unit else text


@dataclass(frozen=True)
class SearchSpace:
    """The hyperparameters of a loss that are tuned, besides the learning rate.

    Ranges lie around the values of the papers, adapted to few classes and short runs: the scale is
    given in automatic scales, and the λ of SphereFace and L-Softmax falls within hundreds of steps.

    Args:
        tuned: at most two.
        fixed: the other parameters that differ from their defaults.
        loss: how the loss is written for ``create_loss``, if not by its name alone; ``{weight}``
            in it stands for a tuned hyperparameter.
        variant: tells this space from others of the same loss: ``triplet:batch_hard``.
        in_all: whether ``--losses all`` includes it.
    """

    tuned: tuple[Hyperparameter, ...] = ()
    fixed: Mapping[str, float | str] = field(default_factory=dict)
    loss: str = ""
    variant: str = ""
    in_all: bool = True

    def __post_init__(self) -> None:
        if len(self.tuned) > 2:
            raise InputError(
                f"SearchSpace: tuned: {len(self.tuned)} hyperparameters; give at most two, and set "
                "the others in fixed"
            )


SCALE = Hyperparameter("scale", 0.7, 2.8, log=True, unit="automatic scale")
