"""Operating points: thresholds for "same person", with their error rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from likewise.errors import InputError

__all__ = ["OperatingPoint", "at_fmr"]


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold with its error rates.

    Args:
        threshold: scores at or above it mean "same person".
        far: the false accept rate (FMR) measured at the threshold.
        tar: the true accept rate measured at the threshold.
        genuine: the number of genuine pairs in the measurement.
        impostor: the number of impostor pairs in the measurement.
        target: the requested FAR; None in models of earlier versions.
        far_interval: the 95 % confidence interval of ``far`` for new people; None if not measured.
        threshold_interval: the 95 % confidence interval of the threshold for ``target``.
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
        """The requested FAR, or else the measured one."""
        return self.far if self.target is None else self.target

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> OperatingPoint:
        """The inverse of ``to_dict``.

        Raises:
            InputError: the values are not those of an operating point.
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
    """The operating point for this FMR.

    Raises:
        InputError: it was not measured; names those that were.

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
