"""All pairs compared by several processes, the tiles dealt among them: the numbers of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.distances import Distance
from likewise.evaluation.retrieval.share_key import contents_key
from likewise.evaluation.verification.all_pairs import (
    KEPT,
    AllPairs,
    checked_tiles,
    measured_pairs,
    verify_all_pairs,
)
from likewise.evaluation.verification.metrics import FARS, P_TARGETS
from likewise.evaluation.verification.pair_stream import PairStream, empty_histogram, streamed
from likewise.evaluation.verification.tiles import COLUMNS, ROWS, Tiles
from likewise.evaluation.verification.top_pairs import Tail
from likewise.shares import Share

__all__ = ["verify_all_pairs_together"]


def verify_all_pairs_together(
    vectors: NDArray[np.float32],
    labels: ArrayLike,
    share: Share,
    *,
    distance: Distance | None = None,
    fars: Sequence[float] = FARS,
    p_targets: Sequence[float] = P_TARGETS,
    keep: int = KEPT,
) -> AllPairs | None:
    """Verify every pair of rows, those of this process's tiles here and the rest elsewhere.

    What is found equals what ``verify_all_pairs`` finds alone, to the last bit where a score does
    not depend on the number of threads: counts are added, sums are rounded once, and of the
    highest scores each process keeps all that could be among the highest of all.

    Args:
        vectors: float32 [N,D], the same in every process.
        labels: [N], likewise.
        share: which process this is.
        distance: see ``verify_all_pairs``.
        fars: see ``verification``.
        p_targets: see ``verification``.
        keep: see ``verify_all_pairs``; so many are kept in each process.

    Returns:
        None on all but the first process.

    Raises:
        InputError: see ``verify_all_pairs``.
        LikewiseError: the processes cannot meet.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.verification.distributed import verify_all_pairs_together
        >>> from likewise.shares import own_share
        >>> rows = np.array([[1, 0], [2, 1], [0, 1], [1, 3]], np.float32)
        >>> found = verify_all_pairs_together(rows, ["anna", "anna", "bob", "bob"], own_share())
        >>> found.measured.auc
        1.0
    """
    if share.count == 1:
        return verify_all_pairs(
            vectors, labels, distance=distance, fars=fars, p_targets=p_targets, keep=keep
        )
    tiles = checked_tiles(vectors, labels, distance, keep)

    def work() -> dict[str, NDArray[Any]]:
        return _packed(streamed(tiles, keep, rank=share.rank, count=share.count))

    parts = contents_key(tiles.distance, tiles.vectors, tiles.classes, tiles.order)
    key = [*parts, keep, ROWS, COLUMNS]
    shares = share.gather("pairs", key, work)
    if shares is None:
        return None
    return measured_pairs(tiles, _merged(tiles, shares, keep), fars, p_targets)


def _packed(stream: PairStream) -> dict[str, NDArray[Any]]:
    tail, histogram = stream.tail, stream.histogram
    bins = np.flatnonzero(histogram.counts)
    return {
        "scores": stream.scores,
        "left": stream.left,
        "right": stream.right,
        "high_scores": tail.scores,
        "high_left": tail.left,
        "high_right": tail.right,
        "cut_lowest": np.array([tail.cut, histogram.lowest]),
        "bins": bins,
        "counts": histogram.counts[bins],
        "sums": stream.sums,
    }


def _merged(tiles: Tiles, shares: Sequence[Mapping[str, NDArray[Any]]], keep: int) -> PairStream:
    def all_of(name: str) -> NDArray[Any]:
        return np.concatenate([part[name] for part in shares])

    histogram = empty_histogram(tiles)
    for part in shares:
        histogram.counts[part["bins"]] += part["counts"]
    histogram.lowest = min(float(part["cut_lowest"][1]) for part in shares)
    left, right = all_of("left"), all_of("right")
    order = tiles.order_of(left, right)
    high_left, high_right = all_of("high_left"), all_of("high_right")
    turn = tiles.order_of(high_left, high_right)
    cut = max(float(part["cut_lowest"][0]) for part in shares)
    tail = Tail.of(all_of("high_scores")[turn], high_left[turn], high_right[turn], keep, cut)
    scores = all_of("scores")[order]
    return PairStream(scores, left[order], right[order], tail, histogram, all_of("sums"))
