"""Range search: all whose score reaches a threshold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from likewise.search.families.engine import Ids, Vectors

__all__ = ["within"]

FIRST = 64  # how many are asked for at first; then eight times as many, while all reach it


def within(
    find: Callable[[Vectors, int], tuple[Vectors, Ids]],
    total: int,
    queries: Vectors,
    threshold: float,
) -> tuple[Ids, Vectors, Ids]:
    """Limits int64 [Q+1], scores and ids of all that reach the threshold, query after query.

    More and more of the nearest are asked for until the last is below the threshold, so what is
    found is as complete as the family's search is.

    Args:
        find: searches for the k nearest of some queries.
        total: how many there are to find, at most.
        queries: float32 [Q,D].
        threshold: the least score.
    """
    found_scores: list[Vectors] = [np.empty(0, np.float32)] * len(queries)
    found_ids: list[Ids] = [np.empty(0, np.int64)] * len(queries)
    left = np.arange(len(queries))
    k = FIRST
    while len(left) and total:
        # No more answers at once than a quarter of a gigabyte of candidates.
        step = max(1, 2**26 // (min(k, total) * queries.shape[1]))
        open_still = []
        for start in range(0, len(left), step):
            part = left[start : start + step]
            scores, ids = find(queries[part], k)
            reach = (scores >= threshold).sum(axis=1)
            for place, query in enumerate(part.tolist()):
                found_scores[query] = scores[place, : reach[place]].copy()
                found_ids[query] = ids[place, : reach[place]].copy()
            if k < total:
                open_still.append(part[reach == scores.shape[1]])
        left = np.concatenate(open_still) if open_still else left[:0]
        k *= 8
    limits = np.zeros(len(queries) + 1, np.int64)
    np.cumsum([len(ids) for ids in found_ids], out=limits[1:])
    if not len(queries):
        return limits, np.empty(0, np.float32), np.empty(0, np.int64)
    return limits, np.concatenate(found_scores), np.concatenate(found_ids)
