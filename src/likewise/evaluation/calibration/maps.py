"""The maps from score to log-likelihood ratio that a calibration fits: logistic and isotonic.

Sources: Platt, Probabilistic outputs for support vector machines, 1999 (the logistic map and its
smoothed targets); Zadrozny and Elkan, Transforming classifier scores into accurate multiclass
probability estimates, 2002 (isotonic).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import one_of
from likewise.errors import InputError
from likewise.evaluation.verification.roc import checked_scores
from likewise.models.calibration import METHODS, Calibration

__all__ = ["NotIncreasing", "fit_calibration"]

Floats = NDArray[np.float64]


class NotIncreasing(InputError):
    """Genuine pairs do not score higher than impostor pairs."""

    def __init__(
        self, reason: str = "genuine pairs do not score higher than impostor pairs"
    ) -> None:
        super().__init__(
            f"calibration: {reason}, so no increasing map from score to probability fits"
        )


def fit_calibration(scores: ArrayLike, same: ArrayLike, *, method: str = "logistic") -> Calibration:
    """Fit the map from score to log-likelihood ratio.

    ``logistic`` has two parameters, needs few pairs, and extrapolates beyond the scores seen.
    ``isotonic`` fits any increasing shape, needs thousands of pairs, and is constant beyond them.

    Args:
        scores: [N], higher for more similar.
        same: bool [N], whether the pair shows one person.
        method: ``logistic`` or ``isotonic``.

    Raises:
        InputError: see ``checked_scores``; an unknown method; genuine pairs do not score higher.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.calibration.fit import fit_calibration
        >>> random = np.random.default_rng(0)
        >>> scores = np.concatenate([random.normal(1, 1, 5000), random.normal(-1, 1, 5000)])
        >>> found = fit_calibration(scores, np.arange(10_000) < 5000)
        >>> round(found.slope, 1), abs(found.intercept) < 0.1  # ln N(s;1,1) - ln N(s;-1,1) = 2s
        (2.0, True)
    """
    values, truth = checked_scores(scores, same)
    one_of("method", method, METHODS)
    fit = _logistic if method == "logistic" else _isotonic
    return fit(values, truth)


def _logistic(values: Floats, truth: NDArray[np.bool_]) -> Calibration:
    from sklearn.linear_model import LogisticRegression

    # Standardized, so that the solver's tolerance suits the scores of any distance.
    middle, spread = float(values.mean()), float(values.std())
    if spread == 0:
        raise NotIncreasing
    scaled = (values - middle) / spread
    genuine, impostor = int(truth.sum()), int((~truth).sum())
    # Platt's targets: as if each kind had one more pair, with the other answer. Every pair gets
    # both answers, weighted by its target, so that fully separated scores have a finite fit.
    yes = np.where(truth, (genuine + 1) / (genuine + 2), 1 / (impostor + 2))
    share = np.where(truth, 0.5 / genuine, 0.5 / impostor) * len(values)
    solver = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    solver.fit(
        np.concatenate([scaled, scaled])[:, None],
        np.repeat([1, 0], len(values)),
        np.concatenate([share * yes, share * (1 - yes)]),
    )
    slope = float(solver.coef_[0, 0]) / spread
    if slope <= 0:
        raise NotIncreasing
    return Calibration(
        "logistic", slope=slope, intercept=float(solver.intercept_[0]) - slope * middle
    )


def _isotonic(values: Floats, truth: NDArray[np.bool_]) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    genuine, impostor = int(truth.sum()), int((~truth).sum())
    # One more pair of each kind at either end, so that no score is ever certain (Laplace's rule).
    ends = np.array([values.min(), values.max()])
    scores = np.concatenate([values, ends, ends])
    same = np.concatenate([truth, [True, True, False, False]])
    weight = np.where(same, 1 / (genuine + 2), 1 / (impostor + 2))
    fitted = IsotonicRegression().fit(scores, same.astype(np.float64), sample_weight=weight)
    knots = np.asarray(fitted.X_thresholds_, np.float64)
    shares = np.clip(np.asarray(fitted.y_thresholds_, np.float64), 1e-12, 1 - 1e-12)
    if shares[0] == shares[-1]:
        raise NotIncreasing
    ratios = np.maximum.accumulate(np.log(shares) - np.log1p(-shares))
    return Calibration("isotonic", scores=tuple(knots.tolist()), ratios=tuple(ratios.tolist()))
