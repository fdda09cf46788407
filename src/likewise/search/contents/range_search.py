"""Range search: all vectors whose score reaches a threshold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from likewise.search.engines.engine import Ids, Vectors

__all__ = ["range_search"]

FIRST = 64  # the first k; then eight times as many, as long as all reach the threshold


def range_search(
    find: Callable[[Vectors, int], tuple[Vectors, Ids]],
    total: int,
    queries: Vectors,
    threshold: float,
) -> tuple[Ids, Vectors, Ids]:
    """Limits int64 [Q+1], and scores and ids of all vectors that reach the threshold, by query.

    k grows until the last score is below the threshold, so the result is as complete as the
    family's search.

    Args:
        find: queries and k → scores and ids of the k nearest.
        total: how many vectors can be found at most.
        queries: float32 [Q,D].
        threshold: the minimum score.
    """
    found_scores: list[Vectors] = [np.empty(0, np.float32)] * len(queries)
    found_ids: list[Ids] = [np.empty(0, np.int64)] * len(queries)
    left = np.arange(len(queries))
    k = FIRST
    while len(left) and total:
        # At most a quarter of a gigabyte of candidates at a time.
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
