"""Verification: do two photos show the same person? ROC, AUC, EER and TAR at a named FAR.

Scores are higher for more alike; ``score ≥ threshold`` is "same". FAR is the share of impostor
pairs accepted, TAR the share of genuine pairs accepted (1 - FRR).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError

__all__ = ["FARS", "Roc", "TarAtFar", "Verification", "pair_scores", "roc", "verification"]

Floats = NDArray[np.float64]
FARS = (1e-1, 1e-2, 1e-3, 1e-4)


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
class Verification:
    """The numbers of a verification experiment.

    Args:
        genuine: pairs of the same person.
        impostor: pairs of different people.
        auc: the area under the ROC: the chance that a genuine pair scores above an impostor one,
            ties counted half.
        eer: the equal error rate, where FAR = FRR, between the two nearest thresholds.
        eer_threshold: the score there.
        tar_at_far: one entry for each FAR asked for.
        roc: the whole curve.
    """

    genuine: int
    impostor: int
    auc: float
    eer: float
    eer_threshold: float
    tar_at_far: tuple[TarAtFar, ...]
    roc: Roc

    def at(self, target: float) -> TarAtFar:
        """The entry for this FAR."""
        return next(entry for entry in self.tar_at_far if entry.target == target)


def roc(scores: ArrayLike, same: ArrayLike) -> Roc:
    """The ROC of scores [N] against the truth [N].

    Pairs that tie are accepted together: their order says nothing.

    Raises:
        InputError: a score is not finite, the shapes differ, or one of the two kinds is missing.
    """
    values = np.asarray(scores, np.float64)
    truth = np.asarray(same, bool)
    if values.ndim != 1 or values.shape != truth.shape:
        raise InputError(
            f"scores and same: shapes {values.shape} and {truth.shape} must be one [N]"
        )
    if not np.isfinite(values).all():
        raise InputError(f"scores: entry {int(np.argmin(np.isfinite(values)))} is not finite")
    genuine = int(truth.sum())
    impostor = len(truth) - genuine
    if genuine == 0 or impostor == 0:
        kind = "same-person" if genuine == 0 else "different-person"
        raise InputError(f"verification: there are no {kind} pairs, so nothing can be measured")
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # of each run of ties
    accepted = np.cumsum(truth)[last]
    return Roc(
        threshold=np.concatenate([[np.inf], values[last]]),
        far=np.concatenate([[0.0], (last + 1 - accepted) / impostor]),
        tar=np.concatenate([[0.0], accepted / genuine]),
    )


def verification(scores: ArrayLike, same: ArrayLike, fars: Sequence[float] = FARS) -> Verification:
    """Measure a verification experiment.

    Args:
        scores: [N], higher for more alike.
        same: bool [N], whether the pair shows one person.
        fars: the false accept rates at which TAR is wanted. One below 1/impostors cannot be
            measured: not even one false accept would be that rare.

    Raises:
        InputError: see ``roc``; or a FAR is not in (0, 1].

    Example:
        >>> from likewise.evaluation.verification import verification
        >>> verification([0.9, 0.8, 0.3, 0.1], [True, True, False, False]).auc
        1.0
    """
    curve = roc(scores, same)
    truth = np.asarray(same, bool)
    genuine, impostor = int(truth.sum()), int((~truth).sum())
    eer, eer_threshold = _equal_error(curve)
    return Verification(
        genuine=genuine,
        impostor=impostor,
        auc=float(np.trapezoid(curve.tar, curve.far)),
        eer=eer,
        eer_threshold=eer_threshold,
        tar_at_far=tuple(_tar_at(curve, target, impostor) for target in fars),
        roc=curve,
    )


def _tar_at(curve: Roc, target: float, impostor: int) -> TarAtFar:
    if not 0 < target <= 1:
        raise InputError(f"far: must be in (0, 1]; got {target}")
    if target * impostor < 1 - 1e-9:
        return TarAtFar(target, None, None, None)
    # The largest TAR with FAR ≤ target, never the nearest FAR. Both rise along the curve.
    point = int(np.searchsorted(curve.far, target * (1 + 1e-12), side="right")) - 1
    if point == 0:  # the best score of all is an impostor's, shared by more than may be accepted
        return TarAtFar(target, 0.0, 0.0, float(np.nextafter(curve.threshold[1], np.inf)))
    return TarAtFar(
        target, float(curve.tar[point]), float(curve.far[point]), float(curve.threshold[point])
    )


def _equal_error(curve: Roc) -> tuple[float, float]:
    """Where FAR meets FRR, on the straight line between the two operating points around it."""
    gap = curve.far + curve.tar - 1.0  # FAR - FRR: rises from -1 to 1
    after = int(np.searchsorted(gap, 0.0))
    if gap[after] == 0.0:
        return float(curve.far[after]), float(curve.threshold[after])
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    eer = curve.far[before] + share * (curve.far[after] - curve.far[before])
    return float(eer), float(curve.threshold[after])


def pair_scores(
    vectors: NDArray[np.float32], left: NDArray[np.int64], right: NDArray[np.int64]
) -> Floats:
    """The cosine of each pair of rows, float64 [N], in blocks of bounded memory.

    Raises:
        InputError: a vector that is used is zero, so that it has no direction; names the row.
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    used = np.union1d(left, right)
    zero = used[lengths[used] == 0]
    if len(zero):
        raise InputError(f"embeddings: row {int(zero[0])} is zero; the cosine to it is undefined")
    scores = np.empty(len(left), np.float64)
    block = max(1, 2**23 // vectors.shape[1])
    for start in range(0, len(left), block):
        a, b = left[start : start + block], right[start : start + block]
        products = np.einsum("ij,ij->i", vectors[a], vectors[b], dtype=np.float64)
        scores[start : start + block] = products / (lengths[a] * lengths[b])
    return np.clip(scores, -1.0, 1.0)
