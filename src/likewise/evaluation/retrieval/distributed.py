"""Identification and retrieval by several processes, with the results of a single one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from likewise.data.embeddings import Embeddings
from likewise.data.manifest import SEARCHED
from likewise.distances import Distance
from likewise.errors import InputError, LikewiseError
from likewise.evaluation.identification.closed_set import RANKS, Identification, identified
from likewise.evaluation.identification.enrolment import draw_enrolment
from likewise.evaluation.identification.open_set import FPIRS
from likewise.evaluation.identification.probe_scores import ProbeScores, ProbeSearch
from likewise.evaluation.inputs import input_key
from likewise.evaluation.nearest.neighbors import TopK
from likewise.evaluation.nearest.score_blocks import GALLERY_ROWS, QUERY_ROWS, SYMMETRIC_ROWS
from likewise.evaluation.retrieval.metrics import KS, NEIGHBORS_HELD, QuerySearch, Retrieval
from likewise.evaluation.retrieval.per_query import QueryMetrics
from likewise.shares import Share

__all__ = [
    "Searches",
    "identification_distributed",
    "retrieval_distributed",
    "search_distributed",
    "try_task",
]

Arrays = Mapping[str, NDArray[Any]]
OF_EACH_PROBE = ("mated", "mate", "best_other", "rank")
BLOCK_SIZES = [QUERY_ROWS, GALLERY_ROWS, SYMMETRIC_ROWS, NEIGHBORS_HELD]
T = TypeVar("T")


@dataclass(frozen=True)
class Searches:
    """Identification and retrieval of labeled embeddings; None if not requested or impossible.

    Args:
        identification: probes in a gallery with one photo per identity.
        retrieval: every photo as a query among all others, or the queries in the gallery.
        left_out: the reasons why a requested task is missing.
    """

    identification: Identification | None = None
    retrieval: Retrieval | None = None
    left_out: tuple[str, ...] = ()


def search_distributed(
    embeddings: Embeddings,
    share: Share,
    *,
    tasks: Sequence[str] = ("identification", "retrieval"),
    distance: Distance | None = None,
    seed: int = 0,
    ks: Sequence[int] = KS,
) -> Searches:
    """Measure identification and retrieval; each process does its share of the search.

    Retrieval searches every photo among all others; or, if the column ``split`` divides the photos
    into ``query`` and ``gallery``, each query in the gallery.

    Args:
        embeddings: with identities; the same in every process.
        share: rank and number of processes.
        tasks: ``identification``, ``retrieval`` or both; other tasks are ignored.
        distance: the cosine if None.
        seed: of the random choice of the gallery.
        ks: the k of Recall@k and the other metrics of retrieval.

    Returns:
        The results on rank 0; empty on all other ranks.

    Raises:
        LikewiseError: this process's share failed, or the shares cannot be exchanged. A task that
            is impossible with these embeddings raises nothing: ``left_out`` gives the reason.
    """
    reasons: list[str] = []

    def identify() -> Identification | None:
        vectors, labels = embeddings.vectors, embeddings.labels
        drawn = draw_enrolment(labels, seed=seed)
        return identification_distributed(
            vectors[drawn.probes], labels[drawn.probes],
            vectors[drawn.gallery], labels[drawn.gallery], share, distance=distance,
        )  # fmt: skip

    def retrieve() -> Retrieval | None:
        vectors, labels = embeddings.vectors, embeddings.labels
        queries = _queries(embeddings)
        if queries is None:
            return retrieval_distributed(vectors, labels, share, ks=ks, distance=distance)
        return retrieval_distributed(
            vectors[queries], labels[queries], share, vectors[~queries], labels[~queries],
            ks=ks, distance=distance,
        )  # fmt: skip

    return Searches(
        try_task("identification", identify, reasons) if "identification" in tasks else None,
        try_task("retrieval", retrieve, reasons) if "retrieval" in tasks else None,
        tuple(reasons),
    )


def _queries(embeddings: Embeddings) -> NDArray[np.bool_] | None:
    """Which photos are queries, if all others are the gallery; None if they are not so divided."""
    if "split" not in embeddings.items.column_names:
        return None
    sides = np.array(embeddings.items["split"].cast(pa.string()).to_pylist(), object)
    query, gallery = (sides == side for side in SEARCHED)
    return query if query.any() and gallery.any() and (query | gallery).all() else None


def try_task(name: str, measure: Callable[[], T], reasons: list[str]) -> T | None:
    """The result of ``measure``; None on an ``InputError``, which is added to ``reasons``."""
    try:
        return measure()
    except InputError as error:
        reasons.append(f"{name}: {str(error).removeprefix(f'{name}: ')}")
        return None


def identification_distributed(
    probes: ArrayLike,
    probe_labels: ArrayLike,
    gallery: ArrayLike,
    gallery_labels: ArrayLike,
    share: Share,
    *,
    ranks: Sequence[int] = RANKS,
    fpirs: Sequence[float] = FPIRS,
    max_rank: int = 1,
    distance: Distance | None = None,
) -> Identification | None:
    """``identification`` by several processes: each scores its share of the probes.

    The shares are whole blocks, so that each score is the one that a single process would compute.
    Apart from ``share``, the arguments are those of ``identification``, the same in every process.

    Returns:
        The results on rank 0; None on all other ranks.

    Raises:
        InputError: see ``identification``.
        LikewiseError: this process's share failed, or the shares cannot be exchanged.

    Example:
        >>> from likewise.evaluation.retrieval.distributed import identification_distributed
        >>> from likewise.shares import own_share
        >>> found = identification_distributed(
        ...     [[3, 4], [1, 0.1]], ["bob", "anna"], [[1, 0], [0, 1]], ["anna", "bob"], own_share()
        ... )
        >>> found.closed.rates[1]
        1.0
    """
    limit = max([*ranks, max_rank], default=0)
    search = ProbeSearch(
        probes, probe_labels, gallery, gallery_labels, limit=limit, distance=distance
    )

    def work() -> Arrays:
        scored = search.scored(share.span(len(search.wanted), QUERY_ROWS))
        return {name: getattr(scored, name) for name in OF_EACH_PROBE}

    def key() -> list[object]:
        arrays = search.wanted, search.rows, search.own, search.enrolled
        return [*input_key(search.distance, *arrays), search.limit]

    shares = _gathered(share, "probes", key, work)
    if shares is None:
        return None
    mated, mate, best_other, rank = (
        np.concatenate([part[name] for part in shares]) for name in OF_EACH_PROBE
    )
    scored = ProbeScores(
        identities=search.identities,
        templates=len(search.rows),
        mated=mated,
        mate=mate,
        best_other=best_other,
        rank=rank,
        limit=search.limit,
    )
    return identified(scored, ranks=ranks, fpirs=fpirs, max_rank=max_rank)


def retrieval_distributed(
    queries: ArrayLike,
    labels: ArrayLike,
    share: Share,
    gallery: ArrayLike | None = None,
    gallery_labels: ArrayLike | None = None,
    *,
    own_rows: ArrayLike | None = None,
    ks: Sequence[int] = KS,
    distance: Distance | None = None,
) -> Retrieval | None:
    """``retrieval`` by several processes: each does its share of the search.

    If the queries are the gallery, each pair of rows is scored once, and each process takes some
    of the blocks of pairs; otherwise it takes some of the queries. Apart from ``share``, the
    arguments are those of ``retrieval``, the same in every process.

    Returns:
        The results on rank 0; None on all other ranks.

    Raises:
        InputError: see ``retrieval``.
        LikewiseError: this process's share failed, or the shares cannot be exchanged.

    Example:
        >>> from likewise.evaluation.retrieval.distributed import retrieval_distributed
        >>> from likewise.shares import own_share
        >>> rows = [[1, 0], [2, 1], [0, 1], [1, 3]]
        >>> retrieval_distributed(rows, ["a", "a", "b", "b"], own_share()).recall[1]
        1.0
    """
    search = QuerySearch(
        queries, labels, gallery, gallery_labels, own_rows=own_rows, ks=ks, distance=distance
    )

    def key() -> list[object]:
        arrays = search.wanted, search.rows, search.codes, search.among, search.own
        return [*input_key(search.distance, *arrays), list(search.ks)]

    def some_blocks() -> Arrays:
        return {"keys": search.top_others(share.rank, share.count).keys.numpy()}

    def some_queries() -> Arrays:
        return vars(search.metrics(share))

    shares = _gathered(share, "queries", key, some_blocks if search.symmetric else some_queries)
    if shares is None:
        return None
    if not search.symmetric:
        return search.means(QueryMetrics.joined(QueryMetrics(**part) for part in shares))
    first, *rest = (part["keys"] for part in shares)
    found = TopK.of(first)
    for keys in rest:
        found.merge(keys)
    return search.means(search.metrics_from(found))


def _gathered(
    share: Share, name: str, key: Callable[[], list[object]], work: Callable[[], Arrays]
) -> list[Arrays] | None:
    """``Share.gather``, where an error in one process's work ends that process.

    Wrong inputs raise ``InputError`` in all processes before this, and all of them go on. If only
    one process went on after an error here, rank 0 would wait for its share forever.
    """
    if share.count == 1:
        return [work()]

    def work_or_end() -> Arrays:
        try:
            return work()
        except InputError as error:
            raise LikewiseError(str(error)) from error

    return share.gather(name, [*key(), BLOCK_SIZES], work_or_end)
