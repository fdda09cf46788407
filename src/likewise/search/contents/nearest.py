"""One search: candidates from the engine, verified, scored exactly, put in order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from likewise.search.contents.snapshot import Snapshot
from likewise.search.contents.space import Space
from likewise.search.families.engine import Ids, Mask, Rows, Vectors
from likewise.search.families.exact_pass import beyond, nearest_plain
from likewise.search.families.knobs import Settings

__all__ = ["nearest"]

# A filter that lets so few through, or so small a part, is searched exactly on its rows: a graph
# loses its way among what is forbidden, and the scan is quicker.
FEW_ROWS = 20_000
FEW_SHARE = 0.05
# Candidates that are gathered at once, in bytes: near the cache, far from any memory limit.
BLOCK_BYTES = 16 * 2**20


def nearest(
    space: Space,
    snapshot: Snapshot,
    queries: Vectors,
    k: int,
    settings: Settings,
    chosen: Rows | None,
) -> tuple[Vectors, Ids]:
    """The ``k`` most alike of each query.

    Args:
        space: what the vectors are compared in.
        snapshot: what the index holds.
        queries: float32 [Q,D'], admitted by the space.
        k: at least 1.
        settings: the engine's search settings.
        chosen: the rows that may be found, ascending and none of them removed; all if None.

    Returns:
        Scores float32 [Q,k'], descending, equal ones by ascending id, and the ids int64 [Q,k'],
        k' = min(k, rows to choose among). Of an engine that scans all, those with the smallest ids
        of all that tie with the last.
    """
    total = len(snapshot) if chosen is None else len(chosen)
    k = min(k, total)
    if k == 0 or len(queries) == 0:
        return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    scans = snapshot.base.engine.scans
    wanted = beyond(k, total) if scans else k
    rows = _candidates(space, snapshot, queries, wanted, settings, chosen)
    scores, ids = _ranked(space, snapshot, queries, rows, wanted)
    if scans and wanted < total:
        tied = np.flatnonzero(scores[:, -1] == scores[:, k - 1])
        if len(tied):
            scores[tied, :k], ids[tied, :k] = _among_all(space, snapshot, queries[tied], k, chosen)
    return scores[:, :k], ids[:, :k]


def _candidates(
    space: Space,
    snapshot: Snapshot,
    queries: Vectors,
    k: int,
    settings: Settings,
    chosen: Rows | None,
) -> Rows:
    """Rows of both parts, int64 [Q,C], -1 for none; at least k of each query are there."""
    if chosen is None and not snapshot.fresh.count and not snapshot.gone_count:
        rows = snapshot.base.nearest(queries, k, settings)
        short = rows.min(axis=1) < 0 if rows.shape[1] == k else (rows >= 0).sum(axis=1) < k
        if short.any():
            rows = _completed(space, snapshot, queries, k, rows, short, None)
        return rows
    return _among_both(space, snapshot, queries, k, settings, chosen)


def _among_both(
    space: Space,
    snapshot: Snapshot,
    queries: Vectors,
    k: int,
    settings: Settings,
    chosen: Rows | None,
) -> Rows:
    """Candidates of the base and of the fresh part, side by side, at least k in all."""
    count = len(snapshot.base.ids)
    parts = []
    if chosen is None:
        new = None
        left, newer = count - snapshot.gone_count, snapshot.fresh.count
        if left:
            parts.append(_in_base(space, snapshot, queries, min(k, left), settings))
    else:
        split = int(np.searchsorted(chosen, count))
        old, new = chosen[:split], chosen[split:] - count
        left, newer = len(old), len(new)
        if left:
            parts.append(_in_chosen(space, snapshot, queries, min(k, left), settings, old))
    if newer:
        some = snapshot.fresh.vectors if new is None else snapshot.fresh.vectors[new]
        best = nearest_plain(some, queries, min(k, newer), space.metric)
        parts.append((best if new is None else new[best]) + count)
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def _in_base(
    space: Space, snapshot: Snapshot, queries: Vectors, k: int, settings: Settings
) -> Rows:
    """At least ``k`` rows of the base that are not removed, for each query."""
    base, count = snapshot.base, len(snapshot.base.ids)
    if not snapshot.gone_count:
        rows = base.nearest(queries, k, settings)
    else:
        share = 1 - snapshot.gone_count / count
        rows = base.nearest(queries, min(count, int(1.2 * k / share) + 8), settings)
        rows = _sifted(rows, snapshot.alive)
    short = (rows >= 0).sum(axis=1) < k
    if not short.any():
        return rows
    allowed = snapshot.kept if snapshot.gone_count else None
    return _completed(space, snapshot, queries, k, rows, short, allowed)


def _in_chosen(
    space: Space, snapshot: Snapshot, queries: Vectors, k: int, settings: Settings, old: Rows
) -> Rows:
    """At least ``k`` of the base's rows ``old``, for each query."""
    base, count = snapshot.base, len(snapshot.base.ids)
    share = len(old) / count
    if len(old) <= FEW_ROWS or share <= FEW_SHARE:
        return _exactly(space, base.plain, queries, k, old)
    mask = np.zeros(count, np.bool_)
    mask[old] = True
    if base.engine.selects:
        rows = base.nearest(queries, k, settings, mask)
    else:
        rows = base.nearest(queries, min(count, int(1.5 * k / share) + 8), settings)
    rows = _sifted(rows, mask)
    short = (rows >= 0).sum(axis=1) < k
    return _completed(space, snapshot, queries, k, rows, short, old) if short.any() else rows


def _sifted(rows: Rows, mask: Mask) -> Rows:
    """The rows that the mask lets through, -1 for the others: no engine is believed."""
    return np.where((rows >= 0) & mask[rows], rows, -1)


def _completed(
    space: Space,
    snapshot: Snapshot,
    queries: Vectors,
    k: int,
    rows: Rows,
    short: Mask,
    allowed: Rows | None,
) -> Rows:
    """Search exactly for those queries that the engine found too few for."""
    best = _exactly(space, snapshot.base.plain, queries[short], k, allowed)
    full = np.full((len(queries), max(best.shape[1], rows.shape[1])), -1, np.int64)
    full[:, : rows.shape[1]] = rows
    full[short] = -1
    full[short, : best.shape[1]] = best
    return full


def _exactly(space: Space, vectors: Vectors, queries: Vectors, k: int, rows: Rows | None) -> Rows:
    """Every allowed row is compared, in blocks where they have to be gathered: [Q,C], C ≥ k."""
    if rows is None:
        return nearest_plain(vectors, queries, k, space.metric)
    step = max(k, BLOCK_BYTES // (4 * vectors.shape[1]))
    found: list[Rows] = []
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        best = nearest_plain(vectors[part], queries, min(k, len(part)), space.metric)
        found.append(part[best])
    if len(found) == 1:
        return found[0]
    candidates = np.concatenate(found, axis=1)
    scores = _scores(space, vectors.__getitem__, queries, candidates)
    return np.take_along_axis(candidates, np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)


def _among_all(
    space: Space, snapshot: Snapshot, queries: Vectors, k: int, chosen: Rows | None
) -> tuple[Vectors, Ids]:
    """The ``k`` best by score and id, each query scored exactly with every row, block by block."""
    if chosen is None:
        count = len(snapshot.base.ids)
        fresh = np.arange(count, count + snapshot.fresh.count)
        chosen = np.concatenate([snapshot.kept, fresh])
    scores = np.full((len(queries), k), -np.inf, np.float32)
    ids = np.full((len(queries), k), np.iinfo(np.int64).max)
    step = max(k, BLOCK_BYTES // (4 * queries.shape[1]))
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        near, numbers = snapshot.gather(part), snapshot.ids_at(part)
        for row in range(len(queries)):
            found = space.scores(queries[row, None], near[None])[0]
            better = np.flatnonzero(found >= scores[row, -1])
            both = np.concatenate([scores[row], found[better]])
            named = np.concatenate([ids[row], numbers[better]])
            best = np.lexsort((named, -both))[:k]
            scores[row], ids[row] = both[best], named[best]
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
    if rows.shape[1] > 4 * k:  # sorting all would cost more than it brings
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
    """The exact score of each candidate [Q,C], so many queries at a time that memory is bounded."""
    step = max(1, BLOCK_BYTES // (4 * queries.shape[1] * rows.shape[1]))
    if step >= len(queries):
        return space.scores(queries, gather(rows))
    scores = np.empty(rows.shape, np.float32)
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        scores[part] = space.scores(queries[part], gather(rows[part]))
    return scores
