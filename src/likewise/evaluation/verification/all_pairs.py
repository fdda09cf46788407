"""All pairs of a labelled set: a thousand million of them, streamed through bounded memory.

Genuine scores, which are few, are kept. Of the impostor scores the highest are kept, since small
FARs are made of them, and all are counted in a fine histogram. So every number is exact down to
the lowest score that was kept, and known within a stated error below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.distances import Distance
from likewise.errors import InputError
from likewise.evaluation.verification.histogram import BINS, Histogram
from likewise.evaluation.verification.metrics import (
    FARS,
    P_TARGETS,
    Verification,
    d_prime,
    require_finite,
)
from likewise.evaluation.verification.pair_stream import PairStream, streamed
from likewise.evaluation.verification.roc import Roc, curve_of_counts, equal_error
from likewise.evaluation.verification.tiles import Tiles
from likewise.evaluation.verification.top_pairs import Tail

__all__ = ["KEPT", "AllPairs", "checked_tiles", "measured_pairs", "verify_all_pairs"]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

GENUINE = 2**26  # genuine pairs kept at most: 1.5 GiB
KEPT = 2**21  # impostor pairs kept at most


@dataclass(frozen=True)
class AllPairs:
    """The verification numbers of all pairs, how exact they are, and the pairs that matter most.

    Args:
        measured: the numbers. At and below ``exact_above`` the ROC has one point for each bin of
            the histogram: each is a true operating point, only others between them are not seen.
        exact_above: scores above this one were kept one by one; minus infinity if all were, and
            then everything is exact.
        auc_error: the AUC is off by at most this.
        eer_error: the EER is off by at most this.
        tar_error: for each FAR asked for, how much higher the best TAR may be than the one
            reported (which is reached); 0 where it is exact, None where there is none.
        genuine_scores: of all genuine pairs, float64 [G].
        genuine_left: the row on one side of each, [G].
        genuine_right: likewise on the other.
        nearest_scores: of the impostor pairs that score above ``exact_above``, descending [K].
        nearest_left: the row on one side of each, [K].
        nearest_right: likewise on the other.
        histogram: of all impostor scores.
    """

    measured: Verification
    exact_above: float
    auc_error: float
    eer_error: float
    tar_error: tuple[float | None, ...]
    genuine_scores: Floats
    genuine_left: Numbers
    genuine_right: Numbers
    nearest_scores: Floats
    nearest_left: Numbers
    nearest_right: Numbers
    histogram: Histogram


def verify_all_pairs(
    vectors: NDArray[np.float32],
    labels: ArrayLike,
    *,
    distance: Distance | None = None,
    fars: Sequence[float] = FARS,
    p_targets: Sequence[float] = P_TARGETS,
    keep: int = KEPT,
) -> AllPairs:
    """Verify every pair of rows. Time grows with N², memory does not.

    45,000 rows make 10⁹ pairs. Beside the vectors and 24 bytes a genuine pair it takes some
    450 MiB.

    Args:
        vectors: float32 [N,D].
        labels: the identity of each row, [N], numbers or names.
        distance: scores are higher for more alike whatever it is; the cosine if None.
        fars: see ``verification``.
        p_targets: see ``verification``.
        keep: the most impostor pairs that are kept one by one: a FAR below keep/impostors is
            exact (where many scores tie, a little less is kept).

    Raises:
        InputError: a row is not finite, or zero under the cosine (names it); one identity only,
            or none with two rows; more than 2²⁶ genuine pairs.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.verification.all_pairs import verify_all_pairs
        >>> rows = np.array([[1, 0], [2, 1], [0, 1], [1, 3]], np.float32)
        >>> found = verify_all_pairs(rows, ["anna", "anna", "bob", "bob"])
        >>> found.measured.genuine, found.measured.impostor, found.measured.auc, found.auc_error
        (2, 4, 1.0, 0.0)
    """
    tiles = checked_tiles(vectors, labels, distance, keep)
    return measured_pairs(tiles, streamed(tiles, keep), fars, p_targets)


def checked_tiles(
    vectors: NDArray[np.float32], labels: ArrayLike, distance: Distance | None, keep: int
) -> Tiles:
    """The tiles of what ``verify_all_pairs`` is given.

    Raises:
        InputError: see there.
    """
    if keep < 1:
        raise InputError(f"keep: must be at least 1; got {keep}")
    names = np.asarray(labels)
    if vectors.ndim != 2 or names.shape != (len(vectors),):
        raise InputError(
            f"vectors {list(vectors.shape)}, labels {list(names.shape)}: [N,D] and [N] are expected"
        )
    require_finite(vectors)
    tiles = Tiles(vectors, names, distance)
    if tiles.genuine > GENUINE:
        raise InputError(
            f"evaluation: {tiles.genuine:,} genuine pairs, of which at most {GENUINE:,} can be "
            "kept; take fewer photos of each person, or a sample of the pairs"
        )
    return tiles


def measured_pairs(
    tiles: Tiles, stream: PairStream, fars: Sequence[float], p_targets: Sequence[float]
) -> AllPairs:
    """The numbers of all pairs, from what was kept of every tile."""
    scores, tail = stream.scores, stream.tail
    apart = d_prime(float(scores.mean()), float(scores.var()), *stream.moments(tiles.impostor))
    curve, mixed = _curve(scores, tail, stream.histogram)
    measured = Verification.of_curve(curve, len(scores), tiles.impostor, apart, fars, p_targets)
    order = tiles.order
    return AllPairs(
        measured=measured,
        exact_above=float(tail.cut),
        auc_error=mixed / (2.0 * len(scores) * tiles.impostor),
        eer_error=_eer_error(curve, tail.cut),
        tar_error=tuple(_tar_error(curve, e.threshold, tail.cut) for e in measured.tar_at_far),
        genuine_scores=scores,
        genuine_left=order[stream.left],
        genuine_right=order[stream.right],
        nearest_scores=tail.scores,
        nearest_left=order[tail.left],
        nearest_right=order[tail.right],
        histogram=stream.histogram,
    )


def _curve(genuine: Floats, tail: Tail, histogram: Histogram) -> tuple[Roc, float]:
    """The ROC, and the pairs of a genuine and an impostor pair whose order is not known."""
    above = genuine > tail.cut
    exact = np.unique(np.concatenate([genuine[above], tail.scores]))[::-1]
    rising = np.sort(genuine[above])
    genuine_exact = len(rising) - np.searchsorted(rising, exact, side="left")
    impostor_exact = np.searchsorted(-tail.scores, -exact, side="right")
    # The rest: one point for each bin in which there is something.
    rest = histogram.counts - np.bincount(histogram.bin_of(tail.scores), minlength=BINS)
    below = np.bincount(histogram.bin_of(genuine[~above]), minlength=BINS)
    bins = np.flatnonzero((rest > 0) | (below > 0))[::-1]
    edges = histogram.edges(bins)
    if len(below) and not above.all():
        edges = np.where(bins == 0, min(histogram.lowest, float(genuine.min())), edges)
    genuine_all = np.concatenate([genuine_exact, above.sum() + np.cumsum(below[bins])])
    impostor_all = np.concatenate([impostor_exact, len(tail.scores) + np.cumsum(rest[bins])])
    curve = curve_of_counts(np.concatenate([exact, edges]), genuine_all + impostor_all, genuine_all)
    return curve, float(rest.astype(np.float64) @ below)


def _eer_error(curve: Roc, cut: float) -> float:
    """Where the curve crosses below ``cut``: it does so somewhere between two known points."""
    eer, threshold = equal_error(curve)
    if threshold > cut:
        return 0.0
    after = int(np.searchsorted(curve.far + curve.tar - 1.0, 0.0))
    frr = 1.0 - curve.tar
    low = max(curve.far[after - 1], frr[after])
    high = min(curve.far[after], frr[after - 1])
    return float(max(eer - low, high - eer, 0.0))


def _tar_error(curve: Roc, threshold: float | None, cut: float) -> float | None:
    """The genuine pairs of the next bin, some of which might still have been accepted."""
    if threshold is None:
        return None
    point = int(np.searchsorted(-curve.threshold, -threshold, side="right")) - 1
    if point + 1 >= len(curve.threshold) or curve.threshold[point + 1] > cut:
        return 0.0
    return float(curve.tar[point + 1] - curve.tar[point])
