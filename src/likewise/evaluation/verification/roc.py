"""The curve of a verification experiment, and what is read from it: ROC, DET, EER, TAR, DCF.

Scores are higher for more alike; ``score ≥ threshold`` is "same". FAR is the share of impostor
pairs accepted, TAR the share of genuine pairs accepted. Where every pair is one attempt, as here,
FAR is the false match rate (FMR) and 1 - TAR the false non-match rate (FNMR) of ISO/IEC 19795-1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError

__all__ = [
    "Det",
    "MinDcf",
    "Roc",
    "TarAtFar",
    "area",
    "checked_scores",
    "curve_of_counts",
    "det",
    "equal_error",
    "min_dcf",
    "paired_arrays",
    "roc",
    "tar_at",
    "too_few",
]

Floats = NDArray[np.float64]
ROUNDING = 1e-12  # what a rate may pass its target by, and still be it


@dataclass(frozen=True)
class Roc:
    """The receiver operating characteristic: one point for each distinct score, descending.

    Args:
        threshold: float64 [T]; the first is infinite (nothing accepted).
        far: share of impostor pairs accepted, [T], from 0 to 1.
        tar: share of genuine pairs accepted, [T], from 0 to 1.
    """

    threshold: Floats
    far: Floats
    tar: Floats

    def thinned(self, points: int = 1000) -> Roc:
        """At most some ``points`` of the points, chosen for a drawing on a logarithmic FAR axis.

        Half are spread evenly over log FAR, half over TAR; both ends stay. Every point is one of
        the curve's own.
        """
        if len(self.far) <= points:
            return self
        half = max(points // 2 - 2, 2)
        smallest = self.far[self.far > 0].min()
        by_far = np.searchsorted(self.far, np.geomspace(smallest, 1, half), side="right") - 1
        by_tar = np.searchsorted(self.tar, np.linspace(0, 1, half), side="left")
        rows = np.unique(np.concatenate([by_far, by_tar, [0, len(self.far) - 1]]))
        return Roc(self.threshold[rows], self.far[rows], self.tar[rows])


@dataclass(frozen=True)
class TarAtFar:
    """The most genuine pairs that can be accepted while FAR stays at or below ``target``.

    Args:
        target: the FAR asked for.
        tar: the largest TAR among thresholds with FAR ≤ target; None if it cannot be measured.
        far: the FAR there, at most ``target``.
        threshold: the score from which on pairs are accepted.
    """

    target: float
    tar: float | None
    far: float | None
    threshold: float | None


@dataclass(frozen=True)
class Det:
    """The detection error trade-off: the two errors against each other, as normal deviates.

    Args:
        threshold: float64 [T], descending.
        fmr: false match rate, [T], rising.
        fnmr: false non-match rate, [T], falling.
        fmr_deviate: Φ⁻¹(FMR), [T]; minus infinity where it is 0, infinity where it is 1.
        fnmr_deviate: Φ⁻¹(FNMR), [T], likewise.

    Source: Martin et al., The DET curve in assessment of detection task performance, 1997.
    """

    threshold: Floats
    fmr: Floats
    fnmr: Floats
    fmr_deviate: Floats
    fnmr_deviate: Floats


@dataclass(frozen=True)
class MinDcf:
    """The smallest detection cost over all thresholds.

    Args:
        p_target: how often the two photos show one person, where the system is used.
        cost: (C_miss·FNMR·p + C_fa·FMR·(1 - p)) / min(C_miss·p, C_fa·(1 - p)): 1 is as good as
            always giving the same answer.
        threshold: the highest at which the cost is reached; infinite where accepting nothing is
            best.
    """

    p_target: float
    cost: float
    threshold: float


def checked_scores(scores: ArrayLike, same: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores and truth as arrays [N], with both kinds of pairs.

    Raises:
        InputError: a score is not finite, the shapes differ, or one of the two kinds is missing.
    """
    values, truth = paired_arrays(scores, same)
    if truth.all() or not truth.any():
        kind = "different-person" if truth.any() else "same-person"
        raise InputError(f"verification: there are no {kind} pairs, so nothing can be measured")
    return values, truth


def paired_arrays(scores: ArrayLike, same: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores and truth as arrays [N].

    Raises:
        InputError: a score is not finite, or the shapes differ.
    """
    values = np.asarray(scores, np.float64)
    truth = np.asarray(same, bool)
    if values.ndim != 1 or values.shape != truth.shape:
        raise InputError(
            f"scores and same: shapes {values.shape} and {truth.shape} must be one [N]"
        )
    if not np.isfinite(values).all():
        raise InputError(f"scores: entry {int(np.argmin(np.isfinite(values)))} is not finite")
    return values, truth


def roc(scores: ArrayLike, same: ArrayLike) -> Roc:
    """The ROC of scores [N] against the truth [N].

    Pairs that tie are accepted together: their order says nothing.

    Raises:
        InputError: a score is not finite, the shapes differ, or one of the two kinds is missing.
    """
    values, truth = checked_scores(scores, same)
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # of each run of ties
    return curve_of_counts(values[last], last + 1, np.cumsum(truth, dtype=np.int64)[last])


def curve_of_counts(
    threshold: Floats, accepted: NDArray[np.int64], genuine: NDArray[np.int64]
) -> Roc:
    """The ROC of pairs that were counted.

    Args:
        threshold: distinct scores [T], descending.
        accepted: pairs that score as much or more, [T].
        genuine: those of them that show one person, [T].
    """
    impostor = accepted - genuine
    return Roc(
        threshold=np.concatenate([[np.inf], threshold]),
        far=np.concatenate([[0.0], impostor / impostor[-1]]),
        tar=np.concatenate([[0.0], genuine / genuine[-1]]),
    )


def area(curve: Roc) -> float:
    """The chance that a genuine pair scores above an impostor one, ties counted half."""
    return float((np.diff(curve.far) * (curve.tar[1:] + curve.tar[:-1])).sum() / 2)


def too_few(target: float, impostor: int) -> bool:
    """Whether so many impostor pairs cannot show this FAR: one false accept would exceed it.

    Raises:
        InputError: ``target`` is not in (0, 1].
    """
    if not 0 < target <= 1:
        raise InputError(f"far: must be in (0, 1]; got {target}")
    return target * impostor < 1 - 1e-9


def tar_at(curve: Roc, target: float, impostor: int) -> TarAtFar:
    """The largest TAR with FAR ≤ ``target``, never that of the nearest FAR.

    Raises:
        InputError: ``target`` is not in (0, 1].
    """
    if too_few(target, impostor):
        return TarAtFar(target, None, None, None)
    # Both rates rise along the curve.
    point = int(np.searchsorted(curve.far, target * (1 + ROUNDING), side="right")) - 1
    if point == 0:  # the best score of all is an impostor's, shared by more than may be accepted
        return TarAtFar(target, 0.0, 0.0, float(np.nextafter(curve.threshold[1], np.inf)))
    return TarAtFar(
        target, float(curve.tar[point]), float(curve.far[point]), float(curve.threshold[point])
    )


def equal_error(curve: Roc) -> tuple[float, float]:
    """Where FAR meets FRR, on the straight line between the two operating points around it.

    Returns:
        The rate, and the lower of the two thresholds.
    """
    gap = curve.far + curve.tar - 1.0  # FAR - FRR: rises from -1 to 1
    after = int(np.searchsorted(gap, 0.0))
    if gap[after] == 0.0:
        return float(curve.far[after]), float(curve.threshold[after])
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    eer = curve.far[before] + share * (curve.far[after] - curve.far[before])
    return float(eer), float(curve.threshold[after])


def det(curve: Roc) -> Det:
    """The DET of a ROC; thin the ROC first where it is to be drawn."""
    from scipy.special import ndtri

    fnmr = 1.0 - curve.tar
    return Det(curve.threshold, curve.far, fnmr, ndtri(curve.far), ndtri(fnmr))


def min_dcf(curve: Roc, p_target: float, *, c_miss: float = 1.0, c_fa: float = 1.0) -> MinDcf:
    """The minimum of the normalised detection cost function.

    Args:
        curve: of the experiment.
        p_target: the prior of "same", in (0, 1).
        c_miss: the cost of refusing a genuine pair.
        c_fa: the cost of accepting an impostor pair.

    Raises:
        InputError: ``p_target`` is not in (0, 1), or a cost is not positive.

    Source: NIST Speaker Recognition Evaluation plans (2016: p = 0.01 and 0.005, both costs 1).

    Example:
        >>> from likewise.evaluation.verification.roc import min_dcf, roc
        >>> min_dcf(roc([0.9, 0.5, 0.4, 0.1], [True, False, True, False]), 0.01).cost
        0.5
    """
    if not 0 < p_target < 1:
        raise InputError(f"p_target: must be in (0, 1); got {p_target}")
    if not (c_miss > 0 and c_fa > 0):
        raise InputError(f"c_miss, c_fa: must be positive; got {c_miss}, {c_fa}")
    miss, alarm = c_miss * p_target, c_fa * (1 - p_target)
    costs = (miss * (1.0 - curve.tar) + alarm * curve.far) / min(miss, alarm)
    best = int(np.argmin(costs))
    return MinDcf(p_target, float(costs[best]), float(curve.threshold[best]))
