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
from likewise.evaluation.neighbors import nearest, nearest_others

__all__ = ["KS", "Retrieval", "retrieval"]

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
        >>> from likewise.evaluation.retrieval import retrieval
        >>> found = retrieval([[1, 0], [2, 1], [0, 1], [1, 3], [1, 1]], ["a", "a", "b", "b", "c"])
        >>> found.queries, found.left_out, found.recall[1], found.map_at_r
        (4, 1, 0.75, 0.75)
    """
    distance = distance or Cosine()
    directions = isinstance(distance, Cosine)
    wanted = checked_rows(queries, "queries", zero_allowed=not directions)
    if gallery is None:
        if gallery_labels is not None or own_rows is not None:
            raise InputError("gallery_labels, own_rows: belong to a gallery; give one")
        rows, (codes,) = wanted, label_codes(("labels", labels, len(wanted)))
        among, own = codes, np.arange(len(wanted))
    else:
        rows = checked_rows(gallery, "gallery", zero_allowed=not directions)
        require_same_dimension(wanted, rows, "queries, gallery")
        if gallery_labels is None:
            raise InputError("gallery_labels: missing; the gallery needs the class of each row")
        codes, among = label_codes(
            ("labels", labels, len(wanted)), ("gallery_labels", gallery_labels, len(rows))
        )
        own = np.full(len(wanted), -1) if own_rows is None else np.asarray(own_rows)
    relevant = _relevant(codes, among, own)
    counted = np.flatnonzero(relevant)
    _check(ks, among, counted)
    sums = _Sums(ks)
    # One row fewer is there to rank for those who leave one out.
    for some, most in (
        (counted[own[counted] < 0], len(rows)),
        (counted[own[counted] >= 0], len(rows) - 1),
    ):
        depth = min(max(*ks, int(relevant.max())), most)
        if gallery is None and len(rows) * depth <= NEIGHBORS_HELD and len(some):
            found = nearest_others(rows, depth, distance=distance)
            sums.add(among[found.rows[some]] == codes[some, None], relevant[some])
            continue
        step = max(1, NEIGHBORS_HELD // max(1, depth))
        for start in range(0, len(some), step):
            part = some[start : start + step]
            found = nearest(
                wanted[part],
                rows,
                depth,
                distance=distance,
                own_rows=own[part] if most < len(rows) else None,
            )
            sums.add(among[found.rows] == codes[part, None], relevant[part])
    return sums.means(len(counted), len(wanted) - len(counted), len(rows))


class _Sums:
    """The metrics summed over queries, from which of their nearest are relevant."""

    def __init__(self, ks: Sequence[int]) -> None:
        self.ks = ks
        self.recall = dict.fromkeys(ks, 0.0)
        self.precision = dict.fromkeys(ks, 0.0)
        self.ndcg = dict.fromkeys(ks, 0.0)
        self.r_precision = self.map_at_r = 0.0

    def add(self, hits: NDArray[np.bool_], relevant: Codes) -> None:
        """Hits [Q, depth] of queries with R = ``relevant`` [Q]; depth reaches the largest R."""
        depth = hits.shape[1]
        place = np.arange(1, depth + 1)
        discount = 1 / np.log2(place + 1)
        ideal = np.cumsum(discount)
        for k in self.ks:
            first = hits[:, :k]
            self.recall[k] += float(first.any(axis=1).sum())
            self.precision[k] += float(first.sum()) / k
            best = ideal[np.minimum(np.minimum(k, depth), relevant) - 1]
            self.ndcg[k] += float((first @ discount[:k] / best).sum())
        # The hits alone, as (query, place): few, where most of what is near is of other classes.
        query, at = np.nonzero(hits[:, : int(relevant.max())])
        within = at < relevant[query]
        query, at = query[within], at[within]
        counts = np.bincount(query, minlength=len(hits))
        order = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
        share = 1 / relevant[query]
        self.r_precision += float(share.sum())
        self.map_at_r += float((share * (order + 1) / (at + 1)).sum())

    def means(self, queries: int, left_out: int, gallery: int) -> Retrieval:
        """Over the queries that were counted."""
        recall, precision, ndcg = (
            {k: total / queries for k, total in sums.items()}
            for sums in (self.recall, self.precision, self.ndcg)
        )
        r_precision, map_at_r = self.r_precision / queries, self.map_at_r / queries
        return Retrieval(queries, left_out, gallery, recall, precision, r_precision, map_at_r, ndcg)


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
