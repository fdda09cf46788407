"""One search on a server: candidates with their vectors, verified, scored exactly, put in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from likewise.search.contents.space import Space
from likewise.search.families.engine import Ids, Vectors
from likewise.search.families.exact_pass import nearest_plain
from likewise.search.families.knobs import Settings
from likewise.search.milvus.choice import Choice
from likewise.search.milvus.collection import LIMIT, MESSAGE_BYTES, Collection

__all__ = ["nearest"]

SPARE = 16  # candidates beyond k at the least: equals at the edge are then put in order too


def nearest(
    space: Space,
    collection: Collection,
    queries: Vectors,
    k: int,
    settings: Settings,
    choice: Choice,
) -> tuple[Vectors, Ids]:
    """The ``k`` most alike of each query.

    Args:
        space: what the vectors are compared in.
        collection: where they are.
        queries: float32 [Q,D], admitted by the space.
        k: at least 1.
        settings: the server's search settings, and ``spare``.
        choice: what may be found.

    Returns:
        Scores float32 [Q,k'], descending, equal ones by ascending id, and the ids int64 [Q,k'],
        k' = min(k, rows to choose among).
    """
    best = _Best(len(queries), k)
    if not len(queries) or not choice.parts:
        return best.answers(0)
    wanted = max(k + SPARE, int(k * float(settings.get("spare", 1))))
    short = np.ones(len(queries), np.bool_)
    if wanted <= LIMIT:
        size = 4 * queries.shape[1] + (512 if choice.fields else 0)
        step = max(1, min(LIMIT, 4 * MESSAGE_BYTES // (wanted * size)))
        for part in choice.parts:
            for start in range(0, len(queries), step):
                some = slice(start, start + step)
                answers = _asked(collection, queries[some], wanted, settings, choice, part)
                for place, rows in enumerate(answers, start):
                    _take(space, choice, queries, place, rows, best)
        short = best.counts < k
        if not short.any():
            return best.answers(k)
    if choice.original is None:
        total = min(k, sum(collection.count(part) for part in choice.parts))
        short = best.counts < total
    if short.any():
        best.forget(short)
        _scan(space, collection, queries, np.flatnonzero(short), choice, best)
    return best.answers(int(best.counts.max()))


class _Best:
    """The best k so far of each query."""

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.scores: list[Vectors] = [np.empty(0, np.float32)] * queries
        self.ids: list[Ids] = [np.empty(0, np.int64)] * queries

    @property
    def counts(self) -> Ids:
        return np.array([len(ids) for ids in self.ids], np.int64)

    def forget(self, which: np.ndarray) -> None:
        for query in np.flatnonzero(which).tolist():
            self.scores[query], self.ids[query] = np.empty(0, np.float32), np.empty(0, np.int64)

    def add(self, query: int, scores: Vectors, ids: Ids) -> None:
        scores = np.concatenate([self.scores[query], scores])
        ids = np.concatenate([self.ids[query], ids])
        order = np.lexsort((ids, -scores))[: self.k]  # equal scores: the smaller id first
        self.scores[query], self.ids[query] = scores[order], ids[order]

    def answers(self, k: int) -> tuple[Vectors, Ids]:
        """The first k of each, [Q,k]; a row that another client removed meanwhile is made up for
        by nothing, so that all rows are as long as the shortest."""
        k = min([k, *self.counts.tolist()])
        if not k:
            return np.empty((len(self.ids), 0), np.float32), np.empty((len(self.ids), 0), np.int64)
        return np.stack([s[:k] for s in self.scores]), np.stack([i[:k] for i in self.ids])


def _asked(
    collection: Collection, queries: Vectors, k: int, settings: Settings, choice: Choice, part: str
) -> list[list[dict[str, Any]]]:
    """What the server finds for each query: rows with id, vector and what has to be checked."""
    knobs = {name: value for name, value in settings.items() if name != "spare"}
    if "ef" in knobs:
        knobs["ef"] = max(k, int(knobs["ef"]))
    found = collection.ask(
        "search", data=list(queries), limit=k, filter=part,
        output_fields=["vector", *choice.fields], search_params={"params": knobs},
    )  # fmt: skip
    return [[{"id": hit["id"], **hit["entity"]} for hit in hits] for hits in found]


def _take(
    space: Space,
    choice: Choice,
    queries: Vectors,
    query: int,
    rows: list[dict[str, Any]],
    best: _Best,
) -> None:
    kept = choice.passes(rows)
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
    choice: Choice,
    best: _Best,
) -> None:
    """Read all that may be found, and compare here: for more than the server answers at once, and
    for queries that it answered short."""
    wanted = queries[short]
    for part in choice.parts:
        for page in collection.pages(part, ["id", "vector", *choice.fields]):
            kept = choice.passes(page)
            rows = [row for row, keep in zip(page, kept.tolist(), strict=True) if keep]
            if not rows:
                continue
            ids = np.array([row["id"] for row in rows], np.int64)
            vectors = np.array([row["vector"] for row in rows], np.float32)
            places = nearest_plain(vectors, wanted, min(len(rows), best.k + SPARE), space.metric)
            for query, near in zip(short.tolist(), places, strict=True):
                scores = space.scores(queries[query : query + 1], vectors[near][None])[0]
                best.add(query, scores, ids[near])
