"""The quality of calibrated probabilities: Cllr, its calibration loss, and the reliability diagram.

Sources: Brümmer and du Preez, Application-independent evaluation of speaker detection, 2006
(Cllr, and its minimum by pool-adjacent-violators); Guo et al., On calibration of modern neural
networks, 2017 (the expected calibration error).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_count, check_number
from likewise.evaluation.verification.roc import checked_scores
from likewise.models.calibration import Calibration

__all__ = ["Reliability", "ReliabilityBin", "cllr", "min_cllr", "reliability"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ReliabilityBin:
    """The pairs with a probability between two limits.

    Args:
        low: the lower limit.
        high: the upper limit.
        predicted: their mean probability; None if there is no pair.
        observed: the share of genuine pairs among them; None if there is no pair.
        genuine: the number of genuine pairs.
        impostor: the number of impostor pairs.
    """

    low: float
    high: float
    predicted: float | None
    observed: float | None
    genuine: int
    impostor: int


@dataclass(frozen=True)
class Reliability:
    """The quality of calibrated probabilities.

    Args:
        cllr: the cost of the log-likelihood ratios in bits: 0 is perfect, 1 is no information.
        min_cllr: the cost with the best increasing map of the scores, which is the discrimination
            loss. The rest, ``cllr - min_cllr``, is the calibration loss.
        prior: the prior probability of a genuine pair, in the diagram.
        bins: of the reliability diagram.
        expected_error: the mean of ``|observed - predicted|`` over the pairs (ECE).
    """

    cllr: float
    min_cllr: float
    prior: float
    bins: tuple[ReliabilityBin, ...]
    expected_error: float

    @property
    def points(self) -> list[tuple[float, float]]:
        """(predicted, observed) of each bin that holds a pair."""
        return [
            (entry.predicted, entry.observed)
            for entry in self.bins
            if entry.predicted is not None and entry.observed is not None
        ]


def cllr(ratios: ArrayLike, same: ArrayLike) -> float:
    """½ (mean over genuine of log₂(1 + e^-r) + mean over impostors of log₂(1 + e^r)), in bits.

    Args:
        ratios: log-likelihood ratios [N], natural logarithm.
        same: bool [N].

    Raises:
        InputError: see ``checked_scores``.

    Example:
        >>> from likewise.evaluation.calibration.reliability import cllr
        >>> cllr([0.0, 0.0], [True, False])
        1.0
    """
    values, truth = checked_scores(ratios, same)
    return _cllr(values[truth], values[~truth])


def min_cllr(scores: ArrayLike, same: ArrayLike) -> float:
    """Cllr after the best increasing map of these scores, which may give infinite ratios.

    Args:
        scores: [N], higher for more similar.
        same: bool [N], whether the pair shows one person.

    Raises:
        InputError: see ``checked_scores``.
    """
    from sklearn.isotonic import IsotonicRegression

    values, truth = checked_scores(scores, same)
    weight = np.where(truth, 1 / truth.sum(), 1 / (~truth).sum())
    # Ties get one value, since equal scores must map to equal ratios.
    _, place = np.unique(values, return_inverse=True)
    total = np.bincount(place, weights=weight)
    share = np.bincount(place, weights=weight * truth) / total
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(
        np.arange(len(total)), share, sample_weight=total
    )
    with np.errstate(divide="ignore"):
        ratios = (np.log(fitted) - np.log1p(-fitted))[place]
    return _cllr(ratios[truth], ratios[~truth])


def reliability(
    calibration: Calibration,
    scores: ArrayLike,
    same: ArrayLike,
    *,
    prior: float = 0.5,
    bins: int = 10,
) -> Reliability:
    """Evaluate a calibration on pairs that it was not fitted on.

    Args:
        calibration: to evaluate.
        scores: [N], higher for more similar.
        same: bool [N], whether the pair shows one person.
        prior: pairs are weighted so that this share of them is genuine.
        bins: their number, of equal width in probability.

    Raises:
        InputError: see ``checked_scores``; the prior is not in (0, 1), or there is no bin.

    Example:
        >>> from likewise.evaluation.calibration.reliability import reliability
        >>> from likewise.models.calibration import Calibration
        >>> calibration = Calibration("logistic", slope=4.0)
        >>> found = reliability(calibration, [1.0, 0.5, -0.5, -1.0], [True, True, False, False])
        >>> round(found.cllr, 3), found.min_cllr, found.bins[-1].genuine
        (0.105, 0.0, 1)
    """
    values, truth = checked_scores(scores, same)
    check_count("bins", bins)
    check_number("prior", prior, above=0, below=1)
    found = calibration.probabilities(values, prior)
    weight = np.where(truth, prior / truth.sum(), (1 - prior) / (~truth).sum())
    place = np.minimum((found * bins).astype(np.int64), bins - 1)
    mass = np.bincount(place, weights=weight, minlength=bins)
    predicted = np.bincount(place, weights=weight * found, minlength=bins)
    observed = np.bincount(place, weights=weight * truth, minlength=bins)
    genuine = np.bincount(place[truth], minlength=bins)
    impostor = np.bincount(place[~truth], minlength=bins)
    table = tuple(
        ReliabilityBin(
            low=k / bins,
            high=(k + 1) / bins,
            predicted=float(predicted[k] / mass[k]) if mass[k] else None,
            observed=float(observed[k] / mass[k]) if mass[k] else None,
            genuine=int(genuine[k]),
            impostor=int(impostor[k]),
        )
        for k in range(bins)
    )
    return Reliability(
        cllr=cllr(calibration.log_likelihood_ratios(values), truth),
        min_cllr=min_cllr(values, truth),
        prior=prior,
        bins=table,
        expected_error=float(np.abs(observed - predicted).sum()),
    )


def _cllr(genuine: Floats, impostor: Floats) -> float:
    costs = np.logaddexp(0.0, -genuine).mean() + np.logaddexp(0.0, impostor).mean()
    return float(costs / (2 * np.log(2)))
