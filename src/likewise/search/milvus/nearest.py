"""One search on a server: candidates with their vectors, checked, scored exactly and sorted."""

from __future__ import annotations

from typing import Any

import numpy as np

from likewise.search.contents.space import Space
from likewise.search.engines.engine import Ids, Vectors
from likewise.search.engines.exact_scan import nearest_rows
from likewise.search.engines.parameters import Settings
from likewise.search.milvus.collection import LIMIT, MESSAGE_BYTES, Collection
from likewise.search.milvus.filter import ServerFilter

__all__ = ["nearest"]

SPARE = 16  # at least this many candidates beyond k, so that ties with the k-th can be sorted


def nearest(
    space: Space,
    collection: Collection,
    queries: Vectors,
    k: int,
    settings: Settings,
    server_filter: ServerFilter,
) -> tuple[Vectors, Ids]:
    """The ``k`` most similar vectors of each query.

    Args:
        space: the metric.
        collection: of the index.
        queries: float32 [Q,D], prepared by the space.
        k: at least 1.
        settings: search parameters of the server, and ``spare``.
        server_filter: which rows may be returned.

    Returns:
        Scores float32 [Q,k'], descending, equal ones by ascending id, and the ids int64 [Q,k'],
        k' = min(k, rows that pass the filter).
    """
    best = _Best(len(queries), k)
    if not len(queries) or not server_filter.parts:
        return best.results(0)
    wanted = max(k + SPARE, int(k * float(settings.get("spare", 1))))
    short = np.ones(len(queries), np.bool_)
    if wanted <= LIMIT:
        size = 4 * queries.shape[1] + (512 if server_filter.fields else 0)
        step = max(1, min(LIMIT, 4 * MESSAGE_BYTES // (wanted * size)))
        for part in server_filter.parts:
            for start in range(0, len(queries), step):
                some = slice(start, start + step)
                answers = _candidates(
                    collection, queries[some], wanted, settings, server_filter, part
                )
                for place, rows in enumerate(answers, start):
                    _add(space, server_filter, queries, place, rows, best)
        short = best.counts < k
        if not short.any():
            return best.results(k)
    if server_filter.expression is None:
        total = min(k, sum(collection.count(part) for part in server_filter.parts))
        short = best.counts < total
    if short.any():
        best.clear(short)
        _scan(space, collection, queries, np.flatnonzero(short), server_filter, best)
    return best.results(int(best.counts.max()))


class _Best:
    """The best k so far of each query."""

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.scores: list[Vectors] = [np.empty(0, np.float32)] * queries
        self.ids: list[Ids] = [np.empty(0, np.int64)] * queries

    @property
    def counts(self) -> Ids:
        return np.array([len(ids) for ids in self.ids], np.int64)

    def clear(self, which: np.ndarray) -> None:
        for query in np.flatnonzero(which).tolist():
            self.scores[query], self.ids[query] = np.empty(0, np.float32), np.empty(0, np.int64)

    def add(self, query: int, scores: Vectors, ids: Ids) -> None:
        scores = np.concatenate([self.scores[query], scores])
        ids = np.concatenate([self.ids[query], ids])
        order = np.lexsort((ids, -scores))[: self.k]  # equal scores: the smaller id first
        self.scores[query], self.ids[query] = scores[order], ids[order]

    def results(self, k: int) -> tuple[Vectors, Ids]:
        """The first k of each query, [Q,k]; fewer if another client removed rows meanwhile, since
        all queries get as many results as the shortest."""
        k = min([k, *self.counts.tolist()])
        if not k:
            return np.empty((len(self.ids), 0), np.float32), np.empty((len(self.ids), 0), np.int64)
        return np.stack([s[:k] for s in self.scores]), np.stack([i[:k] for i in self.ids])


def _candidates(
    collection: Collection,
    queries: Vectors,
    k: int,
    settings: Settings,
    server_filter: ServerFilter,
    part: str,
) -> list[list[dict[str, Any]]]:
    """The server's candidates of each query: rows with id, vector and the fields to check."""
    parameters = {name: value for name, value in settings.items() if name != "spare"}
    if "ef" in parameters:
        parameters["ef"] = max(k, int(parameters["ef"]))
    found = collection.ask(
        "search", data=list(queries), limit=k, filter=part,
        output_fields=["vector", *server_filter.fields], search_params={"params": parameters},
    )  # fmt: skip
    return [[{"id": hit["id"], **hit["entity"]} for hit in hits] for hits in found]


def _add(
    space: Space,
    server_filter: ServerFilter,
    queries: Vectors,
    query: int,
    rows: list[dict[str, Any]],
    best: _Best,
) -> None:
    kept = server_filter.passes(rows)
    rows = [row for row, keep in zip(rows, kept.tolist(), strict=True) if keep]
    if rows:
        ids = np.array([row["id"] for row in rows], np.int64)
        near = np.array([row["vector"] for row in rows], np.float32)
        best.add(query, space.scores(queries[query : query + 1], near[None])[0], ids)


def _scan(
    space: Space,
    collection: Collection,
    queries: Vectors,
    short: Ids,
    server_filter: ServerFilter,
    best: _Best,
) -> None:
    """Fetch all rows that pass the filter and compare them here: for a k beyond the server's limit,
    and for queries that got too few results."""
    wanted = queries[short]
    for part in server_filter.parts:
        for page in collection.pages(part, ["id", "vector", *server_filter.fields]):
            kept = server_filter.passes(page)
            rows = [row for row, keep in zip(page, kept.tolist(), strict=True) if keep]
            if not rows:
                continue
            ids = np.array([row["id"] for row in rows], np.int64)
            vectors = np.array([row["vector"] for row in rows], np.float32)
            places = nearest_rows(vectors, wanted, min(len(rows), best.k + SPARE), space.metric)
            for query, near in zip(short.tolist(), places, strict=True):
                scores = space.scores(queries[query : query + 1], vectors[near][None])[0]
                best.add(query, scores, ids[near])
