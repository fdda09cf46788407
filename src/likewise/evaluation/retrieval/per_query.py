"""What each query of a retrieval is worth by itself, whoever searched for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["QueryMarks", "marks_of"]

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class QueryMarks:
    """One row for each query; see ``Retrieval`` for the metrics, which are their means.

    Args:
        query: int64 [Q], which it is.
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
    def joined(cls, parts: Iterable[QueryMarks]) -> QueryMarks:
        """Of all parts, the queries ascending."""
        held = list(parts)
        order = np.argsort(np.concatenate([part.query for part in held]))
        return cls(
            *(np.concatenate([getattr(p, f.name) for p in held])[order] for f in fields(cls))
        )


def marks_of(
    query: Numbers, hits: NDArray[np.bool_], relevant: Numbers, ks: Sequence[int]
) -> QueryMarks:
    """Mark queries by which of their nearest are of their class.

    A query's own hits are added up one after the other: the same whichever others stand beside it.

    Args:
        query: [Q].
        hits: [Q, depth], the nearest first; depth reaches the largest R.
        relevant: R of each, [Q], at least 1.
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
    # The hits alone, as (query, place): few, where most of what is near is of other classes.
    who, at = np.nonzero(hits[:, : int(relevant.max(initial=0))])
    within = at < relevant[who]
    who, at = who[within], at[within]
    counts = np.bincount(who, minlength=count)
    order = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
    precision = np.bincount(who, weights=(order + 1) / (at + 1), minlength=count)
    return QueryMarks(query, found, ndcg, counts / relevant, precision / relevant)
