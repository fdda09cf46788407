"""The curve of error versus discard: FNMR after the pairs of lowest quality are discarded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_number
from likewise.errors import InputError
from likewise.evaluation.verification.roc import ROUNDING

__all__ = ["UP_TO", "DiscardCurve", "DiscardSteps", "discard_curve", "least_area"]

Floats = NDArray[np.float64]
UP_TO = 0.2  # of the area: nobody refuses more photos than that


@dataclass(frozen=True)
class DiscardCurve:
    """FNMR against the share of genuine pairs discarded: one step for each distinct quality.

    Args:
        discarded: float64 [T], the share of the pairs with a quality below ``quality``, from 0.
        fnmr: the share of the other pairs that are rejected, [T].
        quality: the lowest quality that is kept, [T], ascending.
    """

    discarded: Floats
    fnmr: Floats
    quality: Floats

    def step(self, share: ArrayLike) -> NDArray[np.intp]:
        """The last step that discards at most this share of the pairs."""
        limit = np.asarray(share, np.float64) * (1 + ROUNDING) + ROUNDING
        return np.maximum(np.searchsorted(self.discarded, limit, side="right") - 1, 0)

    def at(self, share: ArrayLike) -> Floats:
        """FNMR when at most this share of the pairs is discarded; tied pairs stay together."""
        return np.asarray(self.fnmr[self.step(share)], np.float64)

    def area(self, up_to: float = UP_TO) -> float:
        """The area under the steps, from no pair discarded to the share ``up_to``."""
        widths = np.diff(np.append(np.minimum(self.discarded, up_to), up_to))
        return float((widths * self.fnmr).sum())


def discard_curve(scores: ArrayLike, quality: ArrayLike, threshold: float) -> DiscardCurve:
    """The error-versus-discard curve of genuine pairs.

    Args:
        scores: of the genuine pairs, [N], higher for more similar.
        quality: of each pair, [N]: the lower one of its photos; higher is better.
        threshold: the lowest score that is accepted.

    Raises:
        InputError: there is no pair, the shapes differ, or a number is not finite.

    Example:
        >>> from likewise.evaluation.error_versus_discard import discard_curve
        >>> curve = discard_curve([0.1, 0.9, 0.2, 0.8], [1, 2, 3, 4], threshold=0.5)
        >>> curve.discarded.tolist(), curve.fnmr.round(2).tolist()
        ([0.0, 0.25, 0.5, 0.75], [0.5, 0.33, 0.5, 0.0])
    """
    values, worth = np.asarray(scores, np.float64), np.asarray(quality, np.float64)
    if values.ndim != 1 or values.shape != worth.shape or not len(values):
        raise InputError(
            f"scores and quality: shapes {values.shape} and {worth.shape} must be one [N]"
        )
    check_number("threshold", threshold)
    if not (np.isfinite(values).all() and np.isfinite(worth).all()):
        raise InputError("scores and quality: a number is not finite")
    order = np.argsort(worth, kind="stable")
    steps = DiscardSteps(worth[order], values[order] < threshold)
    return steps.curve(np.ones(len(values)))


class DiscardSteps:
    """Genuine pairs sorted by quality, for many sets of weights."""

    def __init__(self, quality: Floats, rejected: NDArray[np.bool_]) -> None:
        self.first = np.flatnonzero(np.append(True, np.diff(quality) > 0))  # of each quality
        self.quality, self.rejected = quality[self.first], rejected

    def curve(self, weights: Floats) -> DiscardCurve:
        """The curve of pairs with these weights, [N]; steps without weight are left out."""
        mass = np.add.reduceat(weights, self.first)
        wrong = np.add.reduceat(weights * self.rejected, self.first)
        some = mass > 0
        mass, wrong = mass[some], wrong[some]
        total = mass.sum()
        # Summed from the best pair down, so that the last steps are not lost to rounding.
        kept, failed = np.cumsum(mass[::-1])[::-1], np.cumsum(wrong[::-1])[::-1]
        return DiscardCurve(1 - kept / total, failed / kept, self.quality[some])


def least_area(fnmr: float, up_to: float = UP_TO) -> float:
    """The area if the rejected pairs are discarded first: ∫ (f - x)/(1 - x) dx, from 0 to f.

    Args:
        fnmr: f, of all pairs.
        up_to: the share of pairs discarded, at most.
    """
    end = min(fnmr, up_to)
    if end >= 1:
        return up_to
    return end + (1 - fnmr) * float(np.log1p(-end))
