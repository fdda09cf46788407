"""The result of a calibration: the map to probabilities, and thresholds with their error rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from likewise.arrays import data_frame
from likewise.evaluation.calibration.maps import NotIncreasing
from likewise.evaluation.intervals.bootstrap import Intervals
from likewise.evaluation.verification.metrics import Verification
from likewise.models.calibration import Calibration
from likewise.models.operating_point import OperatingPoint
from likewise.pages.shown import Shown, Table, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from likewise.pages.plot import Plot

__all__ = ["Calibrated", "operating_points"]


@dataclass(frozen=True, repr=False)
class Calibrated(Shown):
    """The result of a calibration.

    Args:
        calibration: from score to probability; None if genuine pairs do not score higher, as with
            an untrained network.
        points: the thresholds at every FMR that the pairs can measure, largest FMR first.
        chosen: the default operating point; None if no FMR can be measured.
        measured: the verification metrics of the same pairs.
        intervals: their confidence intervals; None with fewer than five identities.
    """

    calibration: Calibration | None
    points: tuple[OperatingPoint, ...]
    chosen: OperatingPoint | None
    measured: Verification
    intervals: Intervals | None

    def plot_probability(self, ax: Axes | None = None) -> Axes:
        """Draw the probability of one person by score, and the thresholds of each FMR.

        Args:
            ax: axes of matplotlib; a new figure if None.

        Returns:
            The axes.

        Raises:
            InputError: there is no calibration.
        """
        if self.calibration is None:
            raise NotIncreasing
        return self._plots()[0].on(ax)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``: a row for each operating point."""
        return data_frame(
            {
                name: [getattr(point, name) for point in self.points]
                for name in ("fmr", "threshold", "far", "tar")
            }
        )

    def _view(self) -> View:
        fitted = "no calibration" if self.calibration is None else self.calibration.method
        measured = self.measured
        title = (
            f"Calibrated: {fitted}, on {measured.genuine:,} genuine and {measured.impostor:,} "
            f"impostor pairs, AUC {measured.auc:.4f}"
        )
        rows = [
            (p.fmr, p.threshold, p.far, p.tar, "chosen" if p == self.chosen else "")
            for p in self.points
        ]
        return View(title, (), [Table(("FMR", "threshold", "FMR measured", "TAR", ""), rows)])

    def _plots(self) -> Sequence[Plot]:
        from likewise.pages import rates

        if self.calibration is None:
            return ()
        thresholds = self.measured.roc.threshold
        low, high = float(thresholds[-1]), float(thresholds[1])  # the first is infinite
        scores = np.linspace(low, high, 200)
        points = [(point.fmr, point.threshold) for point in self.points]
        return (rates.probabilities(scores, self.calibration.probabilities(scores), points),)


def operating_points(
    measured: Verification, intervals: Intervals | None = None
) -> tuple[OperatingPoint, ...]:
    """An operating point for each FAR that was requested and can be measured, largest first."""
    points = []
    for entry in sorted(measured.tar_at_far, key=lambda entry: -entry.target):
        if entry.threshold is None or entry.tar is None or entry.far is None:
            continue
        at_far = intervals.at(entry.target) if intervals is not None else None
        far = at_far.far if at_far is not None else None
        limit = at_far.threshold if at_far is not None else None
        points.append(
            OperatingPoint(
                threshold=entry.threshold,
                far=entry.far,
                tar=entry.tar,
                genuine=measured.genuine,
                impostor=measured.impostor,
                target=entry.target,
                far_interval=None if far is None else (far.low, far.high),
                threshold_interval=None if limit is None else (limit.low, limit.high),
            )
        )
    return tuple(points)
