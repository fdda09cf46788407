"""The curves of a verification experiment and the metrics read from them: ROC, DET, EER, TAR, DCF.

Scores are higher for more similar; a pair is accepted if ``score ≥ threshold``. FAR is the share of
impostor pairs accepted, TAR the share of genuine pairs accepted. Here every pair is one attempt,
so FAR is the false match rate (FMR) and 1 - TAR the false non-match rate (FNMR) of ISO/IEC 19795-1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_number
from likewise.arrays import as_array
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
ROUNDING = 1e-12  # relative tolerance when a rate is compared with its target


@dataclass(frozen=True)
class Roc:
    """The receiver operating characteristic: one point for each distinct score, descending.

    Args:
        threshold: float64 [T]; the first is infinite (no pair is accepted).
        far: share of impostor pairs accepted, [T], from 0 to 1.
        tar: share of genuine pairs accepted, [T], from 0 to 1.
    """

    threshold: Floats
    far: Floats
    tar: Floats

    def thinned(self, points: int = 1000) -> Roc:
        """About ``points`` of the curve's points, for a plot with a logarithmic FAR axis.

        Half are spread evenly over log FAR, half over TAR; both ends are included.
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
    """The largest TAR with FAR at or below ``target``.

    Args:
        target: the FAR requested.
        tar: the largest TAR among thresholds with FAR ≤ target; None if it cannot be measured.
        far: the FAR at that threshold, at most ``target``.
        threshold: the lowest score that is accepted.
    """

    target: float
    tar: float | None
    far: float | None
    threshold: float | None


@dataclass(frozen=True)
class Det:
    """The detection error trade-off: one error rate against the other.

    Args:
        threshold: float64 [T], descending; the first is infinite (nothing is accepted).
        false_positive: [T], rising from 0: FMR in verification, FPIR in identification.
        false_negative: [T], falling from 1: FNMR in verification, FNIR in identification.

    Source: Martin et al., The DET curve in assessment of detection task performance, 1997.
    """

    threshold: Floats
    false_positive: Floats
    false_negative: Floats

    def deviates(self) -> tuple[Floats, Floats]:
        """Φ⁻¹ of both rates, the scales of a DET plot; infinite where a rate is 0 or 1."""
        from scipy.special import ndtri

        return ndtri(self.false_positive), ndtri(self.false_negative)


@dataclass(frozen=True)
class MinDcf:
    """The smallest detection cost over all thresholds.

    Args:
        p_target: the prior probability that two photos show one person.
        cost: (C_miss·FNMR·p + C_fa·FMR·(1 - p)) / min(C_miss·p, C_fa·(1 - p)): 1 is the
            cost of always giving the same answer.
        threshold: the highest one with this cost; infinite if accepting nothing is best.
    """

    p_target: float
    cost: float
    threshold: float


def checked_scores(scores: ArrayLike, same: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores and ground truth as arrays [N], with genuine and impostor pairs.

    Raises:
        InputError: a score is not finite, the shapes differ, or there are no genuine or no
            impostor pairs.
    """
    values, truth = paired_arrays(scores, same)
    if truth.all() or not truth.any():
        kind = "different-person" if truth.any() else "same-person"
        raise InputError(f"verification: there are no {kind} pairs; both kinds are needed")
    return values, truth


def paired_arrays(scores: ArrayLike, same: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores and ground truth as arrays [N].

    Raises:
        InputError: a score is not finite, an entry of ``same`` is not true or false, or the shapes
            differ.
    """
    values = np.asarray(as_array(scores, "scores"), np.float64)
    truth = _truth(same)
    if values.ndim != 1 or values.shape != truth.shape:
        raise InputError(
            f"scores and same: shapes {values.shape} and {truth.shape} must be one [N]"
        )
    if not np.isfinite(values).all():
        raise InputError(f"scores: entry {int(np.argmin(np.isfinite(values)))} is not finite")
    return values, truth


def _truth(same: ArrayLike) -> NDArray[np.bool_]:
    """Whether each pair shows one person: booleans, or 0 and 1."""
    given = as_array(same, "same")
    if given.dtype == np.bool_:
        return given
    good = np.isin(given, (0, 1)) if given.dtype.kind in "iuf" else np.zeros(given.shape, bool)
    if not good.all():
        row = int(np.argmin(good.reshape(-1)))
        raise InputError(
            f"same: entry {row} is {given.reshape(-1)[row]!r}; must be True or False, or 1 or 0"
        )
    return given.astype(bool)


def roc(scores: ArrayLike, same: ArrayLike) -> Roc:
    """The ROC of scores [N] against the ground truth [N]; tied pairs are accepted together.

    Raises:
        InputError: see ``checked_scores``.
    """
    values, truth = checked_scores(scores, same)
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # of each group of ties
    return curve_of_counts(values[last], last + 1, np.cumsum(truth, dtype=np.int64)[last])


def curve_of_counts(
    threshold: Floats, accepted: NDArray[np.int64], genuine: NDArray[np.int64]
) -> Roc:
    """The ROC from counts of pairs.

    Args:
        threshold: distinct scores [T], descending.
        accepted: the number of pairs at or above each threshold, [T].
        genuine: how many of them are genuine, [T].
    """
    impostor = accepted - genuine
    return Roc(
        threshold=np.concatenate([[np.inf], threshold]),
        far=np.concatenate([[0.0], impostor / impostor[-1]]),
        tar=np.concatenate([[0.0], genuine / genuine[-1]]),
    )


def area(curve: Roc) -> float:
    """AUC: the probability that a genuine pair scores above an impostor pair; ties count half."""
    return float((np.diff(curve.far) * (curve.tar[1:] + curve.tar[:-1])).sum() / 2)


def too_few(target: float, impostor: int) -> bool:
    """Whether there are too few impostor pairs to measure this FAR: one false accept exceeds it.

    Raises:
        InputError: ``target`` is not in (0, 1].
    """
    check_number("far", target, above=0, most=1)
    return target * impostor < 1 - 1e-9


def tar_at(curve: Roc, target: float, impostor: int) -> TarAtFar:
    """The largest TAR with FAR ≤ ``target``; a FAR above the target never counts.

    Raises:
        InputError: ``target`` is not in (0, 1].
    """
    if too_few(target, impostor):
        return TarAtFar(target, None, None, None)
    # Both rates rise along the curve.
    point = int(np.searchsorted(curve.far, target * (1 + ROUNDING), side="right")) - 1
    if point == 0:  # more impostor pairs share the highest score than may be accepted
        return TarAtFar(target, 0.0, 0.0, float(np.nextafter(curve.threshold[1], np.inf)))
    return TarAtFar(
        target, float(curve.tar[point]), float(curve.far[point]), float(curve.threshold[point])
    )


def equal_error(curve: Roc) -> tuple[float, float]:
    """The EER, where FAR = FRR, interpolated linearly between the two nearest operating points.

    Returns:
        The rate, and the lower of their two thresholds.
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
    """The DET of a ROC; for a plot, thin the ROC first."""
    return Det(curve.threshold, curve.far, 1.0 - curve.tar)


def min_dcf(curve: Roc, p_target: float, *, c_miss: float = 1.0, c_fa: float = 1.0) -> MinDcf:
    """The minimum of the normalized detection cost function (minDCF).

    Args:
        curve: of the experiment.
        p_target: the prior probability of a genuine pair, in (0, 1).
        c_miss: the cost of rejecting a genuine pair.
        c_fa: the cost of accepting an impostor pair.

    Raises:
        InputError: ``p_target`` is not in (0, 1), or a cost is not positive.

    Source: NIST Speaker Recognition Evaluation plans (2016: p = 0.01 and 0.005, both costs 1).

    Example:
        >>> from likewise.evaluation.verification.roc import min_dcf, roc
        >>> min_dcf(roc([0.9, 0.5, 0.4, 0.1], [True, False, True, False]), 0.01).cost
        0.5
    """
    check_number("p_target", p_target, above=0, below=1)
    check_number("c_miss", c_miss, above=0)
    check_number("c_fa", c_fa, above=0)
    miss, alarm = c_miss * p_target, c_fa * (1 - p_target)
    costs = (miss * (1.0 - curve.tar) + alarm * curve.far) / min(miss, alarm)
    best = int(np.argmin(costs))
    return MinDcf(p_target, float(costs[best]), float(curve.threshold[best]))
