"""What can be said after a few runs: a mean, and how far it may be off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

__all__ = ["Estimate", "estimate", "paired_difference"]


@dataclass(frozen=True)
class Estimate:
    """A mean over runs, with its interval.

    Args:
        mean: over the runs.
        half: half the width of the interval; None for a single run.
        runs: how many.
    """

    mean: float
    half: float | None
    runs: int

    @property
    def certain(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.half is not None and abs(self.mean) > self.half


def estimate(values: Sequence[float], level: float = 0.95) -> Estimate:
    """The mean and its t-interval, ``t_{n-1}·s/√n``.

    Args:
        values: one number a run.
        level: the chance that the interval covers the truth, if runs are independent and normal.

    Raises:
        ValueError: there are no values.

    Example:
        >>> from likewise.lab.compare.intervals import estimate
        >>> found = estimate([1.0, 2.0, 3.0])
        >>> found.mean, round(found.half, 3)
        (2.0, 2.484)
    """
    found = np.asarray(values, np.float64)
    if not len(found):
        raise ValueError("an estimate needs a value")
    mean = float(found.mean())
    if len(found) < 2:
        return Estimate(mean, None, 1)
    error = float(found.std(ddof=1)) / len(found) ** 0.5
    return Estimate(mean, float(t.ppf(0.5 + level / 2, len(found) - 1)) * error, len(found))


def paired_difference(values: Sequence[float], against: Sequence[float]) -> Estimate:
    """The mean of ``values - against``, run by run, with its interval.

    Runs of two losses on the same fold with the same seed share photos, batches and first
    weights; what these add to both falls out of the difference.
    """
    return estimate(np.subtract(values, against).tolist())
