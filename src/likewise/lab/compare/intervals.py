"""The mean over a few runs and its confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

__all__ = ["Estimate", "estimate", "mean_difference"]


@dataclass(frozen=True)
class Estimate:
    """A mean over runs, with its confidence interval.

    Args:
        mean: over the runs.
        half: half the width of the interval; None where there is a single value.
        runs: number of runs.
    """

    mean: float
    half: float | None
    runs: int

    @property
    def certain(self) -> bool:
        """Whether the interval excludes zero."""
        return self.half is not None and abs(self.mean) > self.half


def estimate(values: Sequence[float], folds: Sequence[int]) -> Estimate:
    """The mean over folds and its 95% t-interval, ``t_{n-1}·s/√n``.

    Seeds of one fold share their identities, so they are not independent samples: n is the number
    of folds, and s the standard deviation of the fold means. Where all runs are of one fold, as
    with a fixed test set, n is the number of seeds, and the interval holds only for these
    identities.

    Args:
        values: one value per run.
        folds: the fold of each run.

    Raises:
        ValueError: there are no values, or not as many folds as values.

    Example:
        >>> from likewise.lab.compare.intervals import estimate
        >>> found = estimate([1.0, 2.0, 2.5, 3.5, 4.0, 5.0], [1, 1, 2, 2, 3, 3])
        >>> found.mean, round(found.half, 3)  # of 1.5, 3.0 and 4.5
        (3.0, 3.726)
    """
    found, places = np.asarray(values, np.float64), np.asarray(folds)
    if not len(found) or found.shape != places.shape:
        raise ValueError("values: at least one is needed, each with its fold")
    numbers = np.unique(places)
    draws = found
    if len(numbers) > 1:
        draws = np.array([found[places == number].mean() for number in numbers])
    mean = float(draws.mean())
    if len(draws) < 2:
        return Estimate(mean, None, len(found))
    error = float(draws.std(ddof=1)) / len(draws) ** 0.5
    return Estimate(mean, float(t.ppf(0.975, len(draws) - 1)) * error, len(found))


def mean_difference(
    values: Sequence[float], against: Sequence[float], folds: Sequence[int]
) -> Estimate:
    """The mean of the paired differences ``values - against``, with its confidence interval.

    Runs of two losses on the same fold with the same seed share photos, batches and initial
    weights. The effects that these have on both runs cancel in the difference.
    """
    return estimate(np.subtract(values, against).tolist(), folds)
