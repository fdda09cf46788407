"""From which score on two photos count as the same person, and what that was measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from likewise.errors import InputError

__all__ = ["OperatingPoint", "at_fmr"]


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold with the errors that it makes.

    Args:
        threshold: the score: at or above it is "same".
        far: the false accept rate (FMR) measured at this threshold.
        tar: the true accept rate measured at this threshold.
        genuine: same-person pairs that it was measured on.
        impostor: different-person pairs likewise.
        target: the FAR that was asked for; None where that was not kept.
        far_interval: the 95 % interval of ``far``, among other people; None if not measured.
        threshold_interval: the 95 % interval of the threshold that reaches the FAR asked for.
    """

    threshold: float
    far: float
    tar: float
    genuine: int
    impostor: int
    target: float | None = None
    far_interval: tuple[float, float] | None = None
    threshold_interval: tuple[float, float] | None = None

    @property
    def fmr(self) -> float:
        """The FAR that it is called by: the one asked for, or else the one measured."""
        return self.far if self.target is None else self.target

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> OperatingPoint:
        """The point that ``to_dict`` told.

        Raises:
            InputError: it is none.
        """
        try:
            pairs = {
                key: (float(values[key][0]), float(values[key][1]))
                for key in ("far_interval", "threshold_interval")
                if values.get(key) is not None
            }
            return OperatingPoint(**{**values, **pairs})
        except (AttributeError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"operating_point: cannot be read ({error})") from None


def at_fmr(points: Sequence[OperatingPoint], fmr: float) -> OperatingPoint:
    """The point that was measured for this FMR.

    Raises:
        InputError: none was; says which were.

    Example:
        >>> from likewise.models.operating_point import OperatingPoint, at_fmr
        >>> at_fmr([OperatingPoint(0.4, 9e-4, 0.95, 100, 5000, target=1e-3)], 1e-3).threshold
        0.4
    """
    for point in points:
        if abs(point.fmr - fmr) <= 1e-9 * fmr:
            return point
    known = ", ".join(f"{point.fmr:g}" for point in points) or "none"
    raise InputError(
        f"fmr: {fmr:g} was not measured for this model; measured: {known}. "
        "Measure it with: likewise calibrate DATA --model M --fmr"
        f" {fmr:g}"
    )
