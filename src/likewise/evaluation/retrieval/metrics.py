"""Retrieval: are the nearest of the same class? Recall@k, Precision@k, R-precision, MAP@R, nDCG@k.

For a query, R is the number of other samples of its class in the gallery, and rel(i) is 1 where
the i-th nearest is one of them. Equal scores are ranked by row, the lower first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.distances import Cosine, Distance
from likewise.errors import InputError
from likewise.evaluation.labelled import checked_rows, label_codes, require_same_dimension
from likewise.evaluation.nearest.neighbors import NearestSoFar, nearest, others_so_far
from likewise.evaluation.nearest.tiles import QUERY_ROWS
from likewise.evaluation.retrieval.per_query import QueryMarks, marks_of
from likewise.shares import Share

__all__ = ["KS", "QuerySearch", "Retrieval", "retrieval"]

Codes = NDArray[np.int64]
KS = (1, 5, 10)
NEIGHBORS_HELD = 2**24  # 128 MiB of keys: so many neighbours of so many queries at one time


@dataclass(frozen=True)
class Retrieval:
    """The numbers of a retrieval experiment, each a mean over the queries.

    Args:
        queries: those that are counted.
        left_out: queries with no other sample of their class in the gallery (R = 0).
        gallery: samples searched in.
        recall: for each k, the share of queries with one of their class among the k nearest
            (Jégou et al., PAMI 2011; Oh Song et al., CVPR 2016: the field's Recall@k, which is
            not the share of the R that is found).
        precision: for each k, the share of the k nearest that are of the class; places beyond the
            gallery's end count as misses.
        r_precision: the share of the R nearest that are of the class.
        map_at_r: the mean of ``1/R Σ_{i≤R} rel(i)·Precision@i`` (Musgrave et al., A metric
            learning reality check, ECCV 2020).
        ndcg: for each k, ``Σ_{i≤k} rel(i)/log₂(i+1)`` over the most that is possible, which is
            that sum over i ≤ min(k, R) (Järvelin and Kekäläinen, 2002).
    """

    queries: int
    left_out: int
    gallery: int
    recall: dict[int, float]
    precision: dict[int, float]
    r_precision: float
    map_at_r: float
    ndcg: dict[int, float]

    def to_dict(self) -> dict[str, Any]:
        """For the report's JSON."""
        at_k = {"recall": self.recall, "precision": self.precision, "ndcg": self.ndcg}
        return {
            "queries": self.queries,
            "left_out_alone_in_class": self.left_out,
            "gallery": self.gallery,
            **{name: {str(k): v for k, v in values.items()} for name, values in at_k.items()},
            "r_precision": self.r_precision,
            "map_at_r": self.map_at_r,
        }


def retrieval(
    queries: ArrayLike,
    labels: ArrayLike,
    gallery: ArrayLike | None = None,
    gallery_labels: ArrayLike | None = None,
    *,
    own_rows: ArrayLike | None = None,
    ks: Sequence[int] = KS,
    distance: Distance | None = None,
) -> Retrieval:
    """Search each query in the gallery, and count what is found of its class.

    Exact, and streamed: the matrix of scores is never held.

    Args:
        queries: [Q, D], finite; for the cosine not zero.
        labels: [Q], numbers or names.
        gallery: [N, D], likewise; the queries themselves if None, and then each leaves out its
            own row (a duplicate of it stays).
        gallery_labels: [N], with ``gallery``.
        own_rows: int64 [Q], with ``gallery``: the row that is the query itself, or -1.
        ks: the k of Recall@k, Precision@k and nDCG@k; may exceed the gallery.
        distance: how to rank; the cosine if None.

    Raises:
        InputError: shapes or labels that do not fit, a row that is not finite or zero, a k below
            1, a gallery of one class, or no query with another sample of its class.

    Example:
        >>> from likewise.evaluation.retrieval.metrics import retrieval
        >>> found = retrieval([[1, 0], [2, 1], [0, 1], [1, 3], [1, 1]], ["a", "a", "b", "b", "c"])
        >>> found.queries, found.left_out, found.recall[1], found.map_at_r
        (4, 1, 0.75, 0.75)
    """
    search = QuerySearch(
        queries, labels, gallery, gallery_labels, own_rows=own_rows, ks=ks, distance=distance
    )
    if search.mutual:
        return search.measured(search.marks_among_others(search.others()))
    return search.measured(search.marks())


class QuerySearch:
    """Queries and a gallery, checked: any stretch of the queries can then be searched.

    The arguments are those of ``retrieval``.

    Raises:
        InputError: see ``retrieval``.
    """

    def __init__(
        self,
        queries: ArrayLike,
        labels: ArrayLike,
        gallery: ArrayLike | None = None,
        gallery_labels: ArrayLike | None = None,
        *,
        own_rows: ArrayLike | None = None,
        ks: Sequence[int] = KS,
        distance: Distance | None = None,
    ) -> None:
        self.ks = tuple(ks)
        self.distance = distance or Cosine()
        directions = isinstance(self.distance, Cosine)
        self.wanted = checked_rows(queries, "queries", zero_allowed=not directions)
        if gallery is None:
            if gallery_labels is not None or own_rows is not None:
                raise InputError("gallery_labels, own_rows: belong to a gallery; give one")
            (self.codes,) = label_codes(("labels", labels, len(self.wanted)))
            self.rows, self.among = self.wanted, self.codes
            self.own = np.arange(len(self.wanted))
        else:
            self.rows = checked_rows(gallery, "gallery", zero_allowed=not directions)
            require_same_dimension(self.wanted, self.rows, "queries, gallery")
            if gallery_labels is None:
                raise InputError("gallery_labels: missing; the gallery needs the class of each row")
            self.codes, self.among = label_codes(
                ("labels", labels, len(self.wanted)),
                ("gallery_labels", gallery_labels, len(self.rows)),
            )
            self.own = np.full(len(self.wanted), -1) if own_rows is None else np.asarray(own_rows)
        self.relevant = _relevant(self.codes, self.among, self.own)
        self.counted = np.flatnonzero(self.relevant)
        _check(self.ks, self.among, self.counted)
        self.deepest = max(*self.ks, int(self.relevant.max()))
        # Each pair of rows is scored once for both, where all that is found can be held.
        depth = self._depth(len(self.rows) - 1)
        self.mutual = gallery is None and len(self.rows) * depth <= NEIGHBORS_HELD

    def others(self, rank: int = 0, count: int = 1) -> NearestSoFar:
        """Of a ``mutual`` search what process ``rank`` of ``count`` finds; joined, it is all."""
        depth = self._depth(len(self.rows) - 1)
        return others_so_far(self.rows, depth, self.distance, rank=rank, count=count)

    def marks_among_others(self, found: NearestSoFar) -> QueryMarks:
        """The marks of all queries of a ``mutual`` search."""
        near = found.rows().numpy()[self.counted]
        return self._marks(self.counted, near)

    def marks(self, share: Share = Share()) -> QueryMarks:
        """The marks of the queries that are this process's; joined, those of all."""
        parts = [self._marks(self.counted[:0], np.empty((0, 1), np.int64))]
        # One row fewer is there to rank for those who leave one out.
        for some, most in (
            (self.counted[self.own[self.counted] < 0], len(self.rows)),
            (self.counted[self.own[self.counted] >= 0], len(self.rows) - 1),
        ):
            depth = self._depth(most)
            step = max(1, NEIGHBORS_HELD // max(1, depth))
            # Whole tiles, so that each is the same whoever computes it.
            tile = min(step, QUERY_ROWS)
            step -= step % tile
            stretch = share.stretch(len(some), tile)
            for start in range(stretch.start, stretch.stop, step):
                part = some[start : min(start + step, stretch.stop)]
                own = self.own[part] if most < len(self.rows) else None
                found = nearest(
                    self.wanted[part], self.rows, depth, distance=self.distance, own_rows=own
                )
                parts.append(self._marks(part, found.rows))
        return QueryMarks.joined(parts)

    def measured(self, marks: QueryMarks) -> Retrieval:
        """The means over the queries that are counted, from the marks of all of these."""
        queries = len(self.counted)
        # A column by itself, so that it is added up alike however many there are.
        recall, precision, ndcg = (
            [float(np.ascontiguousarray(column).sum()) for column in values.T]
            for values in (marks.hits > 0, marks.hits, marks.ndcg)
        )
        return Retrieval(
            queries=queries,
            left_out=len(self.wanted) - queries,
            gallery=len(self.rows),
            recall={k: total / queries for k, total in zip(self.ks, recall, strict=True)},
            precision={k: total / k / queries for k, total in zip(self.ks, precision, strict=True)},
            r_precision=float(marks.r_precision.sum()) / queries,
            map_at_r=float(marks.map_at_r.sum()) / queries,
            ndcg={k: total / queries for k, total in zip(self.ks, ndcg, strict=True)},
        )

    def _depth(self, most: int) -> int:
        return min(self.deepest, most)

    def _marks(self, some: Codes, near: Codes) -> QueryMarks:
        hits = self.among[near] == self.codes[some, None]
        return marks_of(some, hits, self.relevant[some], self.ks)


def _relevant(codes: Codes, among: Codes, own: Codes) -> Codes:
    """R of each query: the samples of its class in the gallery, itself left out."""
    counts = np.bincount(among, minlength=int(codes.max()) + 1)
    if own.shape != codes.shape or own.dtype.kind not in "iu":
        raise InputError(f"own_rows: {own.dtype} {list(own.shape)} for {len(codes)} queries")
    if own.min() < -1 or own.max() >= len(among):
        raise InputError(f"own_rows: must be -1 or a row of the {len(among)} in the gallery")
    itself = (own >= 0) & (among[own] == codes)
    relevant: Codes = counts[codes] - itself
    return relevant


def _check(ks: Sequence[int], among: Codes, counted: Codes) -> None:
    if not ks or min(ks) < 1:
        raise InputError(f"ks: must be 1 or more; got {list(ks)}")
    if len(np.unique(among)) < 2:
        raise InputError("labels: one class only; whatever is found is right")
    if not len(counted):
        raise InputError(
            "labels: no query has another sample of its class in the gallery; "
            "there is nothing to find"
        )
