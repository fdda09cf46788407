"""Calibration: fits the probability of the same person to scores, and thresholds at a given FMR.

The fit is to the log-likelihood ratio, which depends on the embedder only. The prior, which depends
on the application, is applied when a probability is computed. So genuine and impostor pairs have
the same total weight in the fit, whatever their numbers.

Sources: Platt, Probabilistic outputs for support vector machines, 1999 (the logistic map and its
smoothed targets); Zadrozny and Elkan, Transforming classifier scores into accurate multiclass
probability estimates, 2002 (isotonic).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_number, one_of
from likewise.data.embeddings import NORM, Embeddings, require_same_embedder
from likewise.data.pairs import draw_pairs
from likewise.distances.resolution import indistinguishable, mean_cosine
from likewise.errors import InputError
from likewise.evaluation.intervals.bootstrap import Intervals, bootstrap
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.verification.metrics import FARS, Verification, pair_scores, verification
from likewise.evaluation.verification.roc import checked_scores, too_few
from likewise.models.calibration import METHODS, Calibration
from likewise.models.embedded.norms import NormReference
from likewise.models.operating_point import OperatingPoint

if TYPE_CHECKING:
    from likewise.models.embedder import Embedder

__all__ = [
    "Calibrated",
    "NotIncreasing",
    "calibrate",
    "calibrate_pairs",
    "fit_calibration",
]

Floats = NDArray[np.float64]
LIMIT = 200_000  # pairs of each kind: more do not change a curve with two parameters
DEFAULT_FMR = 1e-3


class NotIncreasing(InputError):
    """Genuine pairs do not score higher than impostor pairs."""

    def __init__(
        self, reason: str = "genuine pairs do not score higher than impostor pairs"
    ) -> None:
        super().__init__(
            f"calibration: {reason}, so no increasing map from score to probability fits"
        )


@dataclass(frozen=True)
class Calibrated:
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


def calibrate_pairs(
    pairs: ScoredPairs,
    *,
    fars: Sequence[float] = FARS,
    fmr: float = DEFAULT_FMR,
    method: str = "logistic",
    replicates: int = 1000,
    seed: int = 0,
) -> Calibrated:
    """Fit a calibration to scored pairs, and measure thresholds with confidence intervals.

    Args:
        pairs: with their identities.
        fars: the FMRs to measure; ``fmr`` is added.
        fmr: of the default operating point; if there are too few impostor pairs for it, the next
            larger one that can be measured.
        method: see ``fit_calibration``.
        replicates: see ``bootstrap``.
        seed: see ``bootstrap``.

    Raises:
        InputError: see ``fit_calibration`` and ``bootstrap``.
    """
    wanted = sorted({*fars, fmr}, reverse=True)
    measured = verification(pairs.scores, pairs.same, wanted)
    intervals = None
    if replicates and pairs.identities >= 5:
        intervals = bootstrap(pairs, wanted, replicates=replicates, seed=seed)
    points = operating_points(measured, intervals)
    try:
        calibration = fit_calibration(pairs.scores, pairs.same, method=method)
    except NotIncreasing:
        calibration = None
    able = [point for point in points if point.fmr >= fmr]
    return Calibrated(
        calibration=calibration,
        points=points,
        chosen=able[-1] if able else None,
        measured=measured,
        intervals=intervals,
    )


def calibrate(
    embedder: Embedder,
    embeddings: Embeddings,
    *,
    fmr: float = DEFAULT_FMR,
    method: str = "logistic",
    limit: int = LIMIT,
    replicates: int = 1000,
    seed: int = 0,
    data: str = "",
) -> Calibrated:
    """Calibrate an embedder on labeled people that it was not trained on.

    Sets ``calibration``, ``operating_points`` and ``operating_point`` of the embedder, and its
    ``norms`` if the embeddings have a column ``norm``; save it to keep them.

    Args:
        embedder: to calibrate.
        embeddings: of the people's photos, made by this embedder, with identities.
        fmr: see ``calibrate_pairs``; here, too few impostor pairs for it are an error.
        method: see ``fit_calibration``.
        limit: the most genuine and the most impostor pairs; more are sampled.
        replicates: see ``bootstrap``.
        seed: of the sample and the bootstrap.
        data: the name of the photos, which is stored with the ``norms``.

    Raises:
        InputError: another embedder made the embeddings; too few impostor pairs for ``fmr``;
            see ``calibrate_pairs``.

    Example:
        >>> import likewise
        >>> from likewise.evaluation.calibration.fit import calibrate
        >>> embedder = likewise.load(model)
        >>> embeddings, _ = embedder.embed_manifest(likewise.read_manifest(photos))
        >>> found = calibrate(embedder, embeddings, fmr=0.1)
        >>> embedder.calibration == found.calibration
        True
    """
    require_same_embedder(embedder.fingerprint, embeddings.fingerprint, "embeddings")
    pairs = draw_pairs(embeddings.labels, limit=limit, seed=seed)
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    impostor = int((~pairs.same).sum())
    check_number("fmr", fmr, above=0, most=1)
    if too_few(fmr, impostor):
        raise InputError(
            f"fmr: {impostor:,} impostor pairs cannot show an FMR of {fmr:g}, which needs "
            f"{round(1 / fmr):,} or more; use {1 / impostor:.1g} or more"
        )
    if indistinguishable(mean_cosine(embeddings.vectors)):
        raise NotIncreasing(
            "the model gives all photos the same embedding within float32 precision"
        )
    scores = pair_scores(embeddings.vectors, left, right)
    labels = embeddings.labels
    found = calibrate_pairs(
        scored_pairs(scores, pairs.same, labels[left], labels[right]),
        fmr=fmr,
        method=method,
        replicates=replicates,
        seed=seed,
    )
    if found.calibration is None:
        raise NotIncreasing
    embedder.calibration = found.calibration
    embedder.operating_points = found.points
    embedder.operating_point = found.chosen
    if NORM in embeddings.items.column_names:
        embedder.norms = NormReference.measured(embeddings.items[NORM].to_numpy(), data)
    return found


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
