"""AUC with its standard error over identities, in closed form: for every validation of a run.

Each identity weighs 1. The influence of an identity is the derivative of AUC by its weight (the
infinitesimal jackknife): the sum, over its pairs, of how far the mean rank of a pair is from AUC.
The sum of the squares of all influences is the variance that the bootstrap over identities has for
many replicates. It takes one sort of the scores, where the bootstrap takes hundreds of sums.

Influences of two systems on the same people subtract, so that the difference of their AUCs has a
standard error too: what affects both alike cancels.

Sources: Efron, Nonparametric estimates of standard error: the jackknife, the bootstrap and other
methods, Biometrika 68, 1981; Obuchowski, Nonparametric analysis of clustered ROC curve data,
Biometrics 53, 1997.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats takes a second to import

from likewise.binomial import clopper_pearson
from likewise.evaluation.intervals.bootstrap import LEVEL, Interval
from likewise.evaluation.intervals.scored_pairs import ScoredPairs

__all__ = ["AucDifference", "AucEstimate", "auc_estimate", "auc_text"]

Floats = NDArray[np.float64]
UNKNOWN = math.inf  # the standard error of a single person's AUC


@dataclass(frozen=True)
class _Estimate:
    """A value and the influence of each identity on it.

    Args:
        value: the AUC, or the difference of two.
        influence: of each of A identities, float64 [A]; they add up to 0.
        people: the identities with genuine pairs.
    """

    value: float
    influence: Floats
    people: int

    @property
    def standard_error(self) -> float:
        """The standard deviation of the value over other draws of the identities."""
        return _standard_error(self.influence, self.people)


@dataclass(frozen=True)
class AucEstimate(_Estimate):
    """An AUC and the influence of each identity on it."""

    def interval(self, level: float = LEVEL) -> Interval:
        """The confidence interval, computed on the scale of log(AUC / (1 - AUC)): within [0, 1].

        An AUC of exactly 1 has no spread to compute it from. Its interval begins at the share of
        identities that are told apart, of which all were (Clopper and Pearson).

        Example:
            >>> import numpy as np
            >>> from likewise.evaluation.intervals.auc_estimate import AucEstimate
            >>> found = AucEstimate(0.9, np.tile([0.01, -0.01], 10), 20).interval()
            >>> round(found.low, 3), round(found.high, 3)
            (0.756, 0.963)
        """
        error = self.standard_error
        if math.isinf(error):
            return Interval(self.value, 0.0, 1.0)
        if error == 0 or self.value in (0.0, 1.0):
            alike = min(max(self.value, 0.0), 1.0) * self.people
            low, high = clopper_pearson(alike, self.people, level)
            return Interval(self.value, low, high)
        place = math.log(self.value / (1 - self.value))
        reach = _quantile(level, self.people) * error / (self.value * (1 - self.value))
        low, high = (1 / (1 + math.exp(-min(max(x, -700.0), 700.0)))
                     for x in (place - reach, place + reach))  # fmt: skip
        return Interval(self.value, low, high)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "value": self.value,
            "influence": self.influence.tolist(),
            "people": self.people,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AucEstimate:
        """The inverse of ``to_dict``."""
        influence = np.array(values["influence"], np.float64)
        return cls(float(values["value"]), influence, int(values["people"]))

    def minus(self, other: AucEstimate) -> AucDifference:
        """The difference to another system on the same identities.

        The pairs may be other ones: of these people, in the same order.

        Raises:
            ValueError: the other one has another number of identities.
        """
        influence = self.influence - other.influence
        return AucDifference(self.value - other.value, influence, min(self.people, other.people))


@dataclass(frozen=True)
class AucDifference(_Estimate):
    """The difference of two AUCs on the same identities: the first minus the second."""

    def interval(self, level: float = LEVEL) -> Interval:
        """The confidence interval; if it excludes 0, the difference is significant."""
        error = self.standard_error
        reach = error if math.isinf(error) else _quantile(level, self.people) * error
        low, high = max(-1.0, self.value - reach), min(1.0, self.value + reach)
        return Interval(self.value, low, high)


def auc_text(interval: Interval) -> str:
    """An AUC with its interval, in as many digits as the interval's width justifies.

    Example:
        >>> from likewise.evaluation.intervals.bootstrap import Interval
        >>> from likewise.evaluation.intervals.auc_estimate import auc_text
        >>> auc_text(Interval(0.8741, 0.8312, 0.9123)), auc_text(Interval(1.0, 0.83, 1.0))
        ('0.874 (0.83 to 0.91)', '1.000 (0.83 to 1.00)')
    """
    width = interval.high - interval.low
    digits = next((d for d in (2, 3) if width > 10.0**-d * 2), 4)
    value = f"{interval.value:.{min(4, digits + 1)}f}"
    return f"{value} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def auc_estimate(pairs: ScoredPairs) -> AucEstimate:
    """AUC, ties counted half, with the influence of each identity.

    Args:
        pairs: with their identities.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.intervals.auc_estimate import auc_estimate
        >>> from likewise.evaluation.intervals.scored_pairs import scored_pairs
        >>> people = np.repeat(np.arange(30), 4)
        >>> look = np.random.default_rng(0).normal(size=30)[people] + np.arange(120) % 4 / 8
        >>> i, j = np.triu_indices(120, 1)
        >>> same = people[i] == people[j]
        >>> found = auc_estimate(scored_pairs(-abs(look[i] - look[j]), same, people[i], people[j]))
        >>> found.interval().low < found.value < found.interval().high
        True
    """
    same = pairs.same
    weight = np.ones(len(pairs)) if pairs.weight is None else pairs.weight
    genuine, impostor = pairs.scores[same], pairs.scores[~same]
    genuine_weight, impostor_weight = weight[same], weight[~same]
    # The share of impostor pairs below each genuine pair, and of genuine pairs above each impostor.
    below = _share_below(genuine, impostor, impostor_weight)
    above = 1 - _share_below(impostor, genuine, genuine_weight)
    total, rest = float(genuine_weight.sum()), float(impostor_weight.sum())
    value = float(genuine_weight @ below) / total
    moved = genuine_weight * (below - value) / total
    influence = np.bincount(pairs.left[same], moved, pairs.identities).astype(np.float64)
    moved = impostor_weight * (above - value) / rest
    left, right = pairs.left[~same], pairs.right[~same]
    influence += np.bincount(left, moved, pairs.identities)
    # A pair that names one identity twice, as two bodies of a label may be, counts once.
    influence += np.bincount(right, moved * (left != right), pairs.identities)
    return AucEstimate(value, influence, len(np.unique(pairs.left[same])))


def _share_below(of: Floats, scores: Floats, weight: Floats) -> Floats:
    """For each of ``of``, the weighted share of ``scores`` below it; ties count half."""
    order = np.argsort(scores)
    ranked, mass = scores[order], np.concatenate([[0.0], np.cumsum(weight[order])])
    # Searching sorted values in order is several times as fast as in any order.
    turn = np.argsort(of)
    asked = of[turn]
    under = mass[np.searchsorted(ranked, asked, "left")]
    upto = mass[np.searchsorted(ranked, asked, "right")]
    found = np.empty(len(of))
    found[turn] = (under + upto) / (2 * mass[-1])
    return found


def _standard_error(influence: Floats, people: int) -> float:
    """From influences; unbiased for few people by the factor n/(n - 1)."""
    if people < 2:
        return UNKNOWN
    return math.sqrt(float(influence @ influence) * people / (people - 1))


def _quantile(level: float, people: int) -> float:
    """Of Student's t: the standard error of few people is uncertain itself."""
    return float(special.stdtrit(people - 1, (1 + level) / 2))
