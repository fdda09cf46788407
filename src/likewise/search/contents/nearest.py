"""One search: candidates from the engine, checked, scored exactly and sorted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from likewise.search.contents.snapshot import Snapshot
from likewise.search.contents.space import Space
from likewise.search.engines.engine import Ids, Mask, Rows, Vectors
from likewise.search.engines.exact_scan import nearest_rows, padded_k
from likewise.search.engines.parameters import Settings

__all__ = ["nearest"]

# A filter that passes this few rows, or this small a share, is searched exactly: that is faster,
# and a graph search fails where most of its neighbors are excluded.
FEW_ROWS = 20_000
FEW_SHARE = 0.05
BLOCK_BYTES = 16 * 2**20  # candidates that are gathered at a time: about the size of the cache


def nearest(
    space: Space,
    snapshot: Snapshot,
    queries: Vectors,
    k: int,
    settings: Settings,
    allowed: Rows | None,
) -> tuple[Vectors, Ids]:
    """The ``k`` most similar vectors of each query.

    Args:
        space: the metric.
        snapshot: the contents of the index.
        queries: float32 [Q,D'], prepared by the space.
        k: at least 1.
        settings: the engine's search settings.
        allowed: the rows that pass the filter, ascending, without removed rows; all if None.

    Returns:
        Scores float32 [Q,k'], descending, equal ones by ascending id, and the ids int64 [Q,k'],
        k' = min(k, allowed rows). An exhaustive engine returns the smallest ids of all that tie
        with the last.
    """
    total = len(snapshot) if allowed is None else len(allowed)
    k = min(k, total)
    if k == 0 or len(queries) == 0:
        return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    exhaustive = snapshot.base.engine.exhaustive
    width = padded_k(k, total) if exhaustive else k
    rows = _Candidates(space, snapshot, queries, settings, allowed).find(width)
    scores, ids = _ranked(space, snapshot, queries, rows, width)
    if exhaustive and width < total:
        # Ties beyond the last candidate: only then may a smaller id be missing.
        tied = np.flatnonzero(scores[:, -1] == scores[:, k - 1])
        if len(tied):
            scores[tied, :k], ids[tied, :k] = _ranked_all(
                space, snapshot, queries[tied], k, allowed
            )
    return scores[:, :k], ids[:, :k]


@dataclass(frozen=True)
class _Candidates:
    """Candidate rows, int64 [Q,C], -1 for none; the arguments are those of ``nearest``."""

    space: Space
    snapshot: Snapshot
    queries: Vectors
    settings: Settings
    allowed: Rows | None

    def find(self, k: int) -> Rows:
        """Candidates of base and fresh rows; at least ``k`` for each query."""
        snapshot = self.snapshot
        if self.allowed is None and not snapshot.fresh.count and not snapshot.gone_count:
            rows = self._by_engine(k)
            short = rows.min(axis=1) < 0 if rows.shape[1] == k else (rows >= 0).sum(axis=1) < k
            return self._completed(k, rows, short, None)
        return self._changed(k)

    def _changed(self, k: int) -> Rows:
        """Candidates under a filter or after changes: of the base, then of the fresh rows."""
        snapshot, allowed = self.snapshot, self.allowed
        count = len(snapshot.base.ids)
        parts = []
        if allowed is None:
            fresh = None
            base_count, fresh_count = count - snapshot.gone_count, snapshot.fresh.count
            if base_count:
                parts.append(self._in_base(min(k, base_count)))
        else:
            split = int(np.searchsorted(allowed, count))
            old, fresh = allowed[:split], allowed[split:] - count
            base_count, fresh_count = len(old), len(fresh)
            if base_count:
                parts.append(self._in_allowed(min(k, base_count), old))
        if fresh_count:
            vectors = snapshot.fresh.vectors if fresh is None else snapshot.fresh.vectors[fresh]
            best = nearest_rows(vectors, self.queries, min(k, fresh_count), self.space.metric)
            parts.append((best if fresh is None else fresh[best]) + count)
        return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]

    def _in_base(self, k: int) -> Rows:
        """At least ``k`` rows of the base that are not removed, for each query."""
        snapshot = self.snapshot
        if not snapshot.gone_count:
            rows = self._by_engine(k)
        else:
            share = 1 - snapshot.gone_count / len(snapshot.base.ids)
            rows = _masked(self._by_engine(int(1.2 * k / share) + 8), snapshot.alive)
        short = (rows >= 0).sum(axis=1) < k
        kept = snapshot.kept if snapshot.gone_count and short.any() else None
        return self._completed(k, rows, short, kept)

    def _in_allowed(self, k: int, allowed: Rows) -> Rows:
        """At least ``k`` of the allowed rows of the base, for each query."""
        base, count = self.snapshot.base, len(self.snapshot.base.ids)
        share = len(allowed) / count
        if len(allowed) <= FEW_ROWS or share <= FEW_SHARE or base.engine.exhaustive:
            return _exact_rows(self.space, base.plain, self.queries, k, allowed)
        mask = np.zeros(count, np.bool_)
        mask[allowed] = True
        if base.engine.takes_mask:
            rows = self._by_engine(k, mask)
        else:
            rows = self._by_engine(int(1.5 * k / share) + 8)
        rows = _masked(rows, mask)
        return self._completed(k, rows, (rows >= 0).sum(axis=1) < k, allowed)

    def _by_engine(self, k: int, mask: Mask | None = None) -> Rows:
        base = self.snapshot.base
        return base.nearest(self.queries, min(k, len(base.ids)), self.settings, mask)

    def _completed(self, k: int, rows: Rows, short: Mask, allowed: Rows | None) -> Rows:
        """``rows`` with an exact search for the queries that have too few candidates."""
        if not short.any():
            return rows
        queries = self.queries[short]
        best = _exact_rows(self.space, self.snapshot.base.plain, queries, k, allowed)
        full = np.full((len(rows), max(best.shape[1], rows.shape[1])), -1, np.int64)
        full[:, : rows.shape[1]] = rows
        full[short] = -1
        full[short, : best.shape[1]] = best
        return full


def _masked(rows: Rows, mask: Mask) -> Rows:
    """The rows in the mask, -1 for the others; also checks engines that apply the mask."""
    return np.where((rows >= 0) & mask[rows], rows, -1)


def _exact_rows(
    space: Space, vectors: Vectors, queries: Vectors, k: int, allowed: Rows | None
) -> Rows:
    """Exact search over the allowed rows, which are gathered in blocks: [Q,C], C ≥ k."""
    if allowed is None:
        return nearest_rows(vectors, queries, k, space.metric)
    step = max(k, BLOCK_BYTES // (4 * vectors.shape[1]))
    found: list[Rows] = []
    for start in range(0, len(allowed), step):
        part = allowed[start : start + step]
        best = nearest_rows(vectors[part], queries, min(k, len(part)), space.metric)
        found.append(part[best])
    if len(found) == 1:
        return found[0]
    candidates = np.concatenate(found, axis=1)
    scores = _scores(space, vectors.__getitem__, queries, candidates)
    return np.take_along_axis(candidates, np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)


def _ranked_all(
    space: Space, snapshot: Snapshot, queries: Vectors, k: int, allowed: Rows | None
) -> tuple[Vectors, Ids]:
    """The ``k`` best of all rows by exact score, then by id; block by block."""
    if allowed is None:
        count = len(snapshot.base.ids)
        fresh = np.arange(count, count + snapshot.fresh.count)
        allowed = np.concatenate([snapshot.kept, fresh])
    scores = np.full((len(queries), k), -np.inf, np.float32)
    ids = np.full((len(queries), k), np.iinfo(np.int64).max)
    step = max(k, BLOCK_BYTES // (4 * queries.shape[1]))
    for start in range(0, len(allowed), step):
        part = allowed[start : start + step]
        near, numbers = snapshot.gather(part), snapshot.ids_at(part)
        for row in range(len(queries)):
            found = space.scores(queries[row, None], near[None])[0]
            better = np.flatnonzero(found >= scores[row, -1])
            both = np.concatenate([scores[row], found[better]])
            both_ids = np.concatenate([ids[row], numbers[better]])
            best = np.lexsort((both_ids, -both))[:k]
            scores[row], ids[row] = both[best], both_ids[best]
    return scores, ids


def _ranked(
    space: Space, snapshot: Snapshot, queries: Vectors, rows: Rows, k: int
) -> tuple[Vectors, Ids]:
    """The ``k`` best candidates by their exact scores."""
    absent = rows < 0
    some_absent = bool(absent.any())
    if some_absent:
        rows = np.where(absent, 0, rows)
    scores = _scores(space, snapshot.gather, queries, rows)
    if some_absent:
        scores[absent] = -np.inf
    if rows.shape[1] > 4 * k:  # select before sorting, which is faster
        best = np.argpartition(-scores, 2 * k, axis=1)[:, : 2 * k]
        scores, rows = np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1)
    ids = snapshot.ids_at(rows)
    first = np.arange(len(rows))[:, None] * rows.shape[1]  # of each query, in the flat arrays
    order = np.argsort(-scores, axis=1)
    ranked = scores.ravel()[order + first]
    if (ranked[:, 1:] == ranked[:, :-1]).any():  # equal scores: the smaller id first
        order = np.lexsort((ids, -scores))
    places = order[:, :k] + first
    return scores.ravel()[places], ids.ravel()[places]


def _scores(
    space: Space, gather: Callable[[Rows], Vectors], queries: Vectors, rows: Rows
) -> Vectors:
    """The exact score of each candidate [Q,C]; in blocks of queries, to bound memory."""
    step = max(1, BLOCK_BYTES // (4 * queries.shape[1] * rows.shape[1]))
    if step >= len(queries):
        return space.scores(queries, gather(rows))
    scores = np.empty(rows.shape, np.float32)
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        scores[part] = space.scores(queries[part], gather(rows[part]))
    return scores
