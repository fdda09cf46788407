"""The retrieval metrics of single queries, whichever process searched them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["QueryMetrics", "query_metrics"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class QueryMetrics:
    """The metrics of each query; ``Retrieval`` defines them, and reports their means.

    Args:
        query: int64 [Q], the row of each query.
        hits: int64 [Q, K], how many of the k nearest are of its class, for each k.
        ndcg: float64 [Q, K].
        r_precision: float64 [Q].
        map_at_r: float64 [Q].
    """

    query: Numbers
    hits: Numbers
    ndcg: Floats
    r_precision: Floats
    map_at_r: Floats

    @classmethod
    def joined(cls, parts: Iterable[QueryMetrics]) -> QueryMetrics:
        """All parts together, sorted by query."""
        held = list(parts)
        order = np.argsort(np.concatenate([part.query for part in held]))
        return cls(
            *(np.concatenate([getattr(p, f.name) for p in held])[order] for f in fields(cls))
        )


def query_metrics(
    query: Numbers, hits: NDArray[np.bool_], relevant: Numbers, ks: Sequence[int]
) -> QueryMetrics:
    """The metrics of queries whose neighbors are known.

    The sums of a query do not depend on the other queries, so they are bitwise the same however
    the queries are divided among processes.

    Args:
        query: [Q].
        hits: [Q, depth], whether each neighbor is of the query's class, nearest first; depth is
            at least the largest R.
        relevant: R of each query, [Q], at least 1.
        ks: K numbers.
    """
    count, depth = hits.shape
    discount = 1 / np.log2(np.arange(depth) + 2)
    ideal = np.cumsum(discount)
    found, ndcg = np.empty((count, len(ks)), np.int64), np.empty((count, len(ks)))
    for column, k in enumerate(ks):
        found[:, column] = hits[:, :k].sum(axis=1)
        who, at = np.nonzero(hits[:, :k])
        best = ideal[np.minimum(np.minimum(k, depth), relevant) - 1]
        ndcg[:, column] = np.bincount(who, weights=discount[at], minlength=count) / best
    # Only the hits, as (query, position): far fewer than all neighbors.
    who, at = np.nonzero(hits[:, : int(relevant.max(initial=0))])
    within = at < relevant[who]
    who, at = who[within], at[within]
    counts = np.bincount(who, minlength=count)
    order = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
    precision = np.bincount(who, weights=(order + 1) / (at + 1), minlength=count)
    return QueryMetrics(query, found, ndcg, counts / relevant, precision / relevant)
