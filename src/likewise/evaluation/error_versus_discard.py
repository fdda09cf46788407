"""Error versus discard: how the error rate falls when the photos of lowest quality are refused.

The threshold is fixed at an FMR over all pairs. Then the genuine pairs are discarded in the order
of their quality, which is the lower of the qualities of both photos, and FNMR is measured on the
rest.
A good quality measure lets FNMR fall fast; a random one leaves it where it is.

Sources: Grother and Tabassi, Performance of biometric quality measures, 2007; ISO/IEC 29794-1,
Biometric sample quality, part 1: framework, 2024; Schlett et al., Considerations on the evaluation
of biometric quality assessment algorithms, 2023 (steps instead of lines, area over a range).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError
from likewise.evaluation.discard_curve import (
    UP_TO,
    DiscardCurve,
    DiscardSteps,
    discard_curve,
    least_area,
)
from likewise.evaluation.intervals.bootstrap import (
    LEVEL,
    REPLICATES,
    Interval,
    check_bootstrap,
    identity_weights,
    percentile_interval,
    widened_to_binomial,
)
from likewise.evaluation.intervals.scored_pairs import ScoredPairs
from likewise.progress import progress

__all__ = [
    "SHARES",
    "DiscardPoint",
    "ErrorDiscard",
    "error_versus_discard",
]

Floats = NDArray[np.float64]
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)  # discarded, in tables
GRID = np.linspace(0, 0.3, 31)  # discarded, in plots


@dataclass(frozen=True)
class DiscardPoint:
    """FNMR after a share of the pairs is discarded.

    Args:
        share: requested.
        discarded: the share of pairs that is, at most ``share``.
        quality: the lowest quality that is kept.
        photos: the share of photos with a lower one; None if the photos were not given.
        fnmr: of the pairs that are kept, with its confidence interval.
    """

    share: float
    discarded: float
    quality: float
    photos: float | None
    fnmr: Interval


@dataclass(frozen=True)
class ErrorDiscard:
    """The error-versus-discard curve of one quality measure.

    Args:
        column: the name of the measure.
        threshold: the lowest score that is accepted, for all pairs.
        level: the confidence of the intervals.
        genuine: the number of genuine pairs.
        curve: the whole curve.
        points: at the shares of ``SHARES``.
        low: the lower limit of FNMR at the shares of ``shares``.
        high: the upper limit.
        shares: for a plot, [31].
        area: under the curve, from 0 to ``UP_TO``.
        to_random: ``area`` divided by that of random discarding, with its interval: 1 for a
            measure that knows nothing.
        least: the ``to_random`` of a measure that discards the rejected pairs first.
    """

    column: str
    threshold: float
    level: float
    genuine: int
    curve: DiscardCurve
    points: tuple[DiscardPoint, ...]
    low: Floats
    high: Floats
    shares: Floats
    area: float
    to_random: Interval
    least: float

    def to_dict(self) -> dict[str, Any]:
        """The report's JSON: the points of the table, and the curve at the shares of the plot."""
        return {
            "column": self.column,
            "threshold": self.threshold,
            "genuine_pairs": self.genuine,
            "level": self.level,
            "area_up_to": UP_TO,
            "area": self.area,
            "area_to_random": {
                "value": self.to_random.value,
                "low": self.to_random.low,
                "high": self.to_random.high,
                "least_possible": self.least,
            },
            "points": [
                {
                    "share": point.share,
                    "discarded": point.discarded,
                    "photos": point.photos,
                    "quality": point.quality,
                    "fnmr": point.fnmr.value,
                    "low": point.fnmr.low,
                    "high": point.fnmr.high,
                }
                for point in self.points
            ],
            "curve": {
                "share": self.shares.tolist(),
                "fnmr": self.curve.at(self.shares).tolist(),
                "low": self.low.tolist(),
                "high": self.high.tolist(),
            },
        }


def error_versus_discard(
    pairs: ScoredPairs,
    left: ArrayLike,
    right: ArrayLike,
    threshold: float,
    *,
    column: str = "quality",
    photos: ArrayLike | None = None,
    replicates: int = REPLICATES,
    level: float = LEVEL,
    seed: int = 0,
) -> ErrorDiscard:
    """The error-versus-discard curve of a quality measure, with intervals over identities.

    The intervals are for a fixed threshold: they do not hold its own uncertainty.

    Args:
        pairs: with their scores and identities; only the genuine ones are used.
        left: the quality of each pair's first photo, [N]; higher is better.
        right: likewise of the second.
        threshold: the lowest score that is accepted.
        column: the name of the measure in messages and the report.
        photos: the quality of every photo, which gives the share of photos that are refused.
        replicates: see ``bootstrap``.
        level: see ``bootstrap``.
        seed: see ``bootstrap``.

    Raises:
        InputError: shapes that do not match; a quality that is not finite; no genuine pair is
            rejected, so that no error can fall; see ``bootstrap``. The column is named.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.error_versus_discard import error_versus_discard
        >>> from likewise.evaluation.intervals.scored_pairs import scored_pairs
        >>> clear = np.random.default_rng(0).uniform(size=200)
        >>> people = np.append(np.repeat(np.arange(50), 4), [0])
        >>> others = np.append(people[:200], [1])  # 200 genuine pairs, and an impostor pair
        >>> pairs = scored_pairs(np.append(clear, 0), people == others, people, others)
        >>> quality = np.append(clear, 1)  # here it says all about the score
        >>> found = error_versus_discard(pairs, quality, quality, 0.1, replicates=50)
        >>> [round(point.fnmr.value, 2) for point in found.points[::3]]
        [0.1, 0.06, 0.0]
    """
    first, second = np.asarray(left, np.float64), np.asarray(right, np.float64)
    if first.shape != pairs.scores.shape or second.shape != pairs.scores.shape:
        raise InputError(
            f"{column}: {first.shape} and {second.shape} qualities for {len(pairs)} pairs"
        )
    check_bootstrap(level, replicates, pairs.identities)
    rows = np.flatnonzero(pairs.same)
    worth = np.minimum(first, second)[rows]
    curve = discard_curve(pairs.scores[rows], worth, threshold)
    if curve.fnmr[0] == 0:
        raise InputError(
            f"{column}: none of {len(rows):,} genuine pairs is rejected at the threshold "
            f"{threshold:.4f}, so that no error can fall"
        )
    drawn = np.array(list(_replicates(pairs, rows, worth, threshold, column, replicates, seed)))
    if len(drawn) < replicates / 2:
        raise InputError(
            f"{column}: most replicates have no genuine pair; more identities with two photos are "
            "needed"
        )
    band = np.quantile(
        drawn[:, : len(GRID)], [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull"
    )
    measured = curve.at(GRID)
    base = float(curve.fnmr[0]) * UP_TO
    place = {round(float(share), 4): k for k, share in enumerate(GRID)}
    known = None if photos is None else np.asarray(photos, np.float64)
    points = []
    for share in SHARES:
        step = int(curve.step(share))
        found = percentile_interval(
            float(curve.fnmr[step]), drawn[:, place[round(share, 4)]], level
        )
        kept = round((1 - float(curve.discarded[step])) * len(rows))
        points.append(
            DiscardPoint(
                share=share,
                discarded=float(curve.discarded[step]),
                quality=float(curve.quality[step]),
                photos=None if known is None else float((known < curve.quality[step]).mean()),
                fnmr=widened_to_binomial(found, kept, level),
            )
        )
    ratios = drawn[:, -1]
    return ErrorDiscard(
        column=column,
        threshold=threshold,
        level=level,
        genuine=len(rows),
        curve=curve,
        points=tuple(points),
        low=np.minimum(band[0], measured),
        high=np.maximum(band[1], measured),
        shares=GRID,
        area=curve.area(),
        to_random=percentile_interval(curve.area() / base, ratios[np.isfinite(ratios)], level),
        least=least_area(float(curve.fnmr[0])) / base,
    )


def _replicates(
    pairs: ScoredPairs,
    rows: NDArray[np.intp],
    worth: Floats,
    threshold: float,
    column: str,
    replicates: int,
    seed: int,
) -> Iterator[Floats]:
    """For each replicate: FNMR at the shares of the grid, and the area over that of chance."""
    order = np.argsort(worth, kind="stable")
    person = pairs.left[rows][order]  # both photos of a genuine pair are of one person
    own = np.ones(len(rows)) if pairs.weight is None else pairs.weight[rows][order]
    steps = DiscardSteps(worth[order], pairs.scores[rows][order] < threshold)
    with progress(f"bootstrap ({column})", replicates, unit="replicates") as advance:
        for weights in identity_weights(pairs.identities, replicates, seed):
            mass = weights[person] * own
            if mass.any():
                curve = steps.curve(mass)
                base = float(curve.fnmr[0]) * UP_TO
                ratio = curve.area() / base if base > 0 else np.nan
                yield np.append(curve.at(GRID), ratio)
            advance(1)
