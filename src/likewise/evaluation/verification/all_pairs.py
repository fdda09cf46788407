"""Verification of all pairs of a labeled set, some 10⁹ of them, in bounded memory.

The scores of all genuine pairs are kept, since these are few. Of the impostor scores the highest
are kept, which determine TAR at small FARs, and all are counted in a fine histogram. So every
metric is exact down to the lowest score kept, and below it within an error that is reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_count
from likewise.distances import Distance
from likewise.errors import InputError
from likewise.evaluation.verification.metrics import (
    FARS,
    P_TARGETS,
    Verification,
    d_prime,
    require_finite,
)
from likewise.evaluation.verification.pair_blocks import PairBlocks
from likewise.evaluation.verification.roc import Roc, curve_of_counts, equal_error
from likewise.evaluation.verification.top_pairs import BINS, Histogram, TopPairs
from likewise.progress import progress

__all__ = [
    "KEPT",
    "AllPairs",
    "StreamedPairs",
    "all_pairs_metrics",
    "checked_blocks",
    "empty_histogram",
    "stream_pairs",
    "verify_all_pairs",
]

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

GENUINE = 2**26  # the most genuine pairs: 1.5 GiB
KEPT = 2**21  # the most impostor pairs kept


@dataclass(frozen=True)
class AllPairs:
    """The metrics of all pairs, their error bounds, and the pairs that were kept.

    Args:
        measured: the metrics. At and below ``exact_above`` the ROC has one point for each bin of
            the histogram; each is a true operating point, but those between them are missing.
        exact_above: all impostor scores above this one were kept; minus infinity if all were
            kept, and then everything is exact.
        auc_error: the largest possible error of the AUC.
        eer_error: the largest possible error of the EER.
        tar_error: for each FAR requested, by how much the true TAR may exceed the one reported
            (which is achieved); 0 if it is exact, None if TAR cannot be measured.
        genuine_scores: of all genuine pairs, float64 [G].
        genuine_left: the row of the first photo of each, [G].
        genuine_right: the row of the second photo.
        nearest_scores: of the impostor pairs that score above ``exact_above``, descending [K].
        nearest_left: the row of the first photo of each, [K].
        nearest_right: the row of the second photo.
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

    45,000 rows make 10⁹ pairs. Apart from the vectors, memory is about 450 MiB and 24 bytes for
    each genuine pair.

    Args:
        vectors: float32 [N,D].
        labels: the identity of each row, [N], numbers or names.
        distance: the cosine if None.
        fars: see ``verification``.
        p_targets: see ``verification``.
        keep: the most impostor pairs to keep: TAR is exact at a FAR below keep/impostors (with
            many tied scores, a little fewer are kept).

    Raises:
        InputError: a row is not finite, or zero with the cosine (names it); only one identity,
            or none with two rows; more than 2²⁶ genuine pairs.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.verification.all_pairs import verify_all_pairs
        >>> rows = np.array([[1, 0], [2, 1], [0, 1], [1, 3]], np.float32)
        >>> found = verify_all_pairs(rows, ["anna", "anna", "bob", "bob"])
        >>> found.measured.genuine, found.measured.impostor, found.measured.auc, found.auc_error
        (2, 4, 1.0, 0.0)
    """
    blocks = checked_blocks(vectors, labels, distance, keep)
    return all_pairs_metrics(blocks, stream_pairs(blocks, keep), fars, p_targets)


def checked_blocks(
    vectors: NDArray[np.float32], labels: ArrayLike, distance: Distance | None, keep: int
) -> PairBlocks:
    """The blocks of all pairs, after checking the arguments of ``verify_all_pairs``.

    Raises:
        InputError: see ``verify_all_pairs``.
    """
    check_count("keep", keep)
    names = np.asarray(labels)
    if vectors.ndim != 2 or names.shape != (len(vectors),):
        raise InputError(
            f"vectors {list(vectors.shape)}, labels {list(names.shape)}: must be [N,D] and [N]"
        )
    require_finite(vectors)
    blocks = PairBlocks(vectors, names, distance)
    if blocks.genuine > GENUINE:
        raise InputError(
            f"evaluation: {blocks.genuine:,} genuine pairs, more than the {GENUINE:,} that fit; "
            "use fewer photos of each person, or a sample of the pairs"
        )
    return blocks


@dataclass(frozen=True)
class StreamedPairs:
    """What is kept of all pairs: the genuine ones, and a summary of the impostors.

    Args:
        scores: of the genuine pairs, float64 [G].
        left: the sorted row of the first photo of each, [G].
        right: the sorted row of the second photo.
        top: the highest impostor pairs.
        histogram: of all impostor scores.
        sums: of the impostor scores and of their squares, for each block: float64 [B,2].
    """

    scores: Floats
    left: Numbers
    right: Numbers
    top: TopPairs
    histogram: Histogram
    sums: Floats

    def moments(self, impostor: int) -> tuple[float, float]:
        """The mean and variance of the impostor scores; the order of blocks does not matter."""
        mean = math.fsum(self.sums[:, 0]) / impostor
        return mean, max(0.0, math.fsum(self.sums[:, 1]) / impostor - mean**2)


def stream_pairs(blocks: PairBlocks, keep: int, *, rank: int = 0, count: int = 1) -> StreamedPairs:
    """Score the blocks of one process, and keep what ``all_pairs_metrics`` needs.

    Args:
        blocks: of all pairs.
        keep: the most impostor pairs to keep.
        rank: of this process.
        count: of processes.
    """
    histogram, top = empty_histogram(blocks), TopPairs(keep)
    kept: list[tuple[Floats, Numbers, Numbers]] = []
    sums: list[tuple[float, float]] = []
    with progress("comparing", (blocks.genuine + blocks.impostor) // count, "pairs") as advance:
        for block in blocks.blocks(rank, count):
            scores, row, column = block.scores, block.queries.start, block.rows.start
            same, pairs = blocks.masks(block)
            if pairs is not None:
                scores[~pairs] = np.nan
            if same is not None:
                i, j = np.nonzero(same & ~np.isnan(scores))
                kept.append((scores[i, j], i + row, j + column))
                scores[i, j] = np.nan
            masked = pairs is not None or same is not None
            impostor = scores[~np.isnan(scores)] if masked else scores.ravel()
            histogram.add(impostor)
            top.add(scores, row, column)
            sums.append((float(impostor.sum()), float(impostor @ impostor)))
            advance(len(impostor) + (len(i) if same is not None else 0))
    top.finish()
    none = np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64)
    genuine, left, right = (np.concatenate(part) for part in zip(none, *kept, strict=True))
    return StreamedPairs(genuine, left, right, top, histogram, np.array(sums).reshape(-1, 2))


def empty_histogram(blocks: PairBlocks) -> Histogram:
    """A histogram with a range that covers a sample of the scores; the same in every process."""
    sample = blocks.sample()
    low, high = float(sample.min()), float(sample.max())
    margin = (high - low) / 2  # for scores outside the range of the sample
    return Histogram(low - margin, high + margin)


def all_pairs_metrics(
    blocks: PairBlocks, stream: StreamedPairs, fars: Sequence[float], p_targets: Sequence[float]
) -> AllPairs:
    """The metrics of all pairs, from what was kept of all blocks."""
    scores, top = stream.scores, stream.top
    separation = d_prime(
        float(scores.mean()), float(scores.var()), *stream.moments(blocks.impostor)
    )
    curve, mixed = _curve(scores, top, stream.histogram)
    measured = Verification.of_curve(
        curve, len(scores), blocks.impostor, separation, fars, p_targets
    )
    order = blocks.order
    return AllPairs(
        measured=measured,
        exact_above=float(top.cut),
        auc_error=mixed / (2.0 * len(scores) * blocks.impostor),
        eer_error=_eer_error(curve, top.cut),
        tar_error=tuple(_tar_error(curve, e.threshold, top.cut) for e in measured.tar_at_far),
        genuine_scores=scores,
        genuine_left=order[stream.left],
        genuine_right=order[stream.right],
        nearest_scores=top.scores,
        nearest_left=order[top.left],
        nearest_right=order[top.right],
        histogram=stream.histogram,
    )


def _curve(genuine: Floats, top: TopPairs, histogram: Histogram) -> tuple[Roc, float]:
    """The ROC, and how many times a genuine and an impostor score share a bin."""
    above = genuine > top.cut
    exact = np.unique(np.concatenate([genuine[above], top.scores]))[::-1]
    rising = np.sort(genuine[above])
    genuine_exact = len(rising) - np.searchsorted(rising, exact, side="left")
    impostor_exact = np.searchsorted(-top.scores, -exact, side="right")
    # The rest: one point for each bin that is not empty.
    rest = histogram.counts - np.bincount(histogram.bin_of(top.scores), minlength=BINS)
    below = np.bincount(histogram.bin_of(genuine[~above]), minlength=BINS)
    bins = np.flatnonzero((rest > 0) | (below > 0))[::-1]
    edges = histogram.edges(bins)
    if len(below) and not above.all():
        edges = np.where(bins == 0, min(histogram.lowest, float(genuine.min())), edges)
    genuine_all = np.concatenate([genuine_exact, above.sum() + np.cumsum(below[bins])])
    impostor_all = np.concatenate([impostor_exact, len(top.scores) + np.cumsum(rest[bins])])
    curve = curve_of_counts(np.concatenate([exact, edges]), genuine_all + impostor_all, genuine_all)
    return curve, float(rest.astype(np.float64) @ below)


def _eer_error(curve: Roc, cut: float) -> float:
    """How far the EER may be off: below ``cut``, the curve is known only at some points."""
    eer, threshold = equal_error(curve)
    if threshold > cut:
        return 0.0
    after = int(np.searchsorted(curve.far + curve.tar - 1.0, 0.0))
    frr = 1.0 - curve.tar
    low = max(curve.far[after - 1], frr[after])
    high = min(curve.far[after], frr[after - 1])
    return float(max(eer - low, high - eer, 0.0))


def _tar_error(curve: Roc, threshold: float | None, cut: float) -> float | None:
    """How much higher TAR may be: the genuine pairs of the next bin, some of which may count."""
    if threshold is None:
        return None
    point = int(np.searchsorted(-curve.threshold, -threshold, side="right")) - 1
    if point + 1 >= len(curve.threshold) or curve.threshold[point + 1] > cut:
        return 0.0
    return float(curve.tar[point + 1] - curve.tar[point])
