"""Verification of all pairs by several processes, with the results of a single one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.distances import Distance
from likewise.evaluation.inputs import input_key
from likewise.evaluation.verification.all_pairs import (
    KEPT,
    AllPairs,
    StreamedPairs,
    all_pairs_metrics,
    checked_blocks,
    empty_histogram,
    stream_pairs,
    verify_all_pairs,
)
from likewise.evaluation.verification.metrics import FARS, P_TARGETS
from likewise.evaluation.verification.pair_blocks import COLUMNS, ROWS, PairBlocks
from likewise.evaluation.verification.top_pairs import TopPairs
from likewise.shares import Share

__all__ = ["verify_all_pairs_distributed"]


def verify_all_pairs_distributed(
    vectors: NDArray[np.float32],
    labels: ArrayLike,
    share: Share,
    *,
    distance: Distance | None = None,
    fars: Sequence[float] = FARS,
    p_targets: Sequence[float] = P_TARGETS,
    keep: int = KEPT,
) -> AllPairs | None:
    """``verify_all_pairs`` by several processes: each scores its share of the blocks.

    The results are bitwise those of a single process, if scores do not depend on the number of
    threads: counts are added, sums are rounded once, and each process keeps all scores that may be
    among the highest of all.

    Args:
        vectors: float32 [N,D], the same in every process.
        labels: [N], likewise.
        share: rank and number of processes.
        distance: see ``verify_all_pairs``.
        fars: see ``verification``.
        p_targets: see ``verification``.
        keep: see ``verify_all_pairs``; each process keeps this many.

    Returns:
        The results on rank 0; None on all other ranks.

    Raises:
        InputError: see ``verify_all_pairs``.
        LikewiseError: the shares cannot be exchanged.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.verification.distributed import verify_all_pairs_distributed
        >>> from likewise.shares import own_share
        >>> rows = np.array([[1, 0], [2, 1], [0, 1], [1, 3]], np.float32)
        >>> found = verify_all_pairs_distributed(rows, ["anna", "anna", "bob", "bob"], own_share())
        >>> found.measured.auc
        1.0
    """
    if share.count == 1:
        return verify_all_pairs(
            vectors, labels, distance=distance, fars=fars, p_targets=p_targets, keep=keep
        )
    blocks = checked_blocks(vectors, labels, distance, keep)

    def work() -> dict[str, NDArray[Any]]:
        return _packed(stream_pairs(blocks, keep, rank=share.rank, count=share.count))

    parts = input_key(blocks.distance, blocks.vectors, blocks.classes, blocks.order)
    key = [*parts, keep, ROWS, COLUMNS]
    shares = share.gather("pairs", key, work)
    if shares is None:
        return None
    return all_pairs_metrics(blocks, _merged(blocks, shares, keep), fars, p_targets)


def _packed(stream: StreamedPairs) -> dict[str, NDArray[Any]]:
    top, histogram = stream.top, stream.histogram
    bins = np.flatnonzero(histogram.counts)
    return {
        "scores": stream.scores,
        "left": stream.left,
        "right": stream.right,
        "high_scores": top.scores,
        "high_left": top.left,
        "high_right": top.right,
        "cut_lowest": np.array([top.cut, histogram.lowest]),
        "bins": bins,
        "counts": histogram.counts[bins],
        "sums": stream.sums,
    }


def _merged(
    blocks: PairBlocks, shares: Sequence[Mapping[str, NDArray[Any]]], keep: int
) -> StreamedPairs:
    def all_of(name: str) -> NDArray[Any]:
        return np.concatenate([part[name] for part in shares])

    histogram = empty_histogram(blocks)
    for part in shares:
        histogram.counts[part["bins"]] += part["counts"]
    histogram.lowest = min(float(part["cut_lowest"][1]) for part in shares)
    left, right = all_of("left"), all_of("right")
    order = blocks.order_of(left, right)
    high_left, high_right = all_of("high_left"), all_of("high_right")
    high_order = blocks.order_of(high_left, high_right)
    cut = max(float(part["cut_lowest"][0]) for part in shares)
    high = all_of("high_scores")[high_order]
    top = TopPairs.merged(high, high_left[high_order], high_right[high_order], keep, cut)
    scores = all_of("scores")[order]
    return StreamedPairs(scores, left[order], right[order], top, histogram, all_of("sums"))
