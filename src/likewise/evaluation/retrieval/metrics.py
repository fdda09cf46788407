"""Retrieval metrics: Recall@k, Precision@k, R-precision, MAP@R and nDCG@k.

For a query, R is the number of other samples of its class in the gallery, and rel(i) is 1 if the
i-th nearest neighbor is one of them. Ties are ranked by row, the lower first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arrays import data_frame
from likewise.distances import Cosine, Distance, parse_distance
from likewise.errors import InputError
from likewise.evaluation.inputs import (
    check_counts,
    checked_own_rows,
    checked_rows,
    checked_sides,
    label_codes,
)
from likewise.evaluation.nearest.neighbors import TopK, nearest, top_others
from likewise.evaluation.nearest.score_blocks import QUERY_ROWS
from likewise.evaluation.retrieval.per_query import QueryMetrics, query_metrics
from likewise.pages.shown import Shown, Table, View
from likewise.shares import Share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from likewise.pages.plot import Plot

__all__ = ["KS", "QuerySearch", "Retrieval", "retrieval"]

Codes = NDArray[np.int64]
KS = (1, 5, 10)
NEIGHBORS_HELD = 2**24  # queries × neighbors in memory at one time: 128 MiB of keys


@dataclass(frozen=True, repr=False)
class Retrieval(Shown):
    """The results of a retrieval experiment; each metric is a mean over the queries.

    Args:
        queries: the number of queries evaluated.
        left_out: queries with no other sample of their class in the gallery (R = 0).
        gallery: the number of samples in the gallery.
        recall: for each k, the share of queries with a sample of their class among the k nearest
            (Jégou et al., PAMI 2011; Oh Song et al., CVPR 2016: the field's Recall@k, which is
            not the share of the R samples that are found).
        precision: for each k, the share of the k nearest that are of the class; positions beyond
            the end of the gallery count as misses.
        r_precision: the share of the R nearest that are of the class.
        map_at_r: the mean of ``1/R Σ_{i≤R} rel(i)·Precision@i`` (Musgrave et al., A metric
            learning reality check, ECCV 2020).
        ndcg: for each k, ``Σ_{i≤k} rel(i)/log₂(i+1)`` divided by its largest possible value,
            that of ``rel(i) = 1`` for i ≤ min(k, R) (Järvelin and Kekäläinen, 2002).
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

    def plot_recall(self, ax: Axes | None = None) -> Axes:
        """Draw Recall@k, Precision@k and nDCG@k by k.

        Args:
            ax: axes of matplotlib; a new figure if None.

        Returns:
            The axes.
        """
        return self._plots()[0].on(ax)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with the columns k, recall, precision and ndcg."""
        columns = {"recall": self.recall, "precision": self.precision, "ndcg": self.ndcg}
        ks = list(self.recall)
        return data_frame(
            {"k": ks, **{name: [values[k] for k in ks] for name, values in columns.items()}}
        )

    def _view(self) -> View:
        left_out = f" ({self.left_out:,} alone in their class)" if self.left_out else ""
        title = f"Retrieval: {self.queries:,} queries{left_out} among {self.gallery:,}"
        rows = [(k, self.recall[k], self.precision[k], self.ndcg[k]) for k in self.recall]
        line = f"MAP@R {self.map_at_r:.4f}, R-precision {self.r_precision:.4f}"
        return View(title, [line], [Table(("k", "Recall@k", "Precision@k", "nDCG@k"), rows)])

    def _plots(self) -> Sequence[Plot]:
        from likewise.pages import rates

        return (
            rates.at_k(
                {"Recall@k": self.recall, "Precision@k": self.precision, "nDCG@k": self.ndcg}
            ),
        )


def retrieval(
    queries: ArrayLike,
    labels: ArrayLike,
    gallery: ArrayLike | None = None,
    gallery_labels: ArrayLike | None = None,
    *,
    own_rows: ArrayLike | None = None,
    ks: Sequence[int] = KS,
    distance: Distance | str | None = None,
) -> Retrieval:
    """Measure how well exact search finds the samples of each query's class.

    The scores are computed block by block: the score matrix is never in memory.

    Args:
        queries: [Q, D], finite; for the cosine not zero.
        labels: [Q], numbers or names.
        gallery: [N, D], likewise; if None, the queries themselves, where each query excludes its
            own row (but not a duplicate of it).
        gallery_labels: [N], with ``gallery``.
        own_rows: int64 [Q], with ``gallery``: the row that is the query itself, or -1.
        ks: the k of Recall@k, Precision@k and nDCG@k; may exceed the size of the gallery.
        distance: how to rank, or its name, such as ``euclidean``; the cosine if None.

    Raises:
        InputError: shapes or labels that do not match, a row that is not finite or zero, a k
            below 1, a gallery of one class, or no query with another sample of its class.

    Example:
        >>> from likewise.evaluation.retrieval.metrics import retrieval
        >>> found = retrieval([[1, 0], [2, 1], [0, 1], [1, 3], [1, 1]], ["a", "a", "b", "b", "c"])
        >>> found.queries, found.left_out, found.recall[1], found.map_at_r
        (4, 1, 0.75, 0.75)
    """
    search = QuerySearch(
        queries, labels, gallery, gallery_labels, own_rows=own_rows, ks=ks, distance=distance
    )
    if search.symmetric:
        return search.means(search.metrics_from(search.top_others()))
    return search.means(search.metrics())


class QuerySearch:
    """Checked queries and gallery: computes the metrics of all or some of the queries.

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
        distance: Distance | str | None = None,
    ) -> None:
        self.ks = tuple(ks)
        own = parse_distance(distance) if isinstance(distance, str) else distance
        self.distance = own or Cosine()
        if gallery is None:
            if gallery_labels is not None or own_rows is not None:
                raise InputError("gallery_labels, own_rows: need a gallery; pass one")
            zero_allowed = not isinstance(self.distance, Cosine)
            self.wanted = checked_rows(queries, "queries", zero_allowed=zero_allowed)
            (self.codes,) = label_codes(("labels", labels, len(self.wanted)))
            self.rows, self.among = self.wanted, self.codes
            own_rows = np.arange(len(self.wanted))
        else:
            names = "queries", "gallery"
            self.wanted, self.rows = checked_sides(queries, gallery, names, self.distance)
            if gallery_labels is None:
                raise InputError("gallery_labels: missing; the gallery needs the class of each row")
            self.codes, self.among = label_codes(
                ("labels", labels, len(self.wanted)),
                ("gallery_labels", gallery_labels, len(self.rows)),
            )
            own_rows = np.full(len(self.wanted), -1) if own_rows is None else own_rows
        self.own = checked_own_rows(own_rows, len(self.wanted), len(self.rows))
        self.relevant = _relevant(self.codes, self.among, self.own)
        self.counted = np.flatnonzero(self.relevant)
        _check(self.ks, self.among, self.counted)
        self.deepest = max(*self.ks, int(self.relevant.max()))
        # Symmetric: score each pair of rows once for both, if the neighbors of all fit in memory.
        depth = self._depth(len(self.rows) - 1)
        self.symmetric = gallery is None and len(self.rows) * depth <= NEIGHBORS_HELD

    def top_others(self, rank: int = 0, count: int = 1) -> TopK:
        """The part of a ``symmetric`` search that process ``rank`` of ``count`` computes."""
        depth = self._depth(len(self.rows) - 1)
        return top_others(self.rows, depth, self.distance, rank=rank, count=count)

    def metrics_from(self, found: TopK) -> QueryMetrics:
        """The metrics of all queries, from the neighbors of a ``symmetric`` search."""
        near = found.rows().numpy()[self.counted]
        return self._metrics(self.counted, near)

    def metrics(self, share: Share = Share()) -> QueryMetrics:
        """The metrics of this process's share of the queries."""
        parts = [self._metrics(self.counted[:0], np.empty((0, 1), np.int64))]
        # A query that excludes its own row has one row fewer to rank.
        for some, most in (
            (self.counted[self.own[self.counted] < 0], len(self.rows)),
            (self.counted[self.own[self.counted] >= 0], len(self.rows) - 1),
        ):
            depth = self._depth(most)
            step = max(1, NEIGHBORS_HELD // max(1, depth))
            # Whole blocks, so that each is bitwise the same whichever process computes it.
            block = min(step, QUERY_ROWS)
            step -= step % block
            span = share.span(len(some), block)
            for start in range(span.start, span.stop, step):
                part = some[start : min(start + step, span.stop)]
                own = self.own[part] if most < len(self.rows) else None
                found = nearest(
                    self.wanted[part], self.rows, depth, distance=self.distance, own_rows=own
                )
                parts.append(self._metrics(part, found.rows))
        return QueryMetrics.joined(parts)

    def means(self, metrics: QueryMetrics) -> Retrieval:
        """The means, from the metrics of all queries that have R > 0."""
        queries = len(self.counted)
        # Each column contiguous, so that its sum does not depend on the number of columns.
        recall, precision, ndcg = (
            [float(np.ascontiguousarray(column).sum()) for column in values.T]
            for values in (metrics.hits > 0, metrics.hits, metrics.ndcg)
        )
        return Retrieval(
            queries=queries,
            left_out=len(self.wanted) - queries,
            gallery=len(self.rows),
            recall={k: total / queries for k, total in zip(self.ks, recall, strict=True)},
            precision={k: total / k / queries for k, total in zip(self.ks, precision, strict=True)},
            r_precision=float(metrics.r_precision.sum()) / queries,
            map_at_r=float(metrics.map_at_r.sum()) / queries,
            ndcg={k: total / queries for k, total in zip(self.ks, ndcg, strict=True)},
        )

    def _depth(self, most: int) -> int:
        return min(self.deepest, most)

    def _metrics(self, some: Codes, near: Codes) -> QueryMetrics:
        hits = self.among[near] == self.codes[some, None]
        return query_metrics(some, hits, self.relevant[some], self.ks)


def _relevant(codes: Codes, among: Codes, own: Codes) -> Codes:
    """R of each query: the number of other samples of its class in the gallery."""
    counts = np.bincount(among, minlength=int(codes.max()) + 1)
    itself = (own >= 0) & (among[own] == codes)
    relevant: Codes = counts[codes] - itself
    return relevant


def _check(ks: Sequence[int], among: Codes, counted: Codes) -> None:
    check_counts("ks", ks)
    if len(np.unique(among)) < 2:
        raise InputError("labels: only one class, so that every result is right; add other classes")
    if not len(counted):
        raise InputError(
            "labels: no query has another sample of its class in the gallery; "
            "add samples of the same classes"
        )
